package payflow

import "time"

// The wall clock may be ahead for a while, and be set back. Times that were noted
// meanwhile lie in the future then: nothing that counts from them may wait for them to
// come, nor take back what they brought.

// clockWasAhead mends the times of the order that the proof obligation counts from, when
// they lie further in the future than a small correction of the clock explains: who
// waits, waits since now, or, having a case of it, for as long as that takes.
func (o *Order) clockWasAhead(set Settings, now time.Time) {
	begins := now
	if o.hasCaseOf(CaseOverdue) {
		begins = now.Add(-set.ProofGrace)
	}
	mend := func(t *time.Time, begins time.Time) {
		if t.Sub(now) > set.ProofGrace {
			*t = begins
		}
	}
	if o.Payment != nil {
		mend(&o.Payment.KnownAt, begins)
	}
	mend(&o.RefundWantedAt, begins)
	if i := o.openRefund(); i >= 0 {
		mend(&o.Refunds[i].AcceptedAt, now)
	}
}

// steadyFor is how long the wall clock must have run evenly before anything is purged by
// it: what a clock took away that was years ahead for a while, nobody brings back.
const steadyFor = time.Hour

// evenness tells for how long the wall clock has not been set.
type evenness struct {
	wall, mono time.Time // as they were when it was set last, or the program began
}

// newEvenness begins to watch. mono is a clock that nobody sets.
func newEvenness(wall, mono time.Time) *evenness { return &evenness{wall.Round(0), mono} }

// steady looks at both clocks, and tells whether the wall clock may be purged by.
func (e *evenness) steady(wall, mono time.Time) bool {
	wall = wall.Round(0) // without the monotonic clock, which nobody sets
	if apart := wall.Sub(e.wall) - mono.Sub(e.mono); apart > clockSlack || apart < -clockSlack {
		e.wall, e.mono = wall, mono
	}
	return mono.Sub(e.mono) >= steadyFor
}

// clockSlack is how far the clocks may part without anybody having set one.
const clockSlack = time.Minute
