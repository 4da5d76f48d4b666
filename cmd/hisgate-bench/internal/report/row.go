package report

import (
	"encoding/json"
	"math"
)

// Unit is what the figures of a row count.
type Unit string

// The units. Of rates more is better, of the others less.
const (
	PerSecond Unit = "1/s"
	Seconds   Unit = "s"
	MiB       Unit = "MiB"
	Calls     Unit = "calls" // in one round
)

// Run is one round: both figures were taken right after each other, so that
// what disturbs the machine disturbs both.
type Run struct {
	Ours   float64 `json:"ours"`
	Theirs float64 `json:"theirs,omitzero"`
}

// Row compares us with one peer, or with a limit, in one case.
type Row struct {
	Name   string
	Unit   Unit
	Peer   string  // "" = a figure of ours alone
	Target float64 // the least ratio; 0 = none was set
	Runs   []Run
}

// Ours is the median of our figures.
func (r Row) Ours() float64 { return Median(r.each(func(run Run) float64 { return run.Ours })) }

// Theirs is the median of the peer's figures.
func (r Row) Theirs() float64 { return Median(r.each(func(run Run) float64 { return run.Theirs })) }

// Ratios say round by round how many times better than the peer we are: of rates
// ours over theirs, of times and sizes theirs over ours.
func (r Row) Ratios() []float64 {
	if r.Peer == "" {
		return nil
	}
	return r.each(func(run Run) float64 {
		if r.Unit == PerSecond {
			return run.Ours / run.Theirs
		}
		return run.Theirs / run.Ours
	})
}

// Ratio is the median of Ratios: rounds are compared in pairs first, so that a
// slow moment of the machine falls out. NaN without a peer.
func (r Row) Ratio() float64 { return Median(r.Ratios()) }

// Met reports whether the ratio reaches the target; ok is false when there is no
// target, or the peer got nothing done to hold against it.
func (r Row) Met() (met, ok bool) {
	ratio := r.Ratio()
	if r.Target == 0 || math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		return false, false
	}
	return ratio >= r.Target, true
}

func (r Row) each(f func(Run) float64) []float64 {
	out := make([]float64, len(r.Runs))
	for i, run := range r.Runs {
		out[i] = f(run)
	}
	return out
}

// MarshalJSON writes the row with what follows from its runs. What does not
// apply is null.
func (r Row) MarshalJSON() ([]byte, error) {
	row := struct {
		Name   string   `json:"name"`
		Unit   Unit     `json:"unit"`
		Ours   *float64 `json:"ours"`
		Peer   *string  `json:"peer"`
		Theirs *float64 `json:"theirs"`
		Ratio  *float64 `json:"ratio"`
		Target *float64 `json:"target"`
		Met    *bool    `json:"met"`
		Runs   []Run    `json:"runs"`
	}{Name: r.Name, Unit: r.Unit, Ours: finite(r.Ours()), Ratio: finite(r.Ratio()), Runs: r.Runs}
	if r.Peer != "" {
		row.Peer, row.Theirs = &r.Peer, finite(r.Theirs())
	}
	if r.Target != 0 {
		row.Target = &r.Target
	}
	if met, ok := r.Met(); ok {
		row.Met = &met
	}
	return json.Marshal(row)
}

// finite is nil for what JSON cannot say.
func finite(f float64) *float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return &f
}
