package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// operation is what the guard must know of a call.
type operation struct {
	name    string
	write   bool
	timeout time.Duration
	slow    bool // takes long by nature; says nothing about slowness
	class   Class
	// probe reads something about a write's subject, to see whether a HIS that
	// was away answers again.
	probe func(context.Context) error
}

type result[T any] struct {
	value T
	err   error
}

// settle is how long a driver has, after its context ended, to say what it
// knows; NotSent is much better to have than Unknown.
const settle = 100 * time.Millisecond

// attempt makes one call that has its slot, and sees to it that the slot is
// given back at the right time.
func attempt[T any](ctx context.Context, g *Guard, o operation, report func(failure, slowness verdict),
	call func(context.Context) (T, error),
) (T, error) {
	actx, cancel := context.WithTimeout(ctx, o.timeout)
	start := time.Now()
	answers := make(chan result[T], 1)
	go func() {
		var r result[T]
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("the driver panicked: %v", p)
			}
			answers <- r
		}()
		r.value, r.err = call(actx)
	}()

	var r result[T]
	returned := true
	select {
	case r = <-answers:
	case <-actx.Done():
		late := time.NewTimer(settle)
		select {
		case r = <-answers:
		case <-late.C:
			returned = false
			r.err = &hisadapter.Error{Op: o.name, Outcome: hisadapter.Unknown, Err: context.Cause(actx)}
		}
		late.Stop()
	}
	r.err = classified(o.name, r.err)
	took := time.Since(start)
	timedOut := hisadapter.OutcomeOf(r.err) == hisadapter.Unknown && (actx.Err() != nil || isTimeout(r.err))
	cancel()

	failure, slowness := judgeCall(r.err, ctx.Err() != nil, took, g.settings.Breaker.SlowCall)
	if o.slow {
		slowness = noVerdict
	}
	switch {
	case timedOut && returned:
		// The slot of a call that timed out is kept for the HIS's sake.
		g.sched.lingersFor(o.class, g.settings.BusyAfterTimeout, start)
	case timedOut:
		waitOut(g, o.class, start, answers)
	}
	report(failure, slowness)
	g.pauses.learn(o.name, r.err)
	if !timedOut {
		g.sched.ended(o.class, start)
	}
	if r.err != nil {
		var zero T
		return zero, r.err
	}
	return r.value, nil
}

// classified makes every error an *hisadapter.Error: one that no driver
// classified is Unknown.
func classified(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*hisadapter.Error](err); ok {
		return err
	}
	return &hisadapter.Error{Op: op, Outcome: hisadapter.Unknown, Err: err}
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// judgeCall is what a call says about the HIS's health. A caller that gave up
// early says nothing.
func judgeCall(err error, gaveUp bool, took, slowCall time.Duration) (failure, slowness verdict) {
	slowness = healthy
	if took >= slowCall {
		slowness = sick
	}
	switch hisadapter.OutcomeOf(err) {
	case hisadapter.Done, hisadapter.Refused, hisadapter.Find, hisadapter.Misconfigured:
		return healthy, slowness
	case hisadapter.NotSent:
		if gaveUp {
			return noVerdict, noVerdict
		}
		return sick, noVerdict
	default:
		if gaveUp && took < slowCall {
			return noVerdict, noVerdict
		}
		return sick, slowness
	}
}

// waitOut keeps the slot of a call whose driver has not even returned: until it
// brings a definite answer, or busy_after_timeout is over. It does not block.
func waitOut[T any](g *Guard, c Class, began time.Time, answers <-chan result[T]) {
	g.overdue.Add(1)
	g.sched.lingers(c, 1)
	over := time.NewTimer(g.settings.BusyAfterTimeout)
	free := func() {
		g.sched.lingers(c, -1)
		g.sched.ended(c, began)
	}
	go func() {
		defer over.Stop()
		select {
		case r := <-answers:
			g.overdue.Add(-1)
			if hisadapter.OutcomeOf(r.err) == hisadapter.Unknown {
				<-over.C
			}
			free()
		case <-over.C:
			free()
			<-answers
			g.overdue.Add(-1)
		}
	}()
}
