package protect

import (
	"fmt"
	"io"
	"time"
)

// titles of the phases, as table and picture spell them.
var titles = map[string]string{
	phaseReaders: "1,000 readers alone", phaseQuiet: "50 lockers, 20 confirmers", phaseFlood: "all of them",
	string(Hanging): "the HIS hangs", string(Refuses): "it refuses connections", string(Flaps): "it flaps every 5 s",
	string(Crawls): "each call takes 10 s", string(Dead): "it is dead",
}

// WriteTable prints runs as Markdown: what the HIS saw, and what the crowd got.
func WriteTable(w io.Writer, runs ...*Run) {
	fmt.Fprintln(w, "What the HIS saw, each phase with the time after it:")
	fmt.Fprintln(w)
	fmt.Fprintln(w, "| phase | before the HIS | calls | of these stock queries | most in a second | most at once | reset |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- | --- |")
	for i := range phasesOf(runs) {
		for _, r := range runs {
			if i < len(r.Phases) {
				s := &r.Phases[i]
				fmt.Fprintf(w, "| %s | %s | %d | %d | %d | %d | %d |\n", s.title(), r.name(), s.HIS.Calls, s.HIS.Queries, s.Peak, s.HIS.AtOnce, s.HIS.Turned)
			}
		}
	}
	fmt.Fprintln(w, "\nWhat the crowd got while it lasted (p50 / p99 of what succeeded):")
	fmt.Fprintln(w)
	fmt.Fprintln(w, "| phase | before the HIS | reads | longest | marked old | not answered | locks | refused | confirms | not at once | fresh again after | first confirm after |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for i := range phasesOf(runs) {
		for _, r := range runs {
			if i < len(r.Phases) {
				fmt.Fprintln(w, r.Phases[i].row(r.name(), r.Guarded))
			}
		}
	}
	for _, r := range runs {
		if b := r.Books; b != nil {
			fmt.Fprintf(w, "\nIn the end hisgate had confirmed %d orders; %d of them were not at the HIS, %d were there that it had not confirmed, %d locks were unsettled. "+
				"Goroutines %d before the crowd and %d after it, heap %.0f and %.0f MiB.\n",
				b.Confirmed, b.Missing, b.Uncounted, b.Unsettled, r.Start.Goroutines, r.Rest.Goroutines, r.Start.HeapMiB, r.Rest.HeapMiB)
		}
	}
}

// phasesOf is as long as the longest run.
func phasesOf(runs []*Run) (longest []Stretch) {
	for _, r := range runs {
		if len(r.Phases) > len(longest) {
			longest = r.Phases
		}
	}
	return longest
}

func (r *Run) name() string {
	if r.Guarded {
		return "hisgate"
	}
	return "nothing"
}

func (s *Stretch) title() string { return fmt.Sprintf("%s, %v", titles[s.Name], s.For) }

func (s *Stretch) row(name string, guarded bool) string {
	again, first := "–", "–"
	if s.Mood != Well {
		first = short(s.Confirmed)
		if guarded { // nothing marks no figure as old
			again = short(s.Back)
		}
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %d | %d | %s | %d | %s | %d | %s | %s |",
		s.title(), name, s.Read.both(), short(s.Read.Max), s.Stale, s.Read.Failed,
		s.Lock.both(), s.Lock.Failed, s.Commit.both(), s.Commit.Failed, again, first)
}

func (w *Waits) both() string {
	if w.Done == 0 {
		return "–"
	}
	return fmt.Sprintf("%d: %s / %s", w.Done, short(w.P50), short(w.P99))
}

// short prints a duration with two or three digits.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "never"
	case d == 0:
		return "–"
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
	return fmt.Sprintf("HIS: %d calls, %d reset, %d at once; reads %s, %d old, %d failed, longest %s; locks %s, %d failed; confirms %s, %d not at once; fresh again after %s, first confirm %s; %d goroutines, heap %.0f MiB",
		s.HIS.Calls, s.HIS.Turned, s.HIS.AtOnce, s.Read.both(), s.Stale, s.Read.Failed, short(s.Read.Max),
		s.Lock.both(), s.Lock.Failed, s.Commit.both(), s.Commit.Failed, short(s.Back), short(s.Confirmed), s.End.Goroutines, s.End.HeapMiB)
}
