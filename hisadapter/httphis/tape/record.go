package tape

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// Recorder keeps exchanges in a folder. Its methods are safe for concurrent use.
type Recorder struct {
	dir  string
	hide []string // references of patients

	mu  sync.Mutex
	n   int
	err error
}

// Record begins a tape in a folder, which is made when missing and must be empty.
// The values of head.Attributes stand on the tape nowhere.
func Record(dir string, head Head) (*Recorder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(there) > 0 {
		return nil, fmt.Errorf("%s is not empty: a tape gets a folder of its own", dir)
	}
	r := &Recorder{dir: dir}
	attributes := map[string]string{}
	for name, v := range head.Attributes {
		attributes[name] = masked
		r.hide = append(r.hide, v)
	}
	head.Attributes = attributes
	return r, writeYAML(dir, headFile, head)
}

// Exchange keeps one exchange; it fits httphis.Options.Record. A file that cannot
// be written shows at Close.
func (r *Recorder) Exchange(x httphis.Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	m := newMasks(slices.Concat(x.Signatures, r.hide))
	e := entry{
		Op: string(x.Op), Call: x.Call, At: x.At, Duration: x.Duration, Method: x.Request.Method, URL: m.hide(x.Request.URL),
		Header: headers(m, x.Request.Header), Body: m.hide(x.Request.Text), Status: x.Status, Answer: headers(m, x.Header),
		Outcome: x.Outcome.String(), Rule: x.Rule.Line, Then: x.Rule.Then, Error: m.hide(x.Err), NotSent: x.Outcome == hisadapter.NotSent,
	}
	for _, p := range x.Request.Parts {
		e.Parts = append(e.Parts, part{p.Name, m.hide(p.Text)})
	}
	name := fmt.Sprintf("%04d-%s", r.n, x.Op)
	r.err = errors.Join(r.err, writeYAML(r.dir, name+".yaml", e))
	if x.Status != 0 {
		r.err = errors.Join(r.err, write(r.dir, name+".answer", []byte(m.hide(string(x.Body)))))
	}
}

// Close ends the tape. Its error is the first of what could not be written.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
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
