package httphis

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// Request is a request as it is or would be sent, with secrets, tokens and what
// can be turned back into them masked. A digest is shown as it is.
type Request struct {
	Method string
	URL    string
	Header http.Header
	Text   string // the body as text
	Body   []byte // and in the HIS's charset
	Parts  []Part // what was rendered before it, in order: among them what was signed
}

// Part is a part of a request, rendered.
type Part struct{ Name, Text string }

// Exchange is one request with what became of it, secrets masked.
type Exchange struct {
	Op       Op
	Call     int // which call of find_order, from 0
	At       time.Time
	Duration time.Duration
	Request  Request
	// Signatures are the digests and codes that the request was written with.
	// They are not masked above: whoever fits a mapping must see them.
	Signatures []string
	Status     int // 0 = there was no answer
	Header     http.Header
	Body       []byte // of the answer, as it came
	Outcome    hisadapter.Outcome
	Rule       Rule
	Err        string
}

// recording is an exchange under way.
type recording struct {
	Exchange
	begun  time.Time
	hidden masks
}

// Rule is the rule of the mapping that decided. Its zero value: none fits.
type Rule struct {
	Name string
	Line int
	Then string // done, refused insufficient, …
}

func (j *judgement) matched() Rule {
	if j.rule == nil {
		return Rule{}
	}
	then := j.verdict.word
	if then == "refused" {
		then += " " + j.verdict.kind.String()
	}
	return Rule{j.rule.name, j.rule.line, then}
}

// shown is the message with its secrets masked.
func (m *message) shown(cs charset) Request {
	r := Request{
		Method: m.method, URL: m.masks.apply(m.url.String()), Header: http.Header{},
		Text: m.masks.apply(m.text), Body: m.masks.applyBytes(m.body, cs),
	}
	for name, values := range m.header {
		for _, v := range values {
			r.Header.Add(name, m.masks.apply(v))
		}
	}
	for _, p := range m.parts {
		r.Parts = append(r.Parts, Part{p.name, m.masks.apply(p.text)})
	}
	return r
}

func (d *Driver) begin(c *call, m *message, at time.Time) *recording {
	if d.record == nil {
		return nil
	}
	x := Exchange{
		Op: c.op, Call: max(slices.Index(d.m.ops[c.op], c), 0), At: at,
		Request: m.shown(d.m.conn.charset), Signatures: m.signatures,
	}
	return &recording{x, time.Now(), m.masks}
}

// end hands an exchange to the recorder. A token that the answer brings is
// masked in it too.
func (d *Driver) end(x *recording, r *response, j *judgement, err error) {
	if x == nil {
		return
	}
	x.Duration, x.Outcome = time.Since(x.begun), hisadapter.OutcomeOf(err)
	if err != nil {
		x.Err = err.Error()
	}
	for _, s := range d.hidden(x.Op, j).list {
		x.hidden.add(s)
	}
	if j != nil {
		x.Rule = j.matched()
	}
	if r != nil {
		x.Status, x.Header = r.status, http.Header{}
		for name, values := range r.header {
			for _, v := range values {
				if strings.EqualFold(name, "Set-Cookie") {
					v = maskedCookie(v)
				}
				x.Header.Add(name, x.hidden.apply(v))
			}
		}
		x.Body = x.hidden.applyBytes(r.body, d.m.conn.charset)
	}
	x.Err = x.hidden.apply(x.Err)
	d.record(x.Exchange)
}

// maskedCookie hides what a cookie says. Its name stays, for a mapping may look
// for it.
func maskedCookie(s string) string {
	cookie, attributes, more := strings.Cut(s, ";")
	name, _, named := strings.Cut(cookie, "=")
	if !named {
		return masked
	}
	if more {
		attributes = ";" + attributes
	}
	return name + "=" + masked + attributes
}

// hidden are the secrets, and the tokens of a login's answer.
func (d *Driver) hidden(op Op, j *judgement) masks {
	var m masks
	for _, v := range d.secrets {
		m.add(v.String())
	}
	if op != OpLogin || j == nil || j.doc == nil {
		return m
	}
	for name, fields := range d.m.session.fields {
		if name == "expires" || name == "expires_in" {
			continue
		}
		if s, there, err := j.raw(fields[0], j.doc); err == nil && there {
			m.add(s)
		}
	}
	return m
}
