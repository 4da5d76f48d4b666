package main

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"sync"
	"testing"
)

// The two moments of a call at which a gate can hold it.
type moment bool

const (
	beforeIt moment = false // it has not arrived
	afterIt  moment = true  // it was carried out, and its answer is not back
)

func (m moment) String() string {
	if m == afterIt {
		return "after"
	}
	return "before"
}

// gate stands before the HIS, WeChat Pay and hisgate's callbacks, each behind a
// socket of its own. It passes every call on, and can hold one at a moment.
type gate struct {
	his, wechat, callbacks *httptest.Server

	mu      sync.Mutex
	stops   []*stop
	hisgate string // scheme and host that callbacks go on to
	by      *http.Client
	seen    []*http.Request
	bodies  [][]byte
	signed  []string
}

// stop is an order to hold the next call that fits.
type stop struct {
	call    *regexp.Regexp // over "POST /path"
	when    moment
	reached chan struct{} // closed when a call is held
	open    chan struct{} // closed to let it go on
}

func newGate(t *testing.T, his, wechat http.Handler) *gate {
	g := &gate{by: http.DefaultClient}
	g.his = httptest.NewServer(g.through(his))
	g.wechat = httptest.NewServer(g.through(wechat))
	g.callbacks = httptest.NewServer(g.through(http.HandlerFunc(g.forward)))
	t.Cleanup(func() {
		for _, s := range []*httptest.Server{g.callbacks, g.wechat, g.his} {
			s.CloseClientConnections()
			s.Close()
		}
	})
	return g
}

// hold holds the next call whose "METHOD /path" matches.
func (g *gate) hold(t *testing.T, call string, when moment) *stop {
	s := &stop{call: regexp.MustCompile(call), when: when, reached: make(chan struct{}), open: make(chan struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stops = append(g.stops, s)
	t.Cleanup(s.release)
	return s
}

// release lets the held call go on, and every later one pass.
func (s *stop) release() {
	select {
	case <-s.open:
	default:
		close(s.open)
	}
}

// wait waits until a call is held.
func (s *stop) wait(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-s.reached:
	case <-ctx.Done():
		t.Fatalf("no call came that fits %s (%s)", s.call, s.when)
	}
}

func (g *gate) take(r *http.Request, when moment) *stop {
	name := r.Method + " " + r.URL.Path
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, s := range g.stops {
		if s.when == when && s.call.MatchString(name) {
			g.stops = append(g.stops[:i:i], g.stops[i+1:]...)
			return s
		}
	}
	return nil
}

// held waits until the stop is lifted. It reports false, and the call must be
// dropped, when the caller went away first.
func (g *gate) held(r *http.Request, when moment) bool {
	s := g.take(r, when)
	if s == nil {
		return true
	}
	close(s.reached)
	select {
	case <-s.open:
		return true
	case <-r.Context().Done():
		return false
	}
}

func (g *gate) through(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Only when the body is read does the server notice that its client left.
		body, err := io.ReadAll(r.Body)
		if err != nil || !g.held(r, beforeIt) {
			panic(http.ErrAbortHandler)
		}
		g.note(r.Header)
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		if !g.held(r, afterIt) {
			panic(http.ErrAbortHandler)
		}
		g.note(answer.Header())
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes())
	})
}

// note keeps the signature of a message, to look for it where it must not be.
func (g *gate) note(h http.Header) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := h.Get("Wechatpay-Signature"); s != "" {
		g.signed = append(g.signed, s)
	}
}

func (g *gate) signatures() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.signed)
}

// forward hands a callback to hisgate as it stands, and keeps it.
func (g *gate) forward(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	g.mu.Lock()
	g.seen, g.bodies = append(g.seen, r), append(g.bodies, body)
	to, by := g.hisgate, g.by
	g.mu.Unlock()
	resp, err := resendBy(by, r, body, to)
	if err != nil {
		http.Error(w, "hisgate is not there", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	io.Copy(w, resp.Body)
}

// resend sends a callback once more, byte for byte.
func resend(r *http.Request, body []byte, to string) (*http.Response, error) {
	return resendBy(http.DefaultClient, r, body, to)
}

func resendBy(by *http.Client, r *http.Request, body []byte, to string) (*http.Response, error) {
	again, err := http.NewRequestWithContext(r.Context(), r.Method, to+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	again.Header = r.Header.Clone()
	return by.Do(again)
}

// sendTo says where hisgate's callbacks are now.
func (g *gate) sendTo(base string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hisgate = base
}

// sendBy says by which client they are sent, too.
func (g *gate) sendBy(base string, client *http.Client) {
	g.sendTo(base)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.by = client
}

// lastCallback returns the newest callback that came by.
func (g *gate) lastCallback(t *testing.T) (*http.Request, []byte) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.seen) == 0 {
		t.Fatal("no callback came by")
	}
	r := g.seen[len(g.seen)-1]
	return r.Clone(context.Background()), g.bodies[len(g.bodies)-1]
}
