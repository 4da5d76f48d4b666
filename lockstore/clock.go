package lockstore

import (
	"fmt"
	"time"
)

// systemClock is the machine's.
type systemClock struct{ start time.Time }

func (c systemClock) Now() time.Time      { return time.Now() }
func (c systemClock) Mono() time.Duration { return time.Since(c.start) }

const (
	// maxDrift is how far wall and monotonic clock may part before neither is
	// trusted to release anything [B7].
	maxDrift = 5 * time.Second
	// settleTime is how long the two must run together again, after a step of
	// the wall clock, until the new relation is taken for right. Elapsed time
	// is what expiry goes by, so nothing is released early by it.
	settleTime = 10 * time.Minute
	// anchorTime is how long a step below maxDrift is remembered, so that many
	// small corrections over months are not taken for one large one.
	anchorTime = time.Hour
	// clockStep is how old the stored clock may be.
	clockStep = time.Second
	// doubtPoll is when to ask again while the clock is in doubt.
	doubtPoll = time.Second
)

// clockWatch decides whether the clock may release locks [B7]. While it may not, a
// freeze that lapses is not believed in either.
//
//	            wall < last stored                drift > 5 s
//	(opening) ─────────────────────► WAITING    TRUSTED ─────────► DOUBT
//	    │                               │          ▲  ▲              │
//	    └───────────────────────────────┼──────────┘  └──────────────┘
//	             wall ≥ last stored ◄───┘   together again, or steady for 10 min
type clockWatch struct {
	offset   int64 // wall − mono in ns, as last trusted
	anchored time.Duration

	stored  time.Time // the latest time found on record when opening
	waiting bool

	doubt bool
	seen  int64 // wall − mono since the step
	since time.Duration
}

// start begins with the clock's first reading and the latest time on record.
func (w *clockWatch) start(now time.Time, mono time.Duration, stored time.Time) {
	*w = clockWatch{
		offset: offsetOf(now, mono), anchored: mono,
		stored: stored, waiting: now.Before(stored),
	}
}

func offsetOf(now time.Time, mono time.Duration) int64 { return now.UnixNano() - int64(mono) }

// look takes another reading. It returns true when times that were computed from
// the wall clock at the opening are to be computed again, because only now the
// wall clock is right.
func (w *clockWatch) look(now time.Time, mono time.Duration) (again bool) {
	offset := offsetOf(now, mono)
	if w.waiting {
		if now.Before(w.stored) {
			return false
		}
		w.start(now, mono, w.stored)
		return true
	}
	switch {
	case near(offset, w.offset):
		w.doubt = false
		if mono-w.anchored >= anchorTime {
			w.offset, w.anchored = offset, mono
		}
	case !w.doubt || !near(offset, w.seen):
		w.doubt, w.seen, w.since = true, offset, mono
	case mono-w.since >= settleTime:
		w.doubt, w.offset, w.anchored = false, offset, mono
	}
	return false
}

// doubted: wall and monotonic clock disagree, or the clock is behind the records.
func (w *clockWatch) doubted() bool { return w.waiting || w.doubt }

// until is how long it is at most to a moment of the wall clock, by any clock that
// may be right.
func (w *clockWatch) until(at time.Time, m moment) time.Duration {
	d := at.Sub(m.wall)
	if w.doubt {
		d = min(d, at.Sub(time.Unix(0, w.offset+int64(m.mono))))
	}
	if w.waiting {
		d = min(d, at.Sub(w.stored))
	}
	return d
}

// trusted is the wall clock as it is, or as it would be had nobody set it since it
// was last trusted; nothing is known of one that is behind the records.
func (w *clockWatch) trusted(m moment) (wall time.Time, known bool) {
	switch {
	case w.waiting:
		return time.Time{}, false
	case w.doubt:
		return time.Unix(0, w.offset+int64(m.mono)).UTC(), true
	default:
		return m.wall, true
	}
}

func near(a, b int64) bool {
	d := time.Duration(a - b)
	return -maxDrift <= d && d <= maxDrift
}

// err says in words why the clock releases nothing, or returns nil.
func (w *clockWatch) err() error {
	switch {
	case w.waiting:
		return fmt.Errorf("the clock is earlier than the last record, of %s: nothing expires until it is past that; check the clock", w.stored.Format(time.RFC3339))
	case w.doubt:
		return fmt.Errorf("the clock was set by %v: nothing expires until it has run evenly for %v, or is set back",
			time.Duration(w.seen-w.offset).Round(time.Millisecond), settleTime)
	default:
		return nil
	}
}
