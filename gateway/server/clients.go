package server

import (
	"container/list"
	"context"
	"net/http"
	"time"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"golang.org/x/time/rate"
	"google.golang.org/grpc/peer"

	"github.com/hisgate/hisgate/internal/clientaddr"
)

// clients is the bounded table of who asks. Those who ask nothing now stand in
// the order of their last call, and the oldest of them makes room; who has calls
// under way is never forgotten. It belongs to admission.mu.
type clients struct {
	limits Limits
	most   int
	known  map[string]*client
	idle   *list.List // of *client, the latest in front
	others *client    // shares one account when the table is full of active ones
}

type client struct {
	name    string
	bucket  *rate.Limiter // nil = no limit
	calls   int           // unary, under way
	streams int
	seen    time.Time
	at      *list.Element // its place among the idle; nil while it is active
}

func newClients(l Limits) *clients {
	t := &clients{limits: l, most: l.Clients, known: make(map[string]*client), idle: list.New()}
	if t.most <= 0 {
		t.most = defaultClients
	}
	t.others = t.fresh("")
	return t
}

func (t *clients) fresh(name string) *client {
	return &client{name: name, bucket: bucket(t.limits.ClientRate, t.limits.ClientBurst)}
}

// take finds or makes the client's account and holds it; leave gives it back.
func (t *clients) take(name string, now time.Time) *client {
	t.expire(now)
	c := t.known[name]
	switch {
	case c != nil:
		if c.at != nil {
			t.idle.Remove(c.at)
			c.at = nil
		}
		return c
	case len(t.known) >= t.most && !t.forgetOldest():
		return t.others
	}
	c = t.fresh(name)
	t.known[name] = c
	return c
}

// leave puts a client without calls among the idle.
func (t *clients) leave(c *client, now time.Time) {
	if c == t.others || c.calls+c.streams > 0 || c.at != nil {
		return
	}
	c.seen = now
	c.at = t.idle.PushFront(c)
}

// expire forgets those who have been silent for long. Their buckets are full
// again by then, or as good as.
func (t *clients) expire(now time.Time) {
	for e := t.idle.Back(); e != nil && now.Sub(e.Value.(*client).seen) > clientIdle; e = t.idle.Back() {
		t.forgetOldest()
	}
}

func (t *clients) forgetOldest() bool {
	e := t.idle.Back()
	if e == nil {
		return false
	}
	t.idle.Remove(e)
	delete(t.known, e.Value.(*client).name)
	return true
}

// clientOf names the account that a call is counted under.
func clientOf(ctx context.Context) string {
	if id := caller(ctx); id.authenticated {
		return "name:" + id.Name
	}
	return "addr:" + peerOf(ctx)
}

type requestKey struct{}

// withRequest carries the HTTP request into the services, for who sent it: the
// address of its connection, and what proves the caller's name [E5].
func withRequest(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), requestKey{}, r))
}

// requestOf is the HTTP request that withRequest put there, which only a call in
// this process can have; nil over gRPC. The channel of streams hides it.
func requestOf(ctx context.Context) *http.Request {
	if c := inprocgrpc.ClientContext(ctx); c != nil {
		ctx = c
	}
	r, _ := ctx.Value(requestKey{}).(*http.Request)
	return r
}

// peerOf is the address that a call came from.
func peerOf(ctx context.Context) string {
	if r := requestOf(ctx); r != nil {
		return clientaddr.Of(r.RemoteAddr)
	}
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return clientaddr.Of(p.Addr.String())
	}
	return ""
}
