package alarm

import (
	"maps"
	"math"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// history keeps the figures of the rules' terms for as long as a rule looks back:
// one sample for each look, at most so many as fit into the longest window.
type history struct {
	terms   []Term // each once
	index   map[string]int
	longest time.Duration
	most    int      // samples that may be kept
	samples []sample // oldest first
}

type sample struct {
	at      time.Time
	figures []figure // by the index of the term
}

// figure is one term at one moment.
type figure struct {
	value   float64
	buckets map[float64]float64 // of a histogram: by upper bound, observations up to it
}

// newHistory keeps what the rules need when they are judged so often.
func newHistory(rules []Rule, every time.Duration) *history {
	h := &history{index: map[string]int{}}
	for i := range rules {
		s := &rules[i].Signal
		for _, t := range slices.Concat(s.Sum, s.Of) {
			if _, known := h.index[t.selector("")]; !known {
				h.index[t.selector("")] = len(h.terms)
				h.terms = append(h.terms, t)
			}
		}
		h.longest = max(h.longest, s.window())
	}
	h.most = int(h.longest/every) + 2
	return h
}

// add takes in what was gathered at a moment.
func (h *history) add(at time.Time, families []*dto.MetricFamily) {
	byName := make(map[string]*dto.MetricFamily, len(families))
	for _, f := range families {
		byName[f.GetName()] = f
	}
	s := sample{at: at, figures: make([]figure, len(h.terms))}
	for i, t := range h.terms {
		s.figures[i] = read(t, byName[t.Metric])
	}
	old := 0 // all before the last one that a whole window lies behind
	for old+1 < len(h.samples) && at.Sub(h.samples[old+1].at) >= h.longest {
		old++
	}
	old = max(old, len(h.samples)+1-h.most)
	h.samples = append(slices.Delete(h.samples, 0, old), s)
}

// read sums the series of a term.
func read(t Term, f *dto.MetricFamily) figure {
	var sum figure
	for _, m := range f.GetMetric() {
		if !t.takes(m) {
			continue
		}
		hist := m.GetHistogram()
		if hist == nil {
			sum.value += m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
			continue
		}
		if sum.buckets == nil {
			sum.buckets = map[float64]float64{}
		}
		for _, b := range hist.GetBucket() {
			sum.buckets[b.GetUpperBound()] += float64(b.GetCumulativeCount())
		}
		sum.value += float64(hist.GetSampleCount())
	}
	return sum
}

func (t Term) takes(m *dto.Metric) bool {
	for _, w := range t.Where {
		i := slices.IndexFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == w.Label })
		if i < 0 || !slices.Contains(w.Values, m.GetLabel()[i].GetValue()) {
			return false
		}
	}
	return true
}

// judge returns the rule's figure by the last sample, and whether the rule holds.
func (h *history) judge(r *Rule) (value float64, holds bool) {
	if len(h.samples) == 0 {
		return 0, false
	}
	s := &r.Signal
	if s.Quantile > 0 {
		f := h.figure(s.Sum[0])
		value = quantile(s.Quantile, f)
		return value, value > r.Above && f.value >= s.LeastOf
	}
	sum := h.sum(s.Sum)
	value = sum
	if s.Abs {
		value = math.Abs(value)
	}
	if s.Of != nil {
		of := h.sum(s.Of)
		if of <= 0 || of < s.LeastOf {
			return 0, false
		}
		value /= of
	}
	return value, value > r.Above && (s.LeastSum == 0 || sum >= s.LeastSum)
}

func (h *history) sum(terms []Term) float64 {
	var sum float64
	for _, t := range terms {
		sum += h.figure(t).value
	}
	return sum
}

// figure is the term now, or its growth. What is younger than the window grew
// from nothing: counters begin with the process.
func (h *history) figure(t Term) figure {
	last := &h.samples[len(h.samples)-1]
	i := h.index[t.selector("")]
	f := last.figures[i]
	if t.Over == 0 {
		return f
	}
	for _, s := range slices.Backward(h.samples) {
		if last.at.Sub(s.at) >= t.Over {
			return f.less(s.figures[i])
		}
	}
	return f
}

func (f figure) less(before figure) figure {
	g := figure{value: f.value - before.value, buckets: maps.Clone(f.buckets)}
	for bound, n := range before.buckets {
		g.buckets[bound] -= n
	}
	return g
}

// quantile is that of a histogram, as Prometheus has it: even within a bucket, and
// the highest bound for what lies above it.
func quantile(q float64, f figure) float64 {
	bounds := slices.Sorted(maps.Keys(f.buckets))
	if len(bounds) == 0 || f.value <= 0 {
		return 0
	}
	rank := q * f.value
	low, below := 0.0, 0.0
	for _, high := range bounds {
		n := f.buckets[high]
		if n >= rank {
			if math.IsInf(high, 1) {
				return low
			}
			return low + (high-low)*(rank-below)/(n-below)
		}
		low, below = high, n
	}
	return low
}
