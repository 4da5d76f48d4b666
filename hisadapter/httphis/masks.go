package httphis

import (
	"net/url"
	"slices"
	"strings"
)

// masks are the texts of one exchange that must not be shown: secrets, tokens,
// and what can be turned back into them.
type masks struct{ list []string }

const masked = "***"

func (m *masks) add(s string) {
	if s != "" && !slices.Contains(m.list, s) {
		m.list = append(m.list, s)
	}
}

// reveal notes what was printed of a secret. A part that holds secrets is not
// masked as a whole, but they are masked in the form that they take in it.
func (m *masks) reveal(v value, printed string, isPart bool, escape func(string) string) {
	if !isPart {
		m.add(v.String())
		m.add(strings.Trim(printed, `"`))
		return
	}
	for _, s := range slices.Clone(m.list) {
		m.add(escape(s))
	}
}

// with is both together.
func (m *masks) with(o masks) masks {
	out := masks{slices.Clone(m.list)}
	for _, s := range o.list {
		out.add(s)
	}
	return out
}

// error is an error that says nothing hidden, and is what it was: a HIS may show
// in its words what it was sent, down to the text that was signed.
func (m *masks) error(err error) error {
	if err == nil {
		return nil
	}
	if said := err.Error(); m.apply(said) != said {
		return &maskedError{m.apply(said), err}
	}
	return err
}

type maskedError struct {
	words string
	err   error
}

func (e *maskedError) Error() string { return e.words }
func (e *maskedError) Unwrap() error { return e.err }

// encode notes the forms that the secrets take in forms and queries.
func (m *masks) encode(cs charset) {
	for _, s := range slices.Clone(m.list) {
		if b, err := cs.encode(s); err == nil {
			m.add(url.QueryEscape(string(b)))
			m.add(url.PathEscape(string(b)))
		}
	}
}

// apply masks a text, the longest secrets first.
func (m *masks) apply(s string) string {
	list := slices.SortedFunc(slices.Values(m.list), func(a, b string) int { return len(b) - len(a) })
	for _, secret := range list {
		s = strings.ReplaceAll(s, secret, masked)
	}
	return s
}

// applyBytes masks bytes in the HIS's charset.
func (m *masks) applyBytes(b []byte, cs charset) []byte {
	s := m.apply(string(b))
	for _, secret := range m.list {
		if enc, err := cs.encode(secret); err == nil && len(enc) > 0 {
			s = strings.ReplaceAll(s, string(enc), masked)
		}
	}
	return []byte(s)
}
