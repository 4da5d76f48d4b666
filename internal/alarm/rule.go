package alarm

import (
	"fmt"
	"strconv"
	"time"
)

// Severity says how soon a person must act.
type Severity string

// The severities; docs/alerts.md tells who should hear of which.
const (
	P0 Severity = "P0" // at once, at night too: money or drugs of a patient
	P1 Severity = "P1" // within two hours
	P2 Severity = "P2" // on the next working day
)

// Within is the time in which a person should have acted. It is the deadline of
// cases of the same severity.
func (s Severity) Within() time.Duration {
	switch s {
	case P0:
		return 30 * time.Minute
	case P1:
		return 2 * time.Hour
	default:
		return 24 * time.Hour
	}
}

// rank orders severities, the most urgent first.
func (s Severity) rank() int {
	switch s {
	case P0:
		return 0
	case P1:
		return 1
	default:
		return 2
	}
}

// Words is a text in both languages.
type Words struct{ ZH, EN string }

// Unit is what a rule's figure counts.
type Unit uint8

// The units of figures.
const (
	Flag    Unit = iota // something is or is not: the figure itself says nothing
	Count               // things
	Percent             // a ratio, shown as a percentage
	Seconds
)

// show writes a figure for people.
func (u Unit) show(v float64) string {
	switch u {
	case Percent:
		return strconv.FormatFloat(v*100, 'f', 1, 64) + "%"
	case Seconds:
		if v >= 120 {
			return (time.Duration(v) * time.Second).String()
		}
		return strconv.FormatFloat(v, 'f', 1, 64) + "s"
	default:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
}

// Rule is one alert: when a signal lies above a threshold for long enough.
type Rule struct {
	Name     string // also in Prometheus
	Severity Severity
	Signal   Signal
	Above    float64       // the threshold; the signal must exceed it
	Unit     Unit          // of signal and threshold
	For      time.Duration // how long it must hold before anybody is told
	Keep     time.Duration // how long it must not have held before it is over
	Money    bool          // the money that is owed belongs into the message
	Title    Words         // what it is, in a few words
	What     Words         // what that means
	Do       Words         // what a person does
}

// Expr is the rule's condition for Prometheus.
func (r *Rule) Expr() string { return r.Signal.promql(r.Above) }

// Threshold says in words when the rule holds, for docs and messages.
func (r *Rule) Threshold() string {
	s := "> " + r.Unit.show(r.Above)
	if w := r.Signal.window(); w > 0 {
		s += " / " + promDuration(w)
	}
	if n := r.Signal.LeastOf; n > 0 {
		s += fmt.Sprintf(", n ≥ %v", n)
	}
	if n := r.Signal.LeastSum; n > 0 {
		s += fmt.Sprintf(", k ≥ %v", n)
	}
	if r.For > 0 {
		s += ", for " + promDuration(r.For)
	}
	return s
}
