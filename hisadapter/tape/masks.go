package tape

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"
)

const masked = "***"

// masks are texts that must not stand on a tape, in every form that they take: in
// GBK, escaped for XML, JSON or an address, and within base64 or hex. A text of
// one character is no secret, and would tear everything apart.
type masks struct {
	plain    []string // as they are, and in GBK
	replacer *strings.Replacer
}

func newMasks(texts []string) masks {
	var m masks
	var forms []string
	for _, s := range texts {
		if len(s) < 2 {
			continue
		}
		m.plain = append(m.plain, s)
		if b, err := simplifiedchinese.GB18030.NewEncoder().String(s); err == nil && b != s {
			m.plain = append(m.plain, b)
		}
		if b, err := json.Marshal(s); err == nil {
			forms = append(forms, strings.Trim(string(b), `"`))
		}
	}
	for _, s := range m.plain {
		escaped := html.EscapeString(s)
		forms = append(forms, s, url.QueryEscape(s), url.PathEscape(s), escaped, html.EscapeString(escaped))
	}
	slices.Sort(forms)
	forms = slices.Compact(forms)
	slices.SortStableFunc(forms, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range forms {
		pairs = append(pairs, s, masked)
	}
	m.replacer = strings.NewReplacer(pairs...)
	return m
}

// packed finds what may be base64 or hex, also within a form.
var packed = regexp.MustCompile(`(?:[A-Za-z0-9+/]|%2[BbFf]){4,}(?:=|%3[Dd]){0,2}`)

// hide masks a text. What holds one of the texts within base64 or hex is masked
// whole.
func (m masks) hide(s string) string {
	s = m.replacer.Replace(s)
	if len(m.plain) == 0 {
		return s
	}
	return packed.ReplaceAllStringFunc(s, func(p string) string {
		raw := p
		if u, err := url.PathUnescape(p); err == nil {
			raw = u
		}
		for _, decode := range []func(string) ([]byte, error){base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString, hex.DecodeString} {
			b, err := decode(raw)
			if err == nil && slices.ContainsFunc(m.plain, func(t string) bool { return strings.Contains(string(b), t) }) {
				return masked
			}
		}
		return p
	})
}
