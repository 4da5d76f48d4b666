package httphis

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// Layer is an answer after one step of unwrapping.
type Layer struct {
	Step string // as in the mapping: xml, text, base64 …
	Line int    // of the step
	Text string // "" where the step gives a document
}

// unwrapping takes an answer from its bytes to its document.
type unwrapping struct {
	j       *judgement
	c       *call
	secrets map[string]value
}

// unwrap takes all steps. A rule of an outer layer that fits ends it.
func (j *judgement) unwrap(c *call, body []byte, cs charset, secrets map[string]value) (hit *rule, err error) {
	if c.ans.charset != "" {
		cs = c.ans.charset
	}
	w := &wrapped{bytes: body, charset: cs}
	u := unwrapping{j, c, secrets}
	if hit, err = u.run(c.ans.steps, w); hit == nil && err == nil {
		j.doc = w.doc
	}
	return hit, err
}

func (u unwrapping) run(steps []step, w *wrapped) (*rule, error) {
	for i := range steps {
		s := &steps[i]
		var hit *rule
		var err error
		switch s.do {
		case "outcome":
			hit, err = u.early(s, w.doc)
		case "inside":
			hit, err = u.inside(s, w)
		default:
			if err = w.step(s, u.j.read, u.secrets); err != nil {
				break // there is nothing after it
			}
			l := Layer{Step: s.do, Line: s.line}
			if w.doc == nil {
				l.Text = w.shown()
			}
			u.j.layers = append(u.j.layers, l)
		}
		if err != nil {
			return nil, fmt.Errorf("unwrap: %s (mapping line %d): %w", s.do, s.line, err)
		}
		if hit != nil {
			return hit, nil
		}
	}
	return nil, nil
}

// early looks for a rule of an outer layer that fits.
func (u unwrapping) early(s *step, doc *node) (*rule, error) {
	u.j.doc = doc
	if err := u.j.look(&answer{code: u.c.ans.code, message: u.c.ans.message}); err != nil {
		return nil, err
	}
	for k := range s.rules {
		fits, err := s.rules[k].fits(u.j.observed)
		if err != nil {
			return nil, err
		}
		if fits {
			return &s.rules[k], nil
		}
	}
	return nil, nil
}

// inside unwraps the text of one place and puts what is in it there. A place
// that is not there, or empty, or no text, stays as it is.
func (u unwrapping) inside(s *step, w *wrapped) (*rule, error) {
	nodes, err := u.j.read.nodes(w.doc, s.path)
	if err != nil || len(nodes) == 0 {
		return nil, err
	}
	at := nodes[0]
	if at.first == nil || !at.first.isText || strings.TrimSpace(at.value()) == "" {
		return nil, nil
	}
	in := &wrapped{text: at.value(), charset: w.charset}
	hit, err := u.run(s.inner, in)
	if hit != nil || err != nil {
		return hit, err
	}
	at.first, at.last = in.doc.first, in.doc.last
	for n := at.first; n != nil; n = n.next {
		n.parent = at
	}
	return nil, nil
}

// wrapped is an answer between two steps: bytes, or a text, or a document.
type wrapped struct {
	bytes   []byte // nil = there is a text
	charset charset
	text    string
	doc     *node
}

func (w *wrapped) shown() string {
	if w.bytes == nil {
		return w.text
	}
	if s, err := w.charset.decode(w.bytes); err == nil {
		return s
	}
	return hex.EncodeToString(w.bytes)
}

// decode gives the text, if need be from the bytes.
func (w *wrapped) decode() (string, error) {
	if w.bytes == nil {
		return strings.TrimPrefix(w.text, "\ufeff"), nil
	}
	return w.charset.decode(w.bytes)
}

func (w *wrapped) step(s *step, read *reader, secrets map[string]value) error {
	switch s.do {
	case "decrypt":
		key, iv := secretBytes(secrets[s.key]), []byte(nil)
		if s.iv != "" {
			iv = secretBytes(secrets[s.iv])
		}
		b, err := decryptAES(w.bytes, key, iv)
		w.bytes = b
		return err
	case "charset":
		t, err := s.charset.decode(w.bytes)
		w.bytes, w.text = nil, t
		return err
	case "text":
		t, found, err := read.sole(w.doc, s.path)
		if err == nil && !found {
			err = fmt.Errorf("the document has no %s", s.path.src)
		}
		w.bytes, w.doc, w.text = nil, nil, t
		return err
	}
	t, err := w.decode()
	if err != nil {
		return err
	}
	w.bytes = nil
	switch s.do {
	case "base64":
		w.bytes, err = base64.StdEncoding.DecodeString(strings.TrimSpace(t))
	case "hex":
		w.bytes, err = hex.DecodeString(strings.TrimSpace(t))
	case "xml":
		w.doc, err = readXML(t)
	case "json":
		w.doc, err = readJSON(t, false)
	case "lenient_json":
		w.doc, err = readJSON(t, true)
	default:
		w.doc, err = s.layout.read(t)
	}
	if w.bytes == nil && (s.do == "base64" || s.do == "hex") {
		w.bytes = []byte{} // nil would mean a text
	}
	return err
}

// secretBytes are a secret as a key: the keys of HIS are ASCII.
func secretBytes(v value) []byte {
	if v.kind == kBytes {
		return v.bytes
	}
	return []byte(v.text)
}
