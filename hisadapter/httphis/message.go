package httphis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// message is a request that was written but not sent.
type message struct {
	method string
	url    *url.URL
	header http.Header
	text   string // the body before it became bytes
	body   []byte
	parts  []renderedPart
	masks  masks

	signatures []string // digests that were printed
}

type renderedPart struct{ name, text string }

// write renders the request. Its error is an *unsayable.
func (c *call) write(e *env, base *url.URL) (*message, error) {
	m := &message{method: c.req.method, header: http.Header{}}
	for _, p := range c.req.parts {
		s, err := p.render(e)
		if err != nil {
			return nil, err
		}
		e.values["part."+p.name] = text(s)
		m.parts = append(m.parts, renderedPart{p.name, s})
	}
	if err := c.address(m, e, base); err != nil {
		return nil, err
	}
	for _, h := range c.req.headers {
		s, err := h.tmpl.render(e, escaper{})
		if err == nil && strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 && r != '\t' || r >= 0x7f }) {
			err = &unsayable{line: c.line, err: fmt.Errorf("header %s: the value holds what a header cannot", h.name)}
		}
		if err != nil {
			return nil, err
		}
		m.header.Set(h.name, s)
	}
	if b := c.req.body; b != nil {
		s, err := b.render(e)
		if err != nil {
			return nil, err
		}
		m.text = s
		if m.body, err = e.charset.encode(s); err != nil {
			return nil, &unsayable{line: b.line, err: err}
		}
		if m.header.Get("Content-Type") == "" {
			m.header.Set("Content-Type", b.format.contentType(e.charset))
		}
	}
	e.masks.encode(e.charset)
	m.masks, m.signatures = e.masks, e.signatures
	return m, nil
}

func (f format) contentType(cs charset) string {
	kind := map[format]string{
		asXML: "text/xml", asJSON: "application/json", asForm: "application/x-www-form-urlencoded",
	}[f]
	if kind == "" {
		kind = "text/plain"
	}
	return kind + "; charset=" + string(cs)
}

// address puts path and query behind the base address.
func (c *call) address(m *message, e *env, base *url.URL) error {
	u := *base
	raw := strings.TrimRight(u.EscapedPath(), "/")
	if c.req.path != nil {
		s, err := c.req.path.render(e, escaper{charset: e.charset})
		if err != nil {
			return err
		}
		b, err := e.charset.encode(s)
		if err != nil {
			return &unsayable{line: c.line, err: fmt.Errorf("path: %w", err)}
		}
		raw += percentEncoded(b)
	}
	path, err := url.PathUnescape(raw)
	if err != nil {
		return &unsayable{line: c.line, err: fmt.Errorf("path: %w", err)}
	}
	u.Path, u.RawPath = path, raw
	query, err := encodeFields(c.req.query, e)
	if err != nil {
		return err
	}
	u.RawQuery = query
	m.url = &u
	return nil
}

// percentEncoded escapes what the mapping itself put into a path and an address
// cannot hold; values are escaped already.
func percentEncoded(b []byte) string {
	var sb strings.Builder
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&sb, "%%%02X", c)
		} else {
			sb.WriteByte(c)
		}
	}
	return sb.String()
}

// encodeFields writes a form or a query, percent-encoded in the HIS's charset.
func encodeFields(fields []named, e *env) (string, error) {
	var pairs []string
	for _, f := range fields {
		s, err := f.tmpl.render(e, escaper{})
		if err != nil {
			return "", err
		}
		b, err := e.charset.encode(s)
		if err != nil {
			return "", &unsayable{err: fmt.Errorf("%s: %w", f.name, err)}
		}
		pairs = append(pairs, url.QueryEscape(f.name)+"="+url.QueryEscape(string(b)))
	}
	return strings.Join(pairs, "&"), nil
}

// render writes a part, and checks that it is what it says it is.
func (p part) render(e *env) (string, error) {
	switch p.format {
	case asForm:
		return encodeFields(p.fields, e)
	case asJoin:
		return p.joined(e)
	}
	s, err := p.tmpl.render(e, escaper{separators: p.separators, charset: e.charset})
	if err != nil {
		return "", err
	}
	switch p.format {
	case asXML:
		if p.name == "" {
			_, err = readXML(s)
		} else {
			_, err = readMarkup(s)
		}
	case asJSON:
		if !json.Valid([]byte(s)) {
			err = errors.New("what was written is not JSON")
		}
	}
	if err != nil {
		return "", &unsayable{line: p.line, err: &malformedError{p.line, err}}
	}
	return s, nil
}

// malformedError says that a part is not what it says it is.
type malformedError struct {
	line int
	err  error
}

func (e *malformedError) Error() string { return e.err.Error() }
func (e *malformedError) Unwrap() error { return e.err }

func (p part) joined(e *env) (string, error) {
	type entry struct{ name, text string }
	var entries []entry
	for _, f := range p.fields {
		s, err := f.tmpl.render(e, escaper{})
		if err != nil {
			return "", err
		}
		if s == "" && p.join.skipEmpty {
			continue
		}
		entries = append(entries, entry{f.name, s})
	}
	if p.join.sorted {
		slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	}
	var sb strings.Builder
	for i, x := range entries {
		if i > 0 {
			sb.WriteString(p.join.between)
		}
		sb.WriteString(x.name + p.join.pair + x.text)
	}
	return sb.String(), nil
}

// request makes what net/http sends. Without a GetBody it cannot be sent a
// second time by the transport.
func (m *message) request() *http.Request {
	r := &http.Request{
		Method: m.method, URL: m.url, Host: m.url.Host, Header: m.header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if m.body != nil {
		r.Body, r.ContentLength = readCloser{bytes.NewReader(m.body)}, int64(len(m.body))
	}
	return r
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }
