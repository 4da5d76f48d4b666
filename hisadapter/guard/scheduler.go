package guard

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// scheduler hands out slots, and tokens of the rate, by class.
type scheduler struct {
	slots    int
	reserved int // Confirm's own
	most     int // waiters of one class
	share    [classes]float64
	limiter  *rate.Limiter // nil = no limit

	mu      sync.Mutex
	queue   [classes][]*waiter
	credit  [classes]float64 // turns that a class is owed
	running [classes]int     // slots in use, those after a timeout included
	linger  [classes]int     // of these, after a timeout
	turns   [classes]uint64
	busy    int
	limited bool // the rate is what waiters wait for
	timer   *time.Timer
}

type waiter struct {
	granted chan struct{} // closed under scheduler.mu
}

func newScheduler(s Settings) *scheduler {
	d := &scheduler{slots: s.MaxConcurrent, most: s.QueueLength}
	if s.MaxConcurrent > 1 {
		d.reserved = 1
	}
	for _, c := range Classes() {
		d.share[c] = s.Shares.of(c)
	}
	if s.Rate > 0 {
		d.limiter = rate.NewLimiter(rate.Limit(s.Rate), s.Burst)
	}
	return d
}

// acquire waits for a slot. It returns nil once it has one; the caller must
// then release it. It blocks until ctx ends.
func (d *scheduler) acquire(ctx context.Context, c Class) *Rejection {
	if ctx.Err() != nil {
		return &Rejection{Cause: CauseGaveUp, Class: c, Err: context.Cause(ctx)}
	}
	w := &waiter{granted: make(chan struct{})}
	d.mu.Lock()
	if len(d.queue[c]) >= d.most {
		cause := CauseQueueFull
		if d.limited {
			cause = CauseLimited
		}
		d.mu.Unlock()
		return &Rejection{Cause: cause, Class: c}
	}
	d.queue[c] = append(d.queue[c], w)
	d.dispatch()
	d.mu.Unlock()

	select {
	case <-w.granted:
		if ctx.Err() == nil {
			return nil
		}
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	cause := CauseGaveUp
	if d.limited {
		cause = CauseLimited
	}
	if i := slices.Index(d.queue[c], w); i >= 0 {
		d.queue[c] = slices.Delete(d.queue[c], i, i+1)
		if len(d.queue[c]) == 0 {
			d.credit[c] = 0
		}
	} else {
		// The slot came in the same moment: hand it on.
		d.turns[c]--
		d.free(c)
	}
	return &Rejection{Cause: cause, Class: c, Err: context.Cause(ctx)}
}

// release gives a slot back.
func (d *scheduler) release(c Class) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free(c)
}

// lingers marks a slot as kept after a timeout; delta is 1 or -1.
func (d *scheduler) lingers(c Class, delta int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.linger[c] += delta
}

func (d *scheduler) free(c Class) {
	d.busy--
	d.running[c]--
	d.dispatch()
}

// dispatch grants slots as long as there is a slot, a waiter and a token.
func (d *scheduler) dispatch() {
	d.limited = false
	for {
		c, ok := d.next()
		if !ok {
			return
		}
		if wait := d.token(); wait > 0 {
			d.limited = true
			d.wakeIn(wait)
			return
		}
		for i := range d.queue {
			if len(d.queue[i]) > 0 {
				d.credit[i] += d.share[i]
			}
		}
		d.credit[c] = max(0, d.credit[c]-1)
		w := d.queue[c][0]
		d.queue[c] = slices.Delete(d.queue[c], 0, 1)
		if len(d.queue[c]) == 0 {
			d.credit[c] = 0 // who does not wait is owed nothing
		}
		d.busy++
		d.running[c]++
		d.turns[c]++
		close(w.granted)
	}
}

// next is the class whose turn it is: the highest that is owed a whole turn,
// else the highest that waits. The reserved slot is for Confirm only.
func (d *scheduler) next() (Class, bool) {
	free := d.slots - d.busy
	if free <= 0 {
		return 0, false
	}
	first, ok := Class(0), false
	for _, c := range Classes() {
		if len(d.queue[c]) == 0 || (c != ClassConfirm && d.others() >= d.slots-d.reserved) {
			continue
		}
		if d.credit[c]+d.share[c] >= 1-1e-9 {
			return c, true
		}
		if !ok {
			first, ok = c, true
		}
	}
	return first, ok
}

// others is the number of slots in use by classes other than Confirm.
func (d *scheduler) others() int { return d.busy - d.running[ClassConfirm] }

// token takes one from the rate, or says how long until there is one.
func (d *scheduler) token() time.Duration {
	if d.limiter == nil {
		return 0
	}
	now := time.Now()
	r := d.limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// wakeIn dispatches again when the next token is there.
func (d *scheduler) wakeIn(wait time.Duration) {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.dispatch()
	})
}
