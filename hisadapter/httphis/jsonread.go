package httphis

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// readJSON reads text as JSON into a document for XPath: a key is an element,
// an entry of a list an element called item, numbers stay as they are written.
// A key that stands twice in an object leaves open which one counts, and is no
// answer. lenient also takes keys without quotes and texts in single ones, as some HIS
// write them, and ids with leading zeros without quotes.
func readJSON(text string, lenient bool) (*node, error) {
	text = strings.TrimSpace(text)
	if !lenient && !json.Valid([]byte(text)) {
		return nil, errors.New("not JSON")
	}
	if text == "" || text[0] != '{' && text[0] != '[' {
		return nil, errors.New("not a JSON object or list")
	}
	b := newBuilder()
	p := &jsonParser{text: text, lenient: lenient, b: b}
	if err := p.value(b.root, 0); err != nil {
		return nil, fmt.Errorf("not JSON: %w (at byte %d)", err, p.pos)
	}
	p.space()
	if p.pos != len(text) {
		return nil, fmt.Errorf("something follows the JSON value (at byte %d)", p.pos)
	}
	return b.root, nil
}

type jsonParser struct {
	text    string
	lenient bool
	pos     int
	b       *builder
}

func (p *jsonParser) space() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// peek is the next byte that is no white space, 0 at the end.
func (p *jsonParser) peek() byte {
	p.space()
	if p.pos == len(p.text) {
		return 0
	}
	return p.text[p.pos]
}

func (p *jsonParser) take(c byte) error {
	if p.peek() != c {
		return fmt.Errorf("%q is missing", c)
	}
	p.pos++
	return nil
}

// value reads one value into the element at.
func (p *jsonParser) value(at *node, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("it is more than %d levels deep", maxDepth)
	}
	switch c := p.peek(); c {
	case '{':
		seen := map[string]bool{}
		return p.members('}', func() error {
			key, err := p.key()
			if err == nil && seen[key] {
				err = fmt.Errorf("the key %.20q stands there twice", key)
			}
			seen[key] = true
			if err == nil {
				err = p.take(':')
			}
			if err != nil {
				return err
			}
			return p.child(at, key, depth)
		})
	case '[':
		return p.members(']', func() error { return p.child(at, "item", depth) })
	case '"', '\'':
		s, err := p.quoted(c)
		if err != nil || s == "" {
			return err
		}
		return p.b.append(at, &node{isText: true, text: s})
	default:
		return p.bare(at)
	}
}

func (p *jsonParser) child(at *node, name string, depth int) error {
	n, err := p.b.element(at, name)
	if err != nil {
		return err
	}
	return p.value(n, depth+1)
}

// members reads what stands between the brackets of an object or a list.
func (p *jsonParser) members(end byte, member func() error) error {
	p.pos++
	if p.peek() == end {
		p.pos++
		return nil
	}
	for {
		if err := member(); err != nil {
			return err
		}
		if p.peek() == end {
			p.pos++
			return nil
		}
		if err := p.take(','); err != nil {
			return err
		}
	}
}

func (p *jsonParser) key() (string, error) {
	if c := p.peek(); c == '"' || c == '\'' {
		return p.quoted(c)
	}
	start := p.pos
	for p.pos < len(p.text) {
		r, size := utf8.DecodeRuneInString(p.text[p.pos:])
		if !isName(string(r)) && !(p.pos > start && (r == '-' || r >= '0' && r <= '9')) {
			break
		}
		p.pos += size
	}
	if p.pos == start {
		return "", errors.New("a key is missing")
	}
	return p.text[start:p.pos], nil
}

// bare reads a number, true, false or null. A null is an element without text.
func (p *jsonParser) bare(at *node) error {
	start := p.pos
	for p.pos < len(p.text) && strings.IndexByte(",]}: \t\r\n\"'", p.text[p.pos]) < 0 {
		p.pos++
	}
	s := p.text[start:p.pos]
	if s == "null" {
		return nil
	}
	if s == "" || !json.Valid([]byte(s)) && !(p.lenient && plainDigits(s)) {
		return errors.New("what stands there is no value") // it may be a token, and is not shown
	}
	return p.b.append(at, &node{isText: true, text: s})
}

// plainDigits reports whether s is digits, as ids with leading zeros are that
// somebody printed without quotes.
func plainDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

func (p *jsonParser) quoted(quote byte) (string, error) {
	p.pos++
	var sb strings.Builder
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		switch {
		case c == quote:
			p.pos++
			return sb.String(), nil
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			sb.WriteRune(r)
		case c < 0x20:
			return "", errors.New("a text has a control character")
		default:
			sb.WriteByte(c)
			p.pos++
		}
	}
	return "", errors.New("a text does not end")
}

func (p *jsonParser) escape() (rune, error) {
	if p.pos+1 >= len(p.text) {
		return 0, errors.New("a text does not end")
	}
	c := p.text[p.pos+1]
	p.pos += 2
	if i := strings.IndexByte(`"\/'bfnrt`, c); i >= 0 {
		return rune("\"\\/'\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, fmt.Errorf(`\%c is no escape`, c)
	}
	r, err := p.unit()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if !strings.HasPrefix(p.text[p.pos:], `\u`) {
		return 0, errors.New("half a surrogate pair")
	}
	p.pos += 2
	low, err := p.unit()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, errors.New("half a surrogate pair")
	}
	return r, nil
}

func (p *jsonParser) unit() (rune, error) {
	if p.pos+4 > len(p.text) {
		return 0, errors.New("a text does not end")
	}
	v, err := strconv.ParseUint(p.text[p.pos:p.pos+4], 16, 16)
	if err != nil {
		return 0, errors.New(`\u without four hexadecimal digits`)
	}
	p.pos += 4
	return rune(v), nil
}
