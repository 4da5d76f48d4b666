// Package load keeps a fixed number of callers busy for a while and counts what
// they got done. It is a closed loop: each caller waits for its answer before it
// asks again, as the callers of a lock service do.
package load

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Op does one thing; i is its number, used once in a run of numbers.
type Op func(ctx context.Context, i int64) error

// Bounds end a load: whichever comes first.
type Bounds struct {
	For  time.Duration // no new Op begins after this long, but for the first of each caller
	Last int64         // numbers from here on are not used; 0 = no bound
}

// Sample is what a load got done.
type Sample struct {
	Done          int64
	Elapsed       time.Duration // until the last Op ended
	P50, P99, Max time.Duration // of a single Op
}

// Rate returns Ops in a second.
func (s Sample) Rate() float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(s.Done) / s.Elapsed.Seconds()
}

// Run lets one caller for each op work until the bounds or ctx end it. Numbers
// are taken from next, so that a later Run goes on where this one ended. The
// first error ends the load and is returned.
func Run(ctx context.Context, ops []Op, next *atomic.Int64, b Bounds) (Sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	took := make([][]time.Duration, len(ops))
	start := time.Now()
	var wg sync.WaitGroup
	for w, op := range ops {
		wg.Go(func() {
			begin := time.Now()
			for ctx.Err() == nil && (len(took[w]) == 0 || begin.Sub(start) < b.For) {
				i := next.Add(1) - 1
				if b.Last > 0 && i >= b.Last {
					return
				}
				if err := op(ctx, i); err != nil {
					cancel(err)
					return
				}
				end := time.Now()
				took[w] = append(took[w], end.Sub(begin))
				begin = end
			}
		})
	}
	wg.Wait()
	s := Sample{Elapsed: time.Since(start)}
	if ctx.Err() != nil {
		return s, context.Cause(ctx)
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	s.Done = int64(len(all))
	s.P50, s.P99, s.Max = quantile(all, 0.50), quantile(all, 0.99), quantile(all, 1)
	return s, nil
}

// quantile of sorted durations: the smallest that this share does not exceed.
func quantile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}
