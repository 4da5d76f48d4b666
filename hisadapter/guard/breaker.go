package guard

import (
	"errors"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// breaker judges a HIS twice over the same calls: by the part that failed and
// by the part that was slow. It is open when either is.
type breaker struct {
	judges [2]*judge

	mu sync.Mutex // makes "look, then enter" one step
}

const (
	byFailure = iota
	bySlowness
)

type judge struct {
	*gobreaker.TwoStepCircuitBreaker[struct{}]
	mu        sync.Mutex
	openUntil time.Time // when probes are let through
}

// openJitter is the part of its time by which an open breaker is shortened at
// random, so that several hisgates before one HIS do not all try it at once.
const openJitter = 0.1

// verdict on one call by one judge.
type verdict uint8

const (
	healthy verdict = iota
	sick
	noVerdict // says nothing about the HIS
)

var (
	errSick      = errors.New("sick")
	errNoVerdict = errors.New("no verdict")
)

func (v verdict) err() error {
	switch v {
	case healthy:
		return nil
	case sick:
		return errSick
	default:
		return errNoVerdict
	}
}

// windowParts is how finely the rolling window moves.
const windowParts = 10

// hungCalls is how many failures in a row, while no slot is free for the calls
// that timed out, are a HIS that hangs. It can fail but a few calls in a window,
// so the ratio would tell of it late, and all the while calls would be lost in it.
const hungCalls = 3

// newBreaker makes a closed one. hung reports whether calls that timed out occupy
// the HIS.
func newBreaker(s Breaker, minCalls int, hung func() bool, random func() float64) *breaker {
	b := &breaker{}
	soonest := s.OpenFor - time.Duration(openJitter*float64(s.OpenFor))
	for i, ratio := range []float64{byFailure: s.FailureRatio, bySlowness: s.SlowRatio} {
		j := &judge{}
		j.TwoStepCircuitBreaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			MaxRequests:  uint32(s.Probes),
			Interval:     s.Window,
			BucketPeriod: s.Window / windowParts,
			Timeout:      soonest,
			ReadyToTrip: func(c gobreaker.Counts) bool {
				if s.Off {
					return false
				}
				if c.ConsecutiveFailures >= hungCalls && hung() {
					return true
				}
				// Requests counts calls still under way and excluded ones too.
				judged := c.TotalSuccesses + c.TotalFailures
				return int(judged) >= minCalls && float64(c.TotalFailures) >= ratio*float64(judged)
			},
			IsSuccessful: func(err error) bool { return err == nil },
			IsExcluded:   func(err error) bool { return errors.Is(err, errNoVerdict) },
			OnStateChange: func(_ string, _, to gobreaker.State) {
				if to == gobreaker.StateOpen {
					j.mu.Lock()
					defer j.mu.Unlock()
					j.openUntil = time.Now().Add(soonest + time.Duration(random()*float64(s.OpenFor-soonest)))
				}
			},
		})
		b.judges[i] = j
	}
	return b
}

// state is the worse of the two, and when an open one will let probes through.
func (b *breaker) state() (gobreaker.State, time.Time) {
	var worst gobreaker.State
	var until time.Time
	for _, j := range b.judges {
		s := j.State()
		if end, shut := j.shut(); shut || s == gobreaker.StateOpen {
			s = gobreaker.StateOpen
			if end.After(until) {
				until = end
			}
		}
		worst = max(worst, s) // closed < half-open < open
	}
	return worst, until
}

// shut reports whether the time in which nothing is let through is not over.
func (j *judge) shut() (end time.Time, shut bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.openUntil, time.Now().Before(j.openUntil)
}

// unproven reports whether a write must wait for a read to succeed first.
func (b *breaker) unproven() bool {
	for _, j := range b.judges {
		if j.State() == gobreaker.StateHalfOpen && j.Counts().TotalSuccesses == 0 {
			return true
		}
	}
	return false
}

// enter asks to make a call. On success the caller must report the verdicts.
func (b *breaker) enter(write bool) (report func(failure, slowness verdict), cause Cause, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, j := range b.judges {
		if _, shut := j.shut(); shut {
			return nil, CauseBreakerOpen, false
		}
	}
	if write && b.unproven() {
		return nil, CauseHalfOpen, false
	}
	var done [2]func(error)
	for i, j := range b.judges {
		d, err := j.Allow()
		if err != nil {
			for _, d := range done[:i] {
				d(errNoVerdict)
			}
			if errors.Is(err, gobreaker.ErrOpenState) {
				return nil, CauseBreakerOpen, false
			}
			return nil, CauseHalfOpen, false
		}
		done[i] = d
	}
	return func(failure, slowness verdict) {
		done[byFailure](failure.err())
		done[bySlowness](slowness.err())
	}, "", true
}
