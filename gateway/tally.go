package gateway

import (
	"sync/atomic"
	"time"
)

// Use is what a figure was wanted for.
type Use uint8

// The uses of a figure.
const (
	UseRead  Use = iota // shown to a reader or a watcher
	UseLock             // a lock was judged on it
	UseCheck            // an order was compared with it
	uses
)

// String returns the use as it stands in metrics and logs.
func (u Use) String() string {
	switch u {
	case UseRead:
		return "read"
	case UseLock:
		return "lock"
	case UseCheck:
		return "check"
	default:
		return "invalid"
	}
}

// Answers counts what callers were given since the start.
type Answers struct {
	// BySource counts them by where they came from.
	BySource map[Source]uint64
	// Degraded counts, by use, answers from an old figure because the HIS could
	// not be asked: keys read, locks judged, and lines of checks.
	Degraded map[Use]uint64
	// Ages counts figures read by their age: Ages[i] were at most AgeBounds[i]
	// old, and older than the bound before; the last one counts the rest.
	Ages    [len(AgeBounds) + 1]uint64
	AgesSum time.Duration
	// Holds and Confirms count calls of Lock and Confirm by what became of them.
	Holds, Confirms map[Result]uint64
}

// MeanAge is the mean age of the figures that readers were given, 0 when there
// were none.
func (a *Answers) MeanAge() time.Duration {
	var n uint64
	for _, k := range a.Ages {
		n += k
	}
	if n == 0 {
		return 0
	}
	return a.AgesSum / time.Duration(n)
}

// AgeBounds are the bounds of Answers.Ages, in seconds.
var AgeBounds = [...]float64{0.5, 1, 2, 5, 7, 10, 30, 60, 300}

// tally counts answers. It is written on every read.
type tally struct {
	sources  [SourceStale + 1]atomic.Uint64
	degraded [uses]atomic.Uint64
	ages     [len(AgeBounds) + 1]atomic.Uint64
	agesSum  atomic.Int64
	holds    outcomes
	confirms outcomes
}

// answered counts a figure that a reader was given.
func (t *tally) answered(s *Stock, now time.Time) {
	t.sources[s.Source].Add(1)
	if s.Degraded {
		t.degraded[UseRead].Add(1)
	}
	age := max(now.Sub(s.AsOf), 0)
	i := 0
	for i < len(AgeBounds) && age.Seconds() > AgeBounds[i] {
		i++
	}
	t.ages[i].Add(1)
	t.agesSum.Add(int64(age))
}

func (t *tally) read() Answers {
	a := Answers{BySource: make(map[Source]uint64), Degraded: make(map[Use]uint64)}
	for s := SourceLive; s <= SourceStale; s++ {
		a.BySource[s] = t.sources[s].Load()
	}
	for u := range uses {
		a.Degraded[u] = t.degraded[u].Load()
	}
	for i := range t.ages {
		a.Ages[i] = t.ages[i].Load()
	}
	a.AgesSum = time.Duration(t.agesSum.Load())
	a.Holds, a.Confirms = t.holds.read(), t.confirms.read()
	return a
}
