package protect

import "time"

// Crowd is who asks. Each reader reads a drug once in ReadEvery, each locker
// locks and gives back once in WorkEvery, each confirmer locks and confirms.
type Crowd struct{ Readers, Lockers, Confirmers int }

const (
	readEvery = time.Second
	workEvery = 5 * time.Second
	flapEvery = 5 * time.Second
)

// Phase is a stretch of the run: the crowd, what is wrong with the HIS for how
// long, and how long it is well after that.
type Phase struct {
	Name  string
	Crowd Crowd
	Mood  Mood
	For   time.Duration
	After time.Duration
}

// The phases without trouble, by name.
const (
	phaseReaders = "readers"
	phaseQuiet   = "quiet"
	phaseFlood   = "flood"
)

var (
	everybody = Crowd{Readers: 1000, Lockers: 50, Confirmers: 20}
	atWork    = Crowd{Lockers: 50, Confirmers: 20}
	onlyReads = Crowd{Readers: 1000}
)

// Plan is the run of docs/protect.md, or a short one that shows the same.
func Plan(quick bool) []Phase {
	calm, trouble, dead, after := time.Minute, 20*time.Second, time.Minute, 25*time.Second
	flaps := 5 * flapEvery // it ends as it begins, away
	if quick {
		calm, trouble, dead, after = 15*time.Second, 10*time.Second, 15*time.Second, 15*time.Second
		flaps = 3 * flapEvery
	}
	return []Phase{
		{Name: phaseReaders, Crowd: onlyReads, Mood: Well, For: calm},
		{Name: phaseQuiet, Crowd: atWork, Mood: Well, For: calm},
		{Name: phaseFlood, Crowd: everybody, Mood: Well, For: calm},
		{Name: string(Hanging), Crowd: everybody, Mood: Hanging, For: trouble, After: after},
		{Name: string(Refuses), Crowd: everybody, Mood: Refuses, For: trouble, After: after},
		{Name: string(Flaps), Crowd: everybody, Mood: Flaps, For: flaps, After: after},
		{Name: string(Crawls), Crowd: everybody, Mood: Crawls, For: trouble, After: after},
		{Name: string(Dead), Crowd: everybody, Mood: Dead, For: dead, After: after},
	}
}

// span is how long all of it takes, at the least.
func span(plan []Phase) (d time.Duration) {
	for _, p := range plan {
		d += p.For + p.After
	}
	return d
}

// RoundsFor is how many rounds of a plan take at least so long; see
// Options.Rounds.
func RoundsFor(plan []Phase, atLeast time.Duration) int {
	var again time.Duration
	for _, p := range plan {
		if p.Mood != Well {
			again += p.For + p.After
		}
	}
	rounds := 1
	for total := span(plan); total < atLeast && again > 0; total += again {
		rounds++
	}
	return rounds
}
