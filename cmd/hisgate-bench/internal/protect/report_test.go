package protect

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// kept is a run in which every promise was kept.
func kept() *Run {
	calm := func(name string, p99 time.Duration) Stretch {
		return Stretch{
			Name: name, Mood: Well, For: time.Minute, Cold: 3, HIS: Count{Calls: 100, Queries: 9, AtOnce: 4},
			Read: Waits{Done: 1000}, Commit: Waits{Done: 100, P99: p99},
		}
	}
	return &Run{
		Guarded: true, Start: vitals{Goroutines: 30, HeapMiB: 40}, Rest: vitals{Goroutines: 50, HeapMiB: 80},
		Books: &Books{Confirmed: 100},
		Phases: []Stretch{
			calm(phaseReaders, 0), calm(phaseQuiet, 500*time.Millisecond), calm(phaseFlood, time.Second),
			{Name: string(Hanging), Mood: Hanging, HIS: Count{AtOnce: 4}, Lock: Waits{Failed: 5}, Stale: 10, Back: 4 * time.Second, Confirmed: time.Second},
		},
		Marks: []Mark{
			{Name: phaseReaders, To: 2, Trouble: 2},
			{Name: phaseQuiet, From: 2, Trouble: 4, To: 4},
			{Name: phaseFlood, From: 4, Trouble: 6, To: 6},
			{Name: string(Hanging), From: 6, Trouble: 8, To: 9},
		},
		Timeline: make([]Moment, 9),
	}
}

func TestPromises(t *testing.T) {
	if broken := kept().promises(); len(broken) > 0 {
		t.Fatalf("broken: %v", broken)
	}
	for name, breaks := range map[string]func(*Run){
		"5 calls at once":                  func(r *Run) { r.Phases[3].HIS.AtOnce = 5 },
		"turned 1 calls away":              func(r *Run) { r.Phases[2].HIS.Turned = 1 },
		"reads were not answered":          func(r *Run) { r.Phases[3].Read.Failed = 1 },
		"answered with old figures":        func(r *Run) { r.Phases[2].Stale = 1 },
		"locks failed":                     func(r *Run) { r.Phases[1].Lock.Failed = 1 },
		"confirmations failed":             func(r *Run) { r.Phases[2].Commit.Failed = 1 },
		"stock queries in":                 func(r *Run) { r.Phases[0].HIS.Queries = 11 },
		"for the first readings":           func(r *Run) { r.Phases[0].Cold = 9 },
		"behind the readers":               func(r *Run) { r.Phases[2].Commit.P99 = 1001 * time.Millisecond },
		"were given old figures for -1":    func(r *Run) { r.Phases[3].Back = -1 },
		"were given old figures for 15":    func(r *Run) { r.Phases[3].Back = 15 * time.Second },
		"were given old figures for 10":    func(r *Run) { r.Phases[3].Mood, r.Phases[3].Back = Dead, 10*time.Second },
		"the first confirmation came 20":   func(r *Run) { r.Phases[3].Confirmed = 20 * time.Second },
		"are not at the HIS":               func(r *Run) { r.Books.Missing = 1 },
		"at the HIS are not confirmed":     func(r *Run) { r.Books.Uncounted = 1 },
		"1 locks are unsettled":            func(r *Run) { r.Books.Unsettled = 1 },
		"2 outcomes unknown":               func(r *Run) { r.Rest.Unknown = 2 },
		"had 30 goroutines, and has 81":    func(r *Run) { r.Rest.Goroutines = 81 },
		"heap was 40 MiB, and is 105":      func(r *Run) { r.Rest.HeapMiB = 105 },
		"hanging: 7 reads were not answer": func(r *Run) { r.Phases[3].Read.Failed = 7 },
	} {
		r := kept()
		breaks(r)
		if broken := r.promises(); len(broken) != 1 || !strings.Contains(broken[0], name) {
			t.Errorf("%s: %v", name, broken)
		}
	}
	naked := kept()
	naked.Guarded, naked.Phases[0].Read.Failed = false, 1000
	if broken := naked.promises(); len(broken) > 0 {
		t.Errorf("nothing in between promises nothing: %v", broken)
	}
}

func TestThePictureIsSVG(t *testing.T) {
	ours, theirs := kept(), kept()
	theirs.Guarded = false
	ours.Timeline[3] = Moment{HIS: Second{Calls: 4}, Fresh: 900, Stale: 90, Failed: 10, Confirmed: 3, Slowest: 0.4}
	theirs.Timeline[7] = Moment{HIS: Second{Calls: 1000, Turned: 990}, Failed: 990, Fresh: 10}
	for name, runs := range map[string][]*Run{"both": {ours, theirs}, "one": {ours}} {
		var b strings.Builder
		if err := Draw(&b, runs...); err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(strings.NewReader(b.String()))
		elements := 0
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if e, ok := token.(xml.StartElement); ok {
				elements++
				if e.Name.Local == "script" {
					t.Error("the picture has a script")
				}
			}
		}
		if elements < 30 || !strings.Contains(b.String(), "prefers-color-scheme: dark") {
			t.Errorf("%s: %d elements", name, elements)
		}
	}
	if err := Draw(io.Discard, theirs); err == nil {
		t.Error("a picture without hisgate was drawn")
	}
}

func TestTheTableHasEachPhase(t *testing.T) {
	var b strings.Builder
	theirs := kept()
	theirs.Guarded, theirs.Books = false, nil
	WriteTable(&b, kept(), theirs)
	for _, title := range []string{titles[phaseReaders], titles[phaseQuiet], titles[phaseFlood], titles[string(Hanging)]} {
		if n := strings.Count(b.String(), "| "+title); n < 2 {
			t.Errorf("%q stands there %d times", title, n)
		}
	}
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "|") && strings.Count(line, "|") < 5 {
			t.Errorf("a row of few cells: %s", line)
		}
	}
}

func TestBack(t *testing.T) {
	end := time.Unix(1_800_000_000, 0)
	at := func(u use, began, took time.Duration, stale bool, err error) sample {
		return sample{use: u, began: end.Add(began), took: took, stale: stale, err: err, asOf: end.Add(began)}
	}
	s := time.Second
	all := []sample{
		at(reading, -3*s, s, true, nil), at(reading, -s, 3*s, true, nil), at(reading, 3*s, s, false, nil),
		at(confirming, -2*s, s, false, nil), at(confirming, s, s, false, errors.New("unknown")), at(confirming, 4*s, s, false, nil),
	}
	if stale, confirmed := back(all, end); stale != 2*s || confirmed != 5*s {
		t.Errorf("%v, %v", stale, confirmed)
	}
	if stale, confirmed := back(all[:2], end); stale != -1 || confirmed != -1 {
		t.Errorf("never: %v, %v", stale, confirmed)
	}
}

func TestRoundsFor(t *testing.T) {
	plan := []Phase{{Mood: Well, For: time.Minute}, {Mood: Dead, For: time.Minute, After: time.Minute}}
	for atLeast, want := range map[time.Duration]int{0: 1, 3 * time.Minute: 1, 4 * time.Minute: 2, 10 * time.Minute: 5} {
		if got := RoundsFor(plan, atLeast); got != want {
			t.Errorf("%v: %d rounds, want %d", atLeast, got, want)
		}
	}
	if got := RoundsFor(plan[:1], time.Hour); got != 1 {
		t.Errorf("without trouble: %d rounds", got)
	}
}
