package guard

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sony/gobreaker/v2"

	"github.com/hisgate/hisgate/hisadapter"
)

// do makes a call with all that the guard does around it. It blocks until the
// call ended, its turn did not come in time, or ctx ended.
func do[T any](ctx context.Context, g *Guard, o operation, call func(context.Context) (T, error)) (T, error) {
	o = classed(ctx, o)
	g.budget.earn()
	pause := backoff.ExponentialBackOff{
		InitialInterval: g.settings.Retry.Backoff, Multiplier: 2, MaxInterval: g.settings.Retry.BackoffMax,
	}
	for n := 1; ; n++ {
		value, err := once(ctx, g, o, n, call)
		if n >= g.settings.Retry.Attempts || !mayRepeat(o, err) {
			return value, err
		}
		e, _ := errors.AsType[*hisadapter.Error](err)
		even := pause.NextBackOff()
		jittered := even/2 + time.Duration(g.deps.Random()*float64(even))
		wait := max(jittered, e.RetryAfter)
		if !fits(ctx, wait) || !g.budget.spend() || !sleep(ctx, wait) {
			return value, err
		}
	}
}

// mayRepeat is the rule of retries: reads after Busy, NotSent and Unknown,
// writes after Busy and NotSent only [C2]. What the guard itself turned away is
// not asked again.
func mayRepeat(o operation, err error) bool {
	if _, ok := errors.AsType[*Rejection](err); ok {
		return false
	}
	switch hisadapter.OutcomeOf(err) {
	case hisadapter.Busy, hisadapter.NotSent:
		return true
	case hisadapter.Unknown:
		return !o.write
	default:
		return false
	}
}

// once makes one attempt, if it may be made.
func once[T any](ctx context.Context, g *Guard, o operation, n int, call func(context.Context) (T, error)) (T, error) {
	var zero T
	asked := time.Now()
	reject := func(r *Rejection, after time.Duration) (T, error) {
		err := r.notSent(o.name, after)
		g.rejected(r)
		g.observe(o, n, err, time.Since(asked), 0)
		return zero, err
	}
	if err := g.pauses.check(o.name, o.class); err != nil {
		g.rejected(&Rejection{Cause: CauseMisconfigured, Class: o.class})
		g.observe(o, n, err, 0, 0)
		return zero, err
	}
	if state, until := g.breaker.state(); state == gobreaker.StateOpen {
		return reject(&Rejection{Cause: CauseBreakerOpen, Class: o.class}, time.Until(until))
	}
	if o.write && g.breaker.unproven() {
		if err := o.probe(WithClass(ctx, o.class)); err != nil {
			return reject(&Rejection{Cause: CauseHalfOpen, Class: o.class, Err: err}, g.settings.Breaker.OpenFor)
		}
	}
	if r := g.sched.acquire(ctx, o.class); r != nil {
		return reject(r, max(r.wait, g.settings.Retry.Backoff))
	}
	report, cause, ok := g.breaker.enter(o.write)
	if !ok {
		g.sched.release(o.class)
		_, until := g.breaker.state()
		return reject(&Rejection{Cause: cause, Class: o.class}, time.Until(until))
	}
	began := time.Now()
	value, err := attempt(ctx, g, o, report, call)
	g.observe(o, n, err, began.Sub(asked), time.Since(began))
	return value, err
}

// fits reports whether a pause ends before ctx does.
func fits(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > wait)
}

// sleep waits for d and reports true, or false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
