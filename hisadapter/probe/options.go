package probe

import (
	"context"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// Options are what a probe works with.
type Options struct {
	Driver     hisadapter.Driver       // offers all that is mapped, whatever is claimed
	Declared   hisadapter.Capabilities // as configured: BatchSize is the largest batch tried, HisNoMax bounds the numbers
	PharmacyID string
	DrugIDs    []string // at least one; the first is held and ordered, the second serves the order of two
	Unknown    string   // an id that the HIS does not know, "" = one like the first drug's
	Attributes map[string]string

	Write  bool  // freezes may be made
	Place  bool  // and orders
	MaxQty int64 // smallest units of all writes together

	MaxConcurrency int           // ceiling of the ramp; 0 = no ramp
	Timeout        time.Duration // of one call
	Settle         time.Duration // how long a figure may take to follow
	Seed           string        // makes the numbers; digits and capital letters, at least 4

	Reach     func(context.Context) error // opens a connection; nil = left out
	Login     func(context.Context) error // nil = the HIS has none
	Exchanges func() []Exchange           // those since it was last asked; nil = none are known
	Now       func() time.Time
	Wait      func(context.Context, time.Duration) error
	Progress  func(Step) // sees each step when it has ended; nil = nobody looks
	Announce  func(Text) // is told what is about to be written; nil = nobody
	Crowd     func()     // is told that the ramp begins; nil = nobody
}

// Exchange is one request with its answer, as a driver tells of it.
type Exchange struct {
	Op       string // as in the mapping
	Sent     string // in short
	Back     string // in short
	Rule     string // file:line and what it says, "" = none fits
	At       time.Time
	Duration time.Duration
	Date     time.Time // the HIS's clock, zero = not told
}

// Text is a sentence for the HIS team, in both languages.
type Text struct{ ZH, EN string }

// In returns the sentence in Chinese, or in English.
func (t Text) In(chinese bool) string {
	if chinese {
		return t.ZH
	}
	return t.EN
}

// Verdict is how a step ended.
type Verdict uint8

// The verdicts.
const (
	OK      Verdict = iota
	Failed          // the HIS or the mapping does not do what it must
	Noted           // neither good nor bad, or not to be told
	Skipped         // not done
)

// Step is one thing that was tried.
type Step struct {
	Name    Text
	Verdict Verdict
	Calls   []Call
	Found   Text // what it showed
}

// Call is one request of a step.
type Call struct {
	Sent, Back, Read string
	Took             time.Duration
}

// Proof is one line of the capabilities.
type Proof struct {
	Setting string // freeze, find …; figure_lag
	Value   string // as it stands in YAML
	Proven  bool
	Why     Text
}

// Report is what a probe found.
type Report struct {
	Steps       []Step
	Proofs      []Proof // none where nothing could be read
	Borne       int     // reads at once that the HIS bore, 0 = not tried
	Left        []Text  // what could not be undone: for a person
	Interrupted bool
}

// Failed reports whether any step failed, something is left, or the probe was
// cut short.
func (r *Report) Failed() bool {
	for _, s := range r.Steps {
		if s.Verdict == Failed {
			return true
		}
	}
	return len(r.Left) > 0 || r.Interrupted
}
