package guard

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// State is the guard at one moment, for metrics and operators.
type State struct {
	Breaker   BreakerState
	OpenUntil time.Time // when probes will be let through, zero unless open

	MaxConcurrent int
	InFlight      int  // slots in use
	Lingering     int  // of these, after a timeout
	Overdue       int  // calls whose driver did not come back in time
	Limited       bool // calls wait for the rate

	Classes []ClassState // most urgent first
	Paused  []Paused

	Retries       uint64  // made
	RetriesDenied uint64  // wanted, but the budget was used up
	RetryTokens   float64 // retries that the budget has left
	Suspects      int     // keys that are asked alone
}

// BreakerState names the breaker's state.
type BreakerState string

// The breaker's states.
const (
	BreakerClosed   BreakerState = "closed"
	BreakerHalfOpen BreakerState = "half_open"
	BreakerOpen     BreakerState = "open"
)

// ClassState is one class.
type ClassState struct {
	Class    Class
	Running  int // slots in use
	Queued   int
	Turns    uint64 // slots ever given
	MinShare float64
	Rejected map[Cause]uint64
}

// Paused is an operation that the HIS calls misconfigured.
type Paused struct {
	Op      string
	Until   time.Time
	Code    string // the HIS's, verbatim
	Message string
}

// State returns the guard as it is now.
func (g *Guard) State() State {
	s := State{Breaker: BreakerClosed, MaxConcurrent: g.settings.MaxConcurrent, Overdue: int(g.overdue.Load())}
	switch state, until := g.breaker.state(); state {
	case gobreaker.StateOpen:
		s.Breaker, s.OpenUntil = BreakerOpen, until
	case gobreaker.StateHalfOpen:
		s.Breaker = BreakerHalfOpen
	}
	g.sched.mu.Lock()
	s.InFlight, s.Limited = g.sched.busy, g.sched.limited
	for _, c := range Classes() {
		s.Lingering += g.sched.linger[c]
		s.Classes = append(s.Classes, ClassState{
			Class: c, Running: g.sched.running[c], Queued: len(g.sched.queue[c]), Turns: g.sched.turns[c],
			MinShare: g.sched.share[c], Rejected: g.turned.of(c),
		})
	}
	g.sched.mu.Unlock()
	s.Paused = g.pauses.list()
	g.budget.mu.Lock()
	s.Retries, s.RetriesDenied, s.RetryTokens = g.budget.spent, g.budget.denied, g.budget.tokens
	g.budget.mu.Unlock()
	g.suspect.mu.Lock()
	s.Suspects = len(g.suspect.until)
	g.suspect.mu.Unlock()
	return s
}

func (p *pauses) list() []Paused {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var out []Paused
	for _, op := range slices.Sorted(maps.Keys(p.ops)) {
		if o := p.ops[op]; now.Before(o.until) {
			out = append(out, Paused{Op: op, Until: o.until, Code: o.last.Code, Message: o.last.Message})
		}
	}
	return out
}

// rejections counts what the guard turned away.
type rejections struct {
	mu sync.Mutex
	n  [classes]map[Cause]uint64
}

func (r *rejections) of(c Class) map[Cause]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.n[c])
}

func (g *Guard) rejected(r *Rejection) {
	g.turned.mu.Lock()
	defer g.turned.mu.Unlock()
	if g.turned.n[r.Class] == nil {
		g.turned.n[r.Class] = make(map[Cause]uint64)
	}
	g.turned.n[r.Class][r.Cause]++
}
