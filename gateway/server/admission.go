package server

import (
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/hisgate/hisgate/internal/clientaddr"
)

// admission lets calls in, within the limits. It never makes anyone wait: what
// exceeds a bound is refused at once and told when to come again.
type admission struct {
	limits Limits
	now    func() time.Time
	log    *slog.Logger
	shed   func(scope)
	all    *rate.Limiter // nil = no limit
	// strangers is theirs, so that their flood leaves those who are known alone.
	strangers *rate.Limiter

	mu      sync.Mutex
	clients *clients
	calls   int // unary, under way
	streams int
	watches int // streams of health
	warned  map[scope]time.Time
}

// warnEvery keeps a flood out of the log.
const warnEvery = time.Minute

func newAdmission(o *Options, shed func(scope)) *admission {
	return &admission{
		limits: o.Limits, now: o.Now, log: o.Logger, shed: shed,
		all: bucket(o.Limits.Rate, o.Limits.Burst), strangers: bucket(o.Limits.Rate, o.Limits.Burst),
		clients: newClients(o.Limits), warned: make(map[scope]time.Time),
	}
}

// bucket is a limiter that starts full; nil without a rate.
func bucket(perSecond float64, burst int) *rate.Limiter {
	if perSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), max(burst, 1))
}

// enter lets a call of the client in, or returns a *limitError. leave must be
// called when the call has ended.
func (a *admission) enter(client string, k kind) (leave func(), err error) {
	now := a.now()
	a.mu.Lock()
	c := a.clients.take(client, now)
	refused := a.admit(c, k, now)
	if refused != nil {
		a.clients.leave(c, now)
		a.mu.Unlock()
		a.refused(refused, client)
		return nil, refused
	}
	a.count(c, k, 1)
	a.mu.Unlock()
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.count(c, k, -1)
		a.clients.leave(c, a.now())
	}, nil
}

// admit checks all bounds and takes the tokens, under mu. The client's own come
// first, so that its flood leaves the common ones alone.
func (a *admission) admit(c *client, k kind, now time.Time) *limitError {
	if s, full := a.full(c, k); full {
		return &limitError{scope: s}
	}
	all := a.all
	if k == strangerCall || k == healthStream {
		all = a.strangers
	}
	if wait := lacking(c.bucket, k, now); wait > 0 {
		return &limitError{scope: scopeClientRate, retry: wait}
	}
	if wait := lacking(all, k, now); wait > 0 {
		return &limitError{scope: scopeRate, retry: wait}
	}
	for _, l := range []*rate.Limiter{c.bucket, all} {
		if l != nil {
			l.AllowN(now, 1)
		}
	}
	return nil
}

// full returns the bound on what is under way that one more would exceed.
func (a *admission) full(c *client, k kind) (scope, bool) {
	over := func(n, bound int) bool { return bound > 0 && n >= bound }
	l := a.limits
	switch {
	case (k == streamCall || k == healthStream) && over(c.streams, l.ClientStreams):
		return scopeClientStreams, true
	case k == streamCall && over(a.streams, l.Streams), k == healthStream && over(a.watches, l.Streams):
		return scopeStreams, true
	case k == ordinaryCall && over(c.calls, ordinary(l.ClientInFlight)),
		k == settlingCall && over(c.calls, l.ClientInFlight):
		return scopeClientInFlight, true
	case k == ordinaryCall && over(a.calls, ordinary(l.InFlight)),
		k == settlingCall && over(a.calls, l.InFlight):
		return scopeInFlight, true
	default:
		return "", false
	}
}

// lacking is how long until a call of this kind may take a token; 0 = now. A
// tenth of a burst is kept for calls that settle: the others leave it alone, so
// that a flood of them never has the last token.
func lacking(l *rate.Limiter, k kind, now time.Time) time.Duration {
	if l == nil {
		return 0
	}
	need := 1.0
	if k != settlingCall {
		need += float64(l.Burst() - ordinary(l.Burst()))
	}
	short := need - l.TokensAt(now)
	if short <= 1e-9 {
		return 0
	}
	return max(time.Duration(short/float64(l.Limit())*float64(time.Second)), time.Nanosecond)
}

func (a *admission) count(c *client, k kind, n int) {
	switch k {
	case streamCall:
		c.streams += n
		a.streams += n
	case healthStream:
		c.streams += n
		a.watches += n
	default:
		c.calls += n
		a.calls += n
	}
}

func (a *admission) mayWarn(s scope, now time.Time) bool {
	if last, ok := a.warned[s]; ok && now.Sub(last) < warnEvery {
		return false
	}
	a.warned[s] = now
	return true
}

// warns is mayWarn for who does not hold mu.
func (a *admission) warns(s scope) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mayWarn(s, a.now())
}

// refused counts a call that is one too many, and tells of it now and then.
func (a *admission) refused(why *limitError, client string) {
	a.shed(why.scope)
	if a.warns(why.scope) {
		a.log.Warn("calls are being refused", "why", why.Error(), "scope", string(why.scope), "client", client)
	}
}

// turnedAway counts a connection that is one too many, and tells of it now and then.
func (a *admission) turnedAway(s scope, addr string, by Door) {
	a.shed(s)
	if a.warns(s) {
		a.log.Warn("connections are being refused", "why", (&limitError{scope: s}).Error(), "scope", string(s),
			"listener", string(by), "client", "addr:"+clientaddr.Of(addr))
	}
}

// load is what is under way now, for the metrics.
func (a *admission) load() (calls, streams, clients int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls, a.streams + a.watches, len(a.clients.known)
}
