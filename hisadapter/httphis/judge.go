package httphis

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// judgement is what an answer was found to say.
type judgement struct {
	verdict verdict
	rule    *rule // nil = none fits
	observed
	rowNodes []*node
	header   http.Header
	layers   []Layer
	err      error // why it is unknown
}

// Layer is an answer after one step of unwrapping.
type Layer struct {
	Step string // as in the mapping: xml, text, base64 …
	Line int    // of the step
	Text string // "" where the step gives a document
}

// judge reads an answer by the mapping's steps and rules. It never fails: what
// cannot be read is unknown.
func (c *call) judge(r *response, cs charset, secrets map[string]value, now time.Time) *judgement {
	a := &c.ans
	j := &judgement{header: r.header}
	j.observed = observed{status: r.status, rows: -1, read: newReader(), now: now}
	accepted := cond{subject: "status", words: a.statuses}
	if ok, _ := accepted.holds(j.observed, nil); ok {
		hit, err := j.unwrap(c, r.body, cs, secrets)
		if hit != nil {
			j.settle(hit)
			return j
		}
		if err != nil {
			j.doc, j.err = nil, err
		}
	} else {
		j.err = fmt.Errorf("status %d", r.status)
	}
	if err := j.look(a); err != nil {
		j.doc, j.err, j.rows, j.rowNodes = nil, err, -1, nil
	}
	j.decide(a, len(strings.TrimSpace(string(r.body))) == 0)
	return j
}

// decide takes the first rule that fits. What says that something is so needs a
// document in which the HIS says it, or a status that has no other meaning.
func (j *judgement) decide(a *answer, empty bool) {
	for i := range a.rules {
		r := &a.rules[i]
		fits, err := r.fits(j.observed)
		if err != nil {
			j.verdict, j.err = verdict{word: "unknown"}, err
			return
		}
		if !fits {
			continue
		}
		bare := j.doc == nil && !((j.status == http.StatusCreated || j.status == http.StatusNoContent) && empty)
		if r.then.positive() && (bare || j.status >= 300 || j.status < 200) {
			continue
		}
		j.settle(r)
		return
	}
	if j.err == nil {
		j.err = errors.New("the answer fits no rule")
	}
	j.verdict = verdict{word: "unknown"}
}

func (j *judgement) settle(r *rule) {
	j.rule, j.verdict = r, r.then
	if r.then.word == "unknown" {
		j.err = fmt.Errorf("the rule of line %d says unknown", r.line)
	} else {
		j.err = nil
	}
}

// look reads what the rules look at from the document.
func (j *judgement) look(a *answer) error {
	if j.doc == nil {
		return nil
	}
	var err error
	for _, x := range []struct {
		at *path
		to *string
	}{{a.code, &j.code}, {a.message, &j.message}} {
		*x.to = ""
		if x.at == nil {
			continue
		}
		if *x.to, _, err = j.read.text(j.doc, *x.at); err != nil {
			return err
		}
		*x.to = strings.TrimSpace(*x.to)
	}
	if a.rows != nil {
		if j.rowNodes, err = j.read.nodes(j.doc, *a.rows); err != nil {
			return err
		}
		j.rows = len(j.rowNodes)
	}
	return nil
}

// unwrap takes the bytes of an answer to its document. A rule of an outer layer
// that fits ends it.
func (j *judgement) unwrap(c *call, body []byte, cs charset, secrets map[string]value) (hit *rule, err error) {
	if c.ans.charset != "" {
		cs = c.ans.charset
	}
	w := &wrapped{bytes: body, charset: cs}
	for i := range c.ans.steps {
		s := &c.ans.steps[i]
		if s.do == "outcome" {
			j.doc = w.doc
			if err := j.look(&answer{code: c.ans.code, message: c.ans.message}); err != nil {
				return nil, err
			}
			for k := range s.rules {
				fits, err := s.rules[k].fits(j.observed)
				if err != nil {
					return nil, err
				}
				if fits {
					return &s.rules[k], nil
				}
			}
			continue
		}
		if err := w.step(s, j.read, secrets); err != nil {
			return nil, fmt.Errorf("unwrap: %s (mapping line %d): %w", s.do, s.line, err)
		}
		l := Layer{Step: s.do, Line: s.line}
		if w.doc == nil {
			l.Text = w.shown()
		}
		j.layers = append(j.layers, l)
	}
	j.doc = w.doc
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
		t, found, err := read.text(w.doc, s.path)
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

// asError is what a verdict other than done means, nil for those that mean
// something only to their own operation.
func (j *judgement) asError(op Op) *hisadapter.Error {
	e := &hisadapter.Error{Op: op.name(), Outcome: hisadapter.Unknown, Code: j.code, Message: j.message, Err: j.err}
	if e.Code == "" && j.doc == nil {
		e.Code = strconv.Itoa(j.status)
	}
	switch j.verdict.word {
	case "refused":
		e.Outcome, e.Kind = hisadapter.Refused, j.verdict.kind
	case "busy":
		e.Outcome, e.RetryAfter = hisadapter.Busy, retryAfter(j.header)
	case "misconfigured":
		e.Outcome = hisadapter.Misconfigured
	case "find":
		if !op.reads() && op != OpLogin {
			e.Outcome = hisadapter.Find
		} else {
			e.Err = errors.New("find says nothing of a read")
		}
	case "unknown":
	default:
		return nil
	}
	return e
}

func retryAfter(h http.Header) time.Duration {
	if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil && s > 0 && s < 1e6 {
		return time.Duration(s) * time.Second
	}
	return 0
}

// misfit is an answer of success without what success must bring: nobody knows
// what happened.
func (j *judgement) misfit(op Op, err error) *hisadapter.Error {
	return &hisadapter.Error{Op: op.name(), Outcome: hisadapter.Unknown, Code: j.code, Message: j.message, Err: err}
}

// oneOfWords reports whether the verdict is one of these.
func (v verdict) oneOf(words ...string) bool { return slices.Contains(words, v.word) }
