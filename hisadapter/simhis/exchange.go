package simhis

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/internal/skew"
)

// exchange sends requests and says honestly what became of them.
type exchange struct {
	base   string
	reads  *http.Client
	writes *http.Client
	skew   skew.Meter // by the Date of each answer
}

// newExchange derives the two clients that a driver needs from one. Neither
// follows redirects. Writes get a fresh connection each, so that nothing, not
// even a stale connection, can make the transport send one twice [C2].
func newExchange(base string, client *http.Client) *exchange {
	if client == nil {
		client = &http.Client{}
	}
	reads := *client
	reads.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	writes := reads
	transport := client.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	if t, ok := transport.(*http.Transport); ok {
		fresh := t.Clone()
		fresh.DisableKeepAlives = true
		writes.Transport = fresh
	}
	return &exchange{base: base, reads: &reads, writes: &writes}
}

// do posts a request and reads the answer. Its error is an *hisadapter.Error:
// NotSent when no connection was ever had, Unknown when anything went wrong
// after that, else what the HIS's code means.
func (x *exchange) do(ctx context.Context, op Op, write bool, in any) (wireAnswer, error) {
	fail := func(o hisadapter.Outcome, err error) (wireAnswer, error) {
		return wireAnswer{}, &hisadapter.Error{Op: string(op), Outcome: o, Err: err}
	}
	body, err := json.Marshal(in)
	if err != nil {
		return fail(hisadapter.NotSent, err)
	}
	// On this connection the request may have left us; before it cannot have.
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.base+op.path(), bytes.NewReader(body))
	if err != nil {
		return fail(hisadapter.NotSent, err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	client := x.reads
	if write {
		client = x.writes
		req.GetBody = nil // without it net/http cannot send the body again
	}
	sent := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		if connected.Load() {
			return fail(hisadapter.Unknown, err)
		}
		return fail(hisadapter.NotSent, err)
	}
	defer resp.Body.Close()
	x.skew.NoteDate(resp.Header, sent, time.Now())
	if resp.StatusCode != http.StatusOK {
		return wireAnswer{}, statusError(op, resp)
	}
	a, err := readAnswer(resp.Body)
	if err != nil {
		return fail(hisadapter.Unknown, err)
	}
	if err := a.err(op); err != nil {
		return wireAnswer{}, err
	}
	return a, nil
}

// statusError reads a status other than 200. Only one that says that the
// request was not taken is believed; the rest is Unknown.
func statusError(op Op, resp *http.Response) error {
	e := &hisadapter.Error{
		Op: string(op), Outcome: hisadapter.Unknown, Code: strconv.Itoa(resp.StatusCode), Message: http.StatusText(resp.StatusCode),
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
		e.Outcome = hisadapter.Busy
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 && s < 1e6 {
			e.RetryAfter = time.Duration(s) * time.Second
		}
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		e.Outcome = hisadapter.Misconfigured
	}
	return e
}

func readAnswer(r io.Reader) (wireAnswer, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if err != nil {
		return wireAnswer{}, err
	}
	if len(body) > maxBody {
		return wireAnswer{}, fmt.Errorf("the answer is longer than %d bytes", maxBody)
	}
	var a wireAnswer
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&a); err != nil {
		return wireAnswer{}, fmt.Errorf("the answer is not the JSON it should be: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return wireAnswer{}, errors.New("something follows the answer")
	}
	return a, nil
}

func (a wireAnswer) err(op Op) error {
	var short []hisadapter.Shortage
	for _, s := range a.Shortages {
		short = append(short, hisadapter.Shortage(s))
	}
	return asError(op, a.Code, a.Message, short)
}
