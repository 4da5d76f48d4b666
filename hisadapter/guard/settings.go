package guard

import (
	"errors"
	"fmt"
	"time"
)

// Settings say how much a HIS is asked to bear, and how long it may take.
// DefaultSettings is a safe start; the zero value is not valid.
type Settings struct {
	// MaxConcurrent is the number of calls at the HIS at once. From 2 on, one
	// of them is Confirm's alone.
	MaxConcurrent int
	// QueueLength bounds the calls of one class that wait for a slot.
	QueueLength int
	// Rate is the number of calls a second, 0 = no limit; Burst is how many may
	// come at once.
	Rate  float64
	Burst int
	// Shares are the least parts of the turns that classes get while they wait.
	Shares Shares

	// Timeouts bound one attempt, from its turn to its answer.
	Timeouts Timeouts
	// BusyAfterTimeout is how long a call that timed out still counts as being
	// at the HIS.
	BusyAfterTimeout time.Duration

	Retry   Retry
	Breaker Breaker

	// MisconfiguredPause is how long an operation is not tried again after
	// MisconfiguredAfter answers in a row that it is misconfigured. One order
	// that the HIS cannot read thus does not stop the others.
	MisconfiguredPause time.Duration
	MisconfiguredAfter int
}

// Shares are parts of 1. Confirm needs none: what the others leave is its own.
type Shares struct {
	ClientRelease float64
	Freeze        float64
	Query         float64
	ExpiryRelease float64
	Refresh       float64
}

// Timeouts are the deadlines of single attempts by operation.
type Timeouts struct {
	QueryStock  time.Duration
	Freeze      time.Duration
	Unfreeze    time.Duration
	PlaceOrder  time.Duration
	FindOrder   time.Duration
	CancelOrder time.Duration
	ListOrders  time.Duration
}

// Longest is the longest deadline of a write. The resolver's grace time, before
// it believes that a write never arrived, is at least twice this.
func (t Timeouts) Longest() time.Duration {
	return max(t.Freeze, t.Unfreeze, t.PlaceOrder, t.CancelOrder)
}

// Retry says how often a call is tried again.
type Retry struct {
	// Attempts is the most attempts of one call, the first one included.
	Attempts int
	// Backoff is the first pause, jittered by half; each next one doubles, up
	// to BackoffMax.
	Backoff    time.Duration
	BackoffMax time.Duration
	// Budget is how many retries there may be for each call, over all calls; a
	// small reserve lets a quiet system retry too.
	Budget float64
}

// Breaker says when a HIS is left alone.
type Breaker struct {
	Off          bool          // never leaves it alone
	Window       time.Duration // over which calls are judged
	MinCalls     int           // fewer are not judged; see Settings.minCalls
	FailureRatio float64       // opens at this part of failures
	SlowCall     time.Duration // a call that took this long was slow
	SlowRatio    float64       // opens at this part of slow calls
	OpenFor      time.Duration // less up to a tenth at random; then probes are let through
	Probes       int           // successes in a row that close it
}

// DefaultSettings suits a HIS of which nothing is known: four calls at once.
func DefaultSettings() Settings {
	return Settings{
		MaxConcurrent: 4,
		QueueLength:   64,
		Rate:          50,
		Burst:         50,
		Shares:        Shares{ClientRelease: 0.10, Freeze: 0.20, Query: 0.10, ExpiryRelease: 0.05, Refresh: 0.05},
		Timeouts: Timeouts{
			QueryStock: 3 * time.Second, Freeze: 5 * time.Second, Unfreeze: 5 * time.Second, PlaceOrder: 10 * time.Second,
			FindOrder: 5 * time.Second, CancelOrder: 10 * time.Second, ListOrders: 30 * time.Second,
		},
		BusyAfterTimeout: 10 * time.Second,
		Retry:            Retry{Attempts: 3, Backoff: 100 * time.Millisecond, BackoffMax: 2 * time.Second, Budget: 0.2},
		Breaker: Breaker{
			Window: time.Minute, MinCalls: 8, FailureRatio: 0.5, SlowCall: 2 * time.Second, SlowRatio: 0.8,
			OpenFor: 10 * time.Second, Probes: 2,
		},
		MisconfiguredPause: 30 * time.Second,
		MisconfiguredAfter: 3,
	}
}

