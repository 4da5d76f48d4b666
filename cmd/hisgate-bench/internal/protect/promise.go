package protect

import (
	"fmt"
	"slices"
	"time"
)

// The promises, beside those of the HIS itself.
const (
	// recoverIn is one period of the breaker: the read that was under way when the
	// HIS came back fails in its time, and then the breaker stays open once more.
	// The rest is the next read's own time and the jitter of a busy machine.
	recoverIn = breakerOpen + queryTimeout + 2*time.Second
	// hungRecoverIn is the same for a HIS in which calls are lost: a read that was
	// lost at the last moment keeps its slot for as long as the HIS may still be at
	// work on it, and there may be no other.
	hungRecoverIn = queryTimeout + busyAfterTimeout + 2*time.Second
	// coldQueries is how many calls there may be while the first readers come: no
	// timer waits for company.
	coldQueries = 8
	// confirmRatio is how much longer a confirmation may take behind a flood.
	confirmRatio = 2
	// moreGoroutines are those of connections that the crowd left open.
	moreGoroutines = 50
	// moreHeapMiB is what the locks of the run may take, before a collection.
	moreHeapMiB = 64
)

// promises returns those that a guarded run broke.
func (r *Run) promises() (broken []string) {
	if !r.Guarded {
		return nil
	}
	want := func(ok bool, format string, a ...any) {
		if !ok {
			broken = append(broken, fmt.Sprintf(format, a...))
		}
	}
	for _, s := range r.Phases {
		want(s.HIS.AtOnce <= hisLimit, "%s: %d calls at once at the HIS, which bears %d", s.Name, s.HIS.AtOnce, hisLimit)
		want(s.HIS.Turned == 0, "%s: the HIS turned %d calls away", s.Name, s.HIS.Turned)
		want(s.Read.Failed == 0, "%s: %d reads were not answered: %v", s.Name, s.Read.Failed, s.Read.Why)
		if s.Mood == Well {
			want(s.Stale == 0, "%s: %d reads were answered with old figures", s.Name, s.Stale)
			want(s.Lock.Failed == 0, "%s: %d locks failed: %v", s.Name, s.Lock.Failed, s.Lock.Why)
			want(s.Commit.Failed == 0, "%s: %d confirmations failed: %v", s.Name, s.Commit.Failed, s.Commit.Why)
			continue
		}
		within := recoverIn
		if s.Mood == Hanging || s.Mood == Crawls {
			within = hungRecoverIn
		}
		want(s.Back >= 0 && s.Back <= within, "%s: readers were given old figures for %v after the HIS was back", s.Name, s.Back)
		// Who confirms locks first, and tries that once in workEvery.
		want(s.Confirmed >= 0 && s.Confirmed <= within+workEvery, "%s: the first confirmation came %v after the HIS was back", s.Name, s.Confirmed)
	}
	if s, ok := r.phase(phaseReaders); ok {
		rounds := int((s.For-flapEvery)/(maxAge-maxJitter)) + 1
		want(s.Cold <= coldQueries, "%s: %d stock queries for the first readings", s.Name, s.Cold)
		want(s.HIS.Queries-s.Cold <= rounds, "%s: %d stock queries in %v, want at most %d", s.Name, s.HIS.Queries-s.Cold, s.For-flapEvery, rounds)
	}
	quiet, ok := r.phase(phaseQuiet)
	flood, also := r.phase(phaseFlood)
	if ok && also {
		want(flood.Commit.P99 <= confirmRatio*quiet.Commit.P99, "a confirmation took %v behind the readers and %v without (p99)", flood.Commit.P99, quiet.Commit.P99)
	}
	if b := r.Books; b != nil {
		want(b.Missing == 0, "%d confirmed orders are not at the HIS", b.Missing)
		want(b.Uncounted == 0, "%d orders at the HIS are not confirmed", b.Uncounted)
		want(b.Unsettled == 0 && r.Rest.Unknown == 0, "%d locks are unsettled, %d outcomes unknown", b.Unsettled, r.Rest.Unknown)
	}
	want(r.Rest.Goroutines <= r.Start.Goroutines+moreGoroutines, "hisgate had %d goroutines, and has %d", r.Start.Goroutines, r.Rest.Goroutines)
	want(r.Rest.HeapMiB <= r.Start.HeapMiB+moreHeapMiB, "hisgate's heap was %.0f MiB, and is %.0f", r.Start.HeapMiB, r.Rest.HeapMiB)
	return broken
}

// phase finds the first of a name.
func (r *Run) phase(name string) (Stretch, bool) {
	i := slices.IndexFunc(r.Phases, func(s Stretch) bool { return s.Name == name })
	if i < 0 {
		return Stretch{}, false
	}
	return r.Phases[i], true
}
