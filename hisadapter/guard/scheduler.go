package guard

import (
	"context"
	"math"
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
	kept     float64       // tokens that others leave for a Confirm to come

	mu      sync.Mutex
	queue   [classes][]*waiter
	credit  [classes]float64 // turns that a class is owed
	running [classes]int     // slots in use, those after a timeout included
	linger  [classes]int     // of these, after a timeout
	turns   [classes]uint64
	busy    int
	holds   [classes]held
	ends    []time.Time // when slots kept after a timeout come free, soonest first
	limited bool        // the rate is what waiters wait for
	timer   *time.Timer
}

type waiter struct {
	granted chan struct{} // closed under scheduler.mu
}

// keptPart is the part of a burst that is kept for Confirm.
const keptPart = 0.1

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
		// At least one, where there is more than one to share.
		d.kept = min(max(1, math.Floor(keptPart*float64(s.Burst))), float64(s.Burst-1))
	}
	return d
}

// acquire waits for a slot. It returns nil once it has one; the caller must
// then release it. It blocks until ctx ends; a caller whose time would end
// before the turn can come is refused at once, as is one for whom the queue has
// no room.
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
		r := &Rejection{Cause: cause, Class: c, wait: d.soonest(c, len(d.queue[c]))}
		d.mu.Unlock()
		return r
	}
	d.queue[c] = append(d.queue[c], w)
	d.dispatch()
	if r := d.tooLate(ctx, c, w); r != nil {
		d.mu.Unlock()
		return r
	}
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
		d.leave(c, i)
	} else {
		// The slot came in the same moment: hand it on.
		d.turns[c]--
		d.free(c)
	}
	return &Rejection{Cause: cause, Class: c, Err: context.Cause(ctx)}
}

// release gives a slot back of which no call came.
func (d *scheduler) release(c Class) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free(c)
}

// ended gives a slot back that a call had since began.
func (d *scheduler) ended(c Class, began time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holds[c].learn(time.Since(began))
	d.free(c)
}

// lingers marks a slot as kept after a timeout; delta is 1 or -1.
func (d *scheduler) lingers(c Class, delta int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.linger[c] += delta
}

// lingersFor marks a slot as kept for just so long, and gives it back then.
func (d *scheduler) lingersFor(c Class, keep time.Duration, began time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.linger[c]++
	d.ends = append(d.ends, time.Now().Add(keep))
	time.AfterFunc(keep, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.linger[c]--
		d.ends = d.ends[1:] // all are kept for the same time
		d.holds[c].learn(time.Since(began))
		d.free(c)
	})
}

// hung reports whether the calls that timed out and may still be at the HIS
// occupy all slots but Confirm's.
func (d *scheduler) hung() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lingering() >= d.slots-d.reserved
}

func (d *scheduler) lingering() (n int) {
	for _, l := range d.linger {
		n += l
	}
	return n
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
		if wait := d.token(c); wait > 0 {
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
		d.leave(c, 0)
		d.busy++
		d.running[c]++
		d.turns[c]++
		close(w.granted)
	}
}

// leave takes the i-th waiter of a class out of its queue.
func (d *scheduler) leave(c Class, i int) {
	d.queue[c] = slices.Delete(d.queue[c], i, i+1)
	if len(d.queue[c]) == 0 {
		d.credit[c] = 0 // who does not wait is owed nothing
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

// token takes one from the rate for a call of class c, or says how long until
// there is one. While no Confirm waits, the others leave some for the next one:
// a flood of queries does not make it wait. While one does, the shares decide.
func (d *scheduler) token(c Class) time.Duration {
	if d.limiter == nil {
		return 0
	}
	now := time.Now()
	need := 1.0
	if c != ClassConfirm && len(d.queue[ClassConfirm]) == 0 {
		need += d.kept
	}
	if wait := d.until(now, need); wait > 0 {
		return wait
	}
	d.limiter.AllowN(now, 1)
	return 0
}

// until is how long it takes, at the soonest, until the rate has so many tokens.
func (d *scheduler) until(now time.Time, tokens float64) time.Duration {
	missing := tokens - d.limiter.TokensAt(now)
	if missing <= 1e-9 {
		return 0
	}
	return max(time.Duration(missing/float64(d.limiter.Limit())*float64(time.Second)), time.Nanosecond)
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