// minCalls is what the breaker waits for before it judges: Breaker.MinCalls, or
// fewer where the slots could not even carry so many timeouts through a window,
// since then a HIS that hangs would never be found out.
func (s Settings) minCalls() int {
	slowest := max(s.Timeouts.Longest(), s.Timeouts.QueryStock, s.Timeouts.FindOrder) + s.BusyAfterTimeout
	carried := int(time.Duration(s.MaxConcurrent) * s.Breaker.Window / slowest)
	return min(s.Breaker.MinCalls, max(carried, 2))
}

// Validate returns all faults at once, each with the setting's name.
func (s Settings) Validate() error {
	var errs []error
	check := func(ok bool, name, rule string, got any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %s, not %v", name, rule, got))
		}
	}
	atLeast := func(name string, got, least int) {
		check(got >= least, name, fmt.Sprintf("must be at least %d", least), got)
	}
	positive := func(name string, d time.Duration) { check(d > 0, name, "must be longer than 0", d) }
	part := func(name string, f float64) { check(f > 0 && f <= 1, name, "must be above 0 and at most 1", f) }

	atLeast("max_concurrent", s.MaxConcurrent, 1)
	check(s.MaxConcurrent <= 10_000, "max_concurrent", "must be at most 10000", s.MaxConcurrent)
	atLeast("queue_length", s.QueueLength, 1)
	check(s.Rate >= 0 && s.Rate <= 1e6, "rate", "must lie between 0 and 1000000 calls a second", s.Rate)
	if s.Rate > 0 {
		atLeast("burst", s.Burst, 1)
	}
	sum := 0.0
	for _, c := range Classes() {
		if f := s.Shares.of(c); c != ClassConfirm {
			check(f >= 0 && f < 1, "shares."+c.String(), "must be at least 0 and below 1", f)
			sum += f
		}
	}
	check(sum < 0.9+1e-9, "shares", "must leave at least 0.1 to confirm; their sum must be at most 0.9", sum)
	positive("timeouts.query_stock", s.Timeouts.QueryStock)
	positive("timeouts.freeze", s.Timeouts.Freeze)
	positive("timeouts.unfreeze", s.Timeouts.Unfreeze)
	positive("timeouts.place_order", s.Timeouts.PlaceOrder)
	positive("timeouts.find_order", s.Timeouts.FindOrder)
	positive("timeouts.cancel_order", s.Timeouts.CancelOrder)
	positive("timeouts.list_orders", s.Timeouts.ListOrders)
	check(s.BusyAfterTimeout >= 0, "busy_after_timeout", "must not be negative", s.BusyAfterTimeout)

	atLeast("retry.attempts", s.Retry.Attempts, 1)
	check(s.Retry.Attempts <= 10, "retry.attempts", "must be at most 10", s.Retry.Attempts)
	positive("retry.backoff", s.Retry.Backoff)
	check(s.Retry.BackoffMax >= s.Retry.Backoff, "retry.backoff_max", "must not be shorter than retry.backoff", s.Retry.BackoffMax)
	check(s.Retry.Budget >= 0 && s.Retry.Budget <= 1, "retry.budget", "must lie between 0 and 1", s.Retry.Budget)

	check(s.Breaker.Window >= time.Second, "breaker.window", "must be at least 1s", s.Breaker.Window)
	atLeast("breaker.min_calls", s.Breaker.MinCalls, 1)
	part("breaker.failure_ratio", s.Breaker.FailureRatio)
	positive("breaker.slow_call", s.Breaker.SlowCall)
	part("breaker.slow_ratio", s.Breaker.SlowRatio)
	positive("breaker.open_for", s.Breaker.OpenFor)
	atLeast("breaker.probes", s.Breaker.Probes, 1)

	check(s.MisconfiguredPause >= 0, "misconfigured_pause", "must not be negative", s.MisconfiguredPause)
	atLeast("misconfigured_after", s.MisconfiguredAfter, 1)
	return errors.Join(errs...)
}

func (s Shares) of(c Class) float64 {
	switch c {
	case ClassClientRelease:
		return s.ClientRelease
	case ClassFreeze:
		return s.Freeze
	case ClassQuery:
		return s.Query
	case ClassExpiryRelease:
		return s.ExpiryRelease
	case ClassRefresh:
		return s.Refresh
	default:
		return 0
	}
}
