package sqldb

import (
	"fmt"
	"strings"
)

// Name writes the name of a table or a column for a statement, quoted where the
// dialect needs it. It is given as one would write it in SQL, with its schema
// where it has one: his.药房库存, "Stock", `order`, [order]. PostgreSQL and Oracle
// fold the letters of names without quotes, so plain ASCII names stay as they
// are there; whatever else is quoted. It returns an error for a name with an
// empty part, a quote that does not end, or a control character.
func Name(dialect, name string) (string, error) {
	parts, err := nameParts(name)
	if err != nil {
		return "", fmt.Errorf("the name %q: %w", name, err)
	}
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = p.write(dialect)
	}
	return strings.Join(out, "."), nil
}

// namePart is one part of a dotted name.
type namePart struct {
	text   string
	quoted bool
}

func (p namePart) write(dialect string) string {
	switch dialect {
	case MySQL:
		return "`" + strings.ReplaceAll(p.text, "`", "``") + "`"
	case SQLServer:
		return "[" + strings.ReplaceAll(p.text, "]", "]]") + "]"
	default:
		if !p.quoted && plain(p.text) {
			return p.text
		}
		return `"` + strings.ReplaceAll(p.text, `"`, `""`) + `"`
	}
}

func nameParts(name string) ([]namePart, error) {
	if i := strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		return nil, fmt.Errorf("it has a control character")
	}
	var parts []namePart
	for rest := strings.TrimSpace(name); ; {
		var p namePart
		end, isQuote := map[byte]string{'"': `"`, '`': "`", '[': "]"}[first(rest)]
		if isQuote {
			text, after, ok := quotedPart(rest[1:], end)
			if !ok {
				return nil, fmt.Errorf("%c does not end", rest[0])
			}
			p, rest = namePart{text, true}, after
			if rest != "" && rest[0] != '.' {
				return nil, fmt.Errorf("after a quoted part comes a dot")
			}
		} else {
			i := strings.IndexByte(rest, '.')
			if i < 0 {
				i = len(rest)
			}
			p, rest = namePart{text: rest[:i]}, rest[i:]
		}
		if p.text == "" {
			return nil, fmt.Errorf("a part is empty")
		}
		if parts = append(parts, p); rest == "" {
			return parts, nil
		}
		rest = rest[1:]
	}
}

func first(s string) byte {
	if s == "" {
		return 0
	}
	return s[0]
}

// quotedPart reads up to the end of a quoted part; a doubled end stands for
// itself.
func quotedPart(s, end string) (text, after string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case !strings.HasPrefix(s[i:], end):
			b.WriteByte(s[i])
		case strings.HasPrefix(s[i+1:], end):
			b.WriteByte(s[i])
			i++
		default:
			return b.String(), s[i+1:], true
		}
	}
	return "", "", false
}

// plain reports whether a name needs no quotes, reserved words aside.
func plain(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	return strings.Contains(letters, s[:1]) && strings.Trim(s, letters+"0123456789$") == ""
}

// Sibling writes the name of another object in the schema of name, where it has
// one. other is plain ASCII.
func Sibling(dialect, name, other string) (string, error) {
	parts, err := nameParts(name)
	if err != nil {
		return "", fmt.Errorf("the name %q: %w", name, err)
	}
	var out []string
	for _, p := range append(parts[:len(parts)-1:len(parts)-1], namePart{text: other}) {
		out = append(out, p.write(dialect))
	}
	return strings.Join(out, "."), nil
}
