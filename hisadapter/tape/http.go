package tape

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// httpEntry is one exchange over HTTP.
type httpEntry struct {
	Op       string              `yaml:"op"`
	Call     int                 `yaml:"call,omitempty"`
	At       time.Time           `yaml:"at"`
	Duration time.Duration       `yaml:"duration"`
	Method   string              `yaml:"method"`
	URL      string              `yaml:"url"`
	Header   map[string][]string `yaml:"header,omitempty"`
	Parts    []part              `yaml:"parts,omitempty"`
	Body     string              `yaml:"body,omitempty"`
	Status   int                 `yaml:"status"` // 0 = there was no answer
	Answer   map[string][]string `yaml:"answer_header,omitempty"`
	Outcome  string              `yaml:"outcome"`
	Rule     int                 `yaml:"rule,omitempty"` // line of the mapping
	Then     string              `yaml:"then,omitempty"`
	Error    string              `yaml:"error,omitempty"`
	// NotSent: nothing left hisgate.
	NotSent bool `yaml:"not_sent,omitempty"`

	name string // of its file
	body []byte // of the answer
}

type part struct {
	Name string `yaml:"name"`
	Text string `yaml:"text"`
}

// HTTP keeps one exchange; it fits httphis.Options.Record.
func (r *Recorder) HTTP(x httphis.Exchange) {
	m := newMasks(slices.Concat(x.Signatures, r.hide))
	e := httpEntry{
		Op: string(x.Op), Call: x.Call, At: x.At, Duration: x.Duration, Method: x.Request.Method, URL: m.hide(x.Request.URL),
		Header: headers(m, x.Request.Header), Body: m.hide(x.Request.Text), Status: x.Status, Answer: headers(m, x.Header),
		Outcome: x.Outcome.String(), Rule: x.Rule.Line, Then: x.Rule.Then, Error: m.hide(x.Err), NotSent: x.Outcome == hisadapter.NotSent,
	}
	for _, p := range x.Request.Parts {
		e.Parts = append(e.Parts, part{p.Name, m.hide(p.Text)})
	}
	var answer []byte
	if x.Status != 0 {
		answer = []byte(m.hide(string(x.Body)))
	}
	r.keep(string(x.Op), e, answer)
}

func headers(m masks, h http.Header) map[string][]string {
	out := map[string][]string{}
	for name, values := range h {
		for _, v := range values {
			out[name] = append(out[name], m.hide(v))
		}
	}
	return out
}

// readHTTP reads an exchange with the body of its answer.
func readHTTP(dir, name string) (*httpEntry, error) {
	e := &httpEntry{name: name}
	if err := readYAML(filepath.Join(dir, name+".yaml"), e); err != nil {
		return nil, err
	}
	var err error
	if e.body, err = os.ReadFile(filepath.Join(dir, name+".answer")); err != nil && (e.Status != 0 || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	return e, nil
}

// errNoAnswer is what the caller of a call without an answer sees.
var errNoAnswer = errors.New("the tape has no answer to this call, as the HIS had none")

// RoundTrip implements http.RoundTripper.
func (p *Player) RoundTrip(r *http.Request) (*http.Response, error) {
	x, err := p.take(string(httphis.Operation(r.Context())))
	if err != nil {
		return nil, err
	}
	e := x.http
	lost := fmt.Errorf("%s: %w", e.name, errNoAnswer)
	if e.NotSent {
		return nil, lost
	}
	if e.Status == 0 { // it was on its way when the answer was lost
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: lostBody{lost}, Request: r}, nil
	}
	return &http.Response{
		StatusCode: e.Status, Status: http.StatusText(e.Status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header(e.Answer), Body: io.NopCloser(bytes.NewReader(e.body)), ContentLength: int64(len(e.body)), Request: r,
	}, nil
}

// lostBody is an answer that never came.
type lostBody struct{ err error }

func (b lostBody) Read([]byte) (int, error) { return 0, b.err }
func (lostBody) Close() error               { return nil }
