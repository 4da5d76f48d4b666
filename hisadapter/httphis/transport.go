package httphis

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/internal/skew"
)

// transport sends requests, each at most once, and says honestly what became of
// them.
type transport struct {
	rt        http.RoundTripper
	header    func(context.Context, http.Header) // adds what belongs to a call; nil = nothing
	answerMax int64
	skew      skew.Meter // by the Date of each answer
}

// newTransport never follows redirects, and has a fresh connection for each
// request: on a connection that was used before, net/http may find it dead and
// send the request again [C2], and a HIS that is gone looks like one that lost
// the answer.
func newTransport(c connection, override http.RoundTripper) *transport {
	if override != nil {
		return &transport{rt: override, answerMax: c.answerMax}
	}
	t := &http.Transport{
		TLSClientConfig: c.tls.config(), TLSHandshakeTimeout: 10 * time.Second, DisableKeepAlives: true,
		DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
	}
	if c.proxy != nil {
		t.Proxy = http.ProxyURL(c.proxy)
	}
	return &transport{rt: t, answerMax: c.answerMax}
}

// response is an answer that was read to its end.
type response struct {
	status int
	header http.Header
	body   []byte
}

// send sends a message and reads the whole answer. Its error is an
// *hisadapter.Error: NotSent when no connection was had (refused, TLS failed,
// ctx over before), Unknown when anything went wrong after that.
func (t *transport) send(ctx context.Context, m *message) (*response, error) {
	if ctx.Err() != nil {
		return nil, &hisadapter.Error{Outcome: hisadapter.NotSent, Err: context.Cause(ctx)}
	}
	// On a connection the request may have left us; before it cannot have.
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	fail := func(err error) (*response, error) {
		e := &hisadapter.Error{Outcome: hisadapter.NotSent, Err: err}
		if connected.Load() {
			e.Outcome = hisadapter.Unknown
		}
		if ctx.Err() != nil {
			e.Err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		return nil, e
	}
	req := m.request().WithContext(traced)
	if t.header != nil {
		if req.Header == nil {
			req.Header = make(http.Header)
		}
		t.header(ctx, req.Header)
	}
	sent := time.Now()
	resp, err := t.rt.RoundTrip(req)
	if err != nil {
		return fail(err)
	}
	connected.Store(true)
	t.skew.NoteDate(resp.Header, sent, time.Now())
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, t.answerMax+1))
	if err != nil {
		return fail(fmt.Errorf("reading the answer (status %d): %w", resp.StatusCode, err))
	}
	if int64(len(body)) > t.answerMax {
		return fail(fmt.Errorf("the answer is longer than %d bytes", t.answerMax))
	}
	return &response{status: resp.StatusCode, header: resp.Header, body: body}, nil
}
