package guard

import (
	"context"
	"slices"
	"time"
)

// held is about how long a class keeps a slot: a mean that believes good news
// sooner than bad, so that a few calls that hung do not turn callers away for
// long after the HIS is back.
type held struct {
	mean  time.Duration
	known bool
}

func (h *held) learn(took time.Duration) {
	switch {
	case !h.known:
		h.mean, h.known = took, true
	case took < h.mean:
		h.mean += (took - h.mean) / 2
	default:
		h.mean += (took - h.mean) / 8
	}
}

// soonest is a forecast, under mu, of how long a call of class c waits at the
// least behind so many of its own class: as if no other class had anyone to
// wait, and all slots that c may have were its own.
func (d *scheduler) soonest(c Class, ahead int) time.Duration {
	var wait time.Duration
	if d.limiter != nil {
		wait = d.until(time.Now(), float64(ahead)+1)
	}
	slots := d.slots
	if c != ClassConfirm {
		slots -= d.reserved
	}
	// All that hold the slots now may end in this moment; after that it takes a
	// whole round of calls for each round of slots.
	rounds := max(ahead-d.open(c), 0) / slots
	wait = max(wait, time.Duration(rounds)*d.holds[c].mean)
	if d.open(c) == 0 && len(d.ends) == d.busy {
		// Save those of calls that timed out, of which the end is known.
		wait = max(wait, time.Until(d.ends[0]))
	}
	return wait
}

// open is the number of slots that are free for class c.
func (d *scheduler) open(c Class) int {
	free := d.slots - d.busy
	if c != ClassConfirm {
		free = min(free, d.slots-d.reserved-d.others())
	}
	return max(free, 0)
}

// tooLate refuses, under mu, a waiter whose caller's time ends before its turn
// can come: it would wait for nothing, and keep others from the queue.
func (d *scheduler) tooLate(ctx context.Context, c Class, w *waiter) *Rejection {
	deadline, bounded := ctx.Deadline()
	ahead := slices.Index(d.queue[c], w)
	if !bounded || ahead < 0 {
		return nil
	}
	wait := d.soonest(c, ahead)
	if wait <= time.Until(deadline) {
		return nil
	}
	cause := CauseTooLate
	if d.limited {
		cause = CauseLimited
	}
	d.leave(c, ahead)
	return &Rejection{Cause: cause, Class: c, wait: wait}
}
