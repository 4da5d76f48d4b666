package protect

import (
	"fmt"
	"io"
	"time"
)

// titles of the phases, as the table spells them.
var titles = map[string]string{
	phaseReaders: "1,000 readers alone", phaseQuiet: "50 lockers, 20 confirmers", phaseFlood: "all of them",
	string(Hanging): "the HIS hangs", string(Refuses): "it refuses connections", string(Flaps): "it flaps, 5 s by turns",
	string(Crawls): "each call takes 10 s", string(Dead): "it is dead",
}

// WriteTable prints runs as Markdown: what the HIS saw, and what the crowd got.
func WriteTable(w io.Writer, runs ...*Run) {
	for _, r := range runs {
		name := "Nothing in between"
		if r.Guarded {
			name = "hisgate in between"
		}
		fmt.Fprintf(w, "%s:\n\n", name)
		fmt.Fprintln(w, "| phase | HIS: calls | stock queries | reset | at once | in a second | reads | marked old | failed | p50 / p99 / longest | locks p50 / p99 | failed | confirms p50 / p99 | not at once | fresh again after |")
		fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
		for _, s := range r.Phases {
			fmt.Fprintln(w, s.row(r.Guarded))
		}
		fmt.Fprintln(w)
		if b := r.Books; b != nil {
			fmt.Fprintf(w, "In the end: %d orders confirmed, %d of them not at the HIS, %d at the HIS and not confirmed, %d unsettled; goroutines %d before and %d after, heap %.0f and %.0f MiB.\n\n",
				b.Confirmed, b.Missing, b.Uncounted, b.Unsettled, r.Start.Goroutines, r.Rest.Goroutines, r.Start.HeapMiB, r.Rest.HeapMiB)
		}
	}
}

func (s *Stretch) row(guarded bool) string {
	longest := "–"
	if s.Read.Done+s.Read.Failed > 0 {
		longest = fmt.Sprintf("%s / %s / %s", short(s.Read.P50), short(s.Read.P99), short(s.Read.Max))
	}
	again := "–"
	if guarded && s.Mood != Well {
		again = short(s.Back)
	}
	return fmt.Sprintf("| %s, %v | %d | %d | %d | %d | %d | %d | %d | %d | %s | %s | %d | %s | %d | %s |",
		titles[s.Name], s.For, s.HIS.Calls, s.HIS.Queries, s.HIS.Turned, s.HIS.AtOnce, s.Peak,
		s.Read.Done+s.Read.Failed, s.Stale, s.Read.Failed, longest,
		s.Lock.both(), s.Lock.Failed, s.Commit.both(), s.Commit.Failed, again)
}

func (w *Waits) both() string {
	if w.Done == 0 {
		return "–"
	}
	return short(w.P50) + " / " + short(w.P99)
}

// short prints a duration with two or three digits.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "never"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

// words is a phase in a line, while the run goes on.
func (s *Stretch) words() string {
	return fmt.Sprintf("HIS: %d calls, %d reset, %d at once; reads %d, %d old, %d failed, longest %s; locks %s, %d failed; confirms %s, %d not at once; fresh again after %s; %d goroutines, heap %.0f MiB",
		s.HIS.Calls, s.HIS.Turned, s.HIS.AtOnce, s.Read.Done, s.Stale, s.Read.Failed, short(s.Read.Max),
		s.Lock.both(), s.Lock.Failed, s.Commit.both(), s.Commit.Failed, short(s.Back), s.End.Goroutines, s.End.HeapMiB)
}
