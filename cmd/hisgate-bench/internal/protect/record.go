package protect

import (
	"slices"
	"sync"
	"time"
)

// Moment is one second of a run.
type Moment struct {
	HIS       Second  `json:"his"`
	Fresh     int     `json:"fresh"`  // reads answered with a figure that is not marked as old
	Stale     int     `json:"stale"`  // with an old one, marked
	Failed    int     `json:"failed"` // not at all
	Confirmed int     `json:"confirmed"`
	Slowest   float64 `json:"slowest_confirm_s"` // of those that were confirmed, in seconds
	Vitals    vitals  `json:"vitals"`
}

// Waits are how long one use took, and how often it was refused.
type Waits struct {
	Done   int           `json:"done"`
	Failed int           `json:"failed"`
	P50    time.Duration `json:"p50_ns"`
	P99    time.Duration `json:"p99_ns"`
	Max    time.Duration `json:"max_ns"` // failures included

	Why map[string]int `json:"why,omitempty"` // failures by their words
}

// Stretch is what came of a phase while its trouble lasted.
type Stretch struct {
	Name   string        `json:"name"`
	Mood   Mood          `json:"mood"`
	For    time.Duration `json:"for_ns"`
	Cold   int           `json:"cold"` // stock queries of the first five seconds
	HIS    Count         `json:"his"`  // the time after the trouble included
	Peak   int           `json:"peak"` // the most calls that arrived in one second
	Read   Waits         `json:"read"`
	Lock   Waits         `json:"lock"`
	Commit Waits         `json:"confirm"`
	Stale  int           `json:"stale"` // reads answered with an old figure, marked

	// Back is how long after the trouble the last old figure was answered, and
	// the first confirmation after it succeeded. -1 = never within the phase.
	Back      time.Duration `json:"back_ns"`
	Confirmed time.Duration `json:"first_confirm_ns"`

	End vitals `json:"end"` // of hisgate, when the phase was over
}

// Run is one crowd before one HIS.
type Run struct {
	Guarded  bool      `json:"guarded"`
	Begun    time.Time `json:"begun"`
	Phases   []Stretch `json:"phases"`
	Timeline []Moment  `json:"timeline"`
	Marks    []Mark    `json:"marks"` // where phases begin and troubles end
	Books    *Books    `json:"books,omitempty"`
	Start    vitals    `json:"start"`  // of hisgate before anybody asked
	Rest     vitals    `json:"rest"`   // when all had left
	Broken   []string  `json:"broken"` // promises
}

// Books hold hisgate's ledger against the HIS's books, where each order stands
// once.
type Books struct {
	Confirmed int `json:"confirmed"` // by hisgate's word
	Missing   int `json:"missing"`   // of these, not at the HIS
	Uncounted int `json:"uncounted"` // at the HIS, not by hisgate's word
	Unsettled int `json:"unsettled"` // locks whose end is open
}

// Mark is a phase on the timeline, in seconds.
type Mark struct {
	Name    string `json:"name"`
	From    int    `json:"from"`
	Trouble int    `json:"trouble"` // its end
	To      int    `json:"to"`
}

// recorder takes down what the crowd is answered.
type recorder struct {
	mu      sync.Mutex
	now     Moment // the second under way
	samples []sample
}

func (r *recorder) note(s sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = append(r.samples, s)
	switch {
	case s.use == reading && s.err != nil:
		r.now.Failed++
	case s.use == reading && s.stale:
		r.now.Stale++
	case s.use == reading:
		r.now.Fresh++
	case s.use == confirming && s.err == nil:
		r.now.Confirmed++
		r.now.Slowest = max(r.now.Slowest, s.took.Seconds())
	}
}

// tick returns the second that is over.
func (r *recorder) tick() Moment {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.now
	r.now = Moment{}
	return m
}

// take returns the samples of a phase.
func (r *recorder) take() []sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.samples
	r.samples = nil
	return all
}

// waitsOf sums up a use among the samples that began before a moment.
func waitsOf(all []sample, u use, before time.Time) Waits {
	w := Waits{Why: map[string]int{}}
	var took []time.Duration
	for _, s := range all {
		if s.use != u || !s.began.Before(before) {
			continue
		}
		w.Max = max(w.Max, s.took)
		if s.err != nil {
			w.Failed++
			w.Why[inShort(s.err)]++
			continue
		}
		took = append(took, s.took)
	}
	slices.Sort(took)
	w.Done = len(took)
	if n := len(took); n > 0 {
		w.P50, w.P99 = took[n/2], took[min(n-1, n*99/100)]
	}
	return w
}

// inShort is an error in few words, so that like ones count together.
func inShort(err error) string {
	const most = 90
	words := []rune(err.Error())
	return string(words[:min(len(words), most)])
}

// back is how long after the trouble readers were given old figures, and when
// the first confirmation that began after it succeeded.
func back(all []sample, end time.Time) (stale, confirmed time.Duration) {
	confirmed = -1
	fresh := false
	for _, s := range all {
		done := s.began.Add(s.took)
		switch {
		case s.use == reading && (s.stale || s.err != nil) && done.After(end):
			stale = max(stale, done.Sub(end))
		case s.use == reading && s.err == nil && s.asOf.After(end):
			fresh = true
		case s.use == confirming && s.err == nil && done.After(end) && (confirmed < 0 || done.Sub(end) < confirmed):
			confirmed = done.Sub(end)
		}
	}
	if !fresh {
		stale = -1
	}
	return stale, confirmed
}
