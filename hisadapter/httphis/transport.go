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
)

// transport sends requests, each at most once, and says honestly what became of
// them.
type transport struct {
	reads, writes http.RoundTripper
	answerMax     int64
}

// newTransport makes the two transports of a driver. Neither follows redirects.
// Writes get a fresh connection each: on a connection that was used before,
// net/http may find it dead and send the request again [C2].
func newTransport(c connection, override http.RoundTripper) *transport {
	if override != nil {
		return &transport{reads: override, writes: override, answerMax: c.answerMax}
	}
	reads := &http.Transport{
		TLSClientConfig: c.tls.config(), TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second,
		DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
	}
	if c.proxy != nil {
		reads.Proxy = http.ProxyURL(c.proxy)
	}
	writes := reads.Clone()
	writes.DisableKeepAlives = true
	return &transport{reads: reads, writes: writes, answerMax: c.answerMax}
}

// close gives back the connections that lie idle.
func (t *transport) close() {
	if c, ok := t.reads.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
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
func (t *transport) send(ctx context.Context, m *message, write bool) (*response, error) {
	if ctx.Err() != nil {
		return nil, &hisadapter.Error{Outcome: hisadapter.NotSent, Err: context.Cause(ctx)}
	}
	// On a connection the request may have left us; before it cannot have.
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	rt := t.reads
	if write {
		rt = t.writes
	}
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
	resp, err := rt.RoundTrip(m.request().WithContext(traced))
	if err != nil {
		return fail(err)
	}
	connected.Store(true)
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
