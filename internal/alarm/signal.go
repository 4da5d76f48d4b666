package alarm

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Term is the sum of some series of one metric: as they are now, or how much they
// grew.
type Term struct {
	Metric string
	Where  []Match       // which series; none = all of the metric
	Over   time.Duration // 0 = as they are now; else the growth over this
}

// Match names the series of which a label has one of some values.
type Match struct {
	Label  string
	Values []string // plain words
}

// Signal is a figure that rules watch: the sum of terms, or its ratio to another
// sum, or a quantile.
type Signal struct {
	Sum      []Term
	Of       []Term  // nil = the sum itself; else it is divided by this one
	Quantile float64 // 0 = none; else of the histogram that is the only term of Sum
	Abs      bool    // without its sign
	LeastSum float64 // below it the sum means nothing; 0 = it always does
	LeastOf  float64 // below it Of means nothing; of a quantile, the observations
}

// selector is the term's series in the words of Prometheus.
func (t Term) selector(suffix string) string {
	s := t.Metric + suffix
	if len(t.Where) == 0 {
		return s
	}
	parts := make([]string, len(t.Where))
	for i, m := range t.Where {
		op := "="
		if len(m.Values) > 1 {
			op = "=~"
		}
		parts[i] = m.Label + op + strconv.Quote(strings.Join(m.Values, "|"))
	}
	return s + "{" + strings.Join(parts, ",") + "}"
}

// promql is the term, one figure for each hisgate that Prometheus watches.
func (t Term) promql(suffix, by string) string {
	s := t.selector(suffix)
	if t.Over > 0 {
		s = fmt.Sprintf("increase(%s[%s])", s, promDuration(t.Over))
	}
	return fmt.Sprintf("sum by (job, instance%s) (%s)", by, s)
}

func sumQL(terms []Term) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = t.promql("", "")
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "(" + strings.Join(parts, " + ") + ")"
}

// promql is the condition that the signal is above a threshold.
func (s Signal) promql(above float64) string {
	if s.Quantile > 0 {
		t := s.Sum[0]
		q := fmt.Sprintf("histogram_quantile(%v, %s) > %v", s.Quantile, t.promql("_bucket", ", le"), above)
		return fmt.Sprintf("%s and %s >= %v", q, t.promql("_count", ""), s.LeastOf)
	}
	sum := sumQL(s.Sum)
	value := sum
	if s.Abs {
		value = "abs(" + value + ")"
	}
	if s.Of != nil {
		value += " / " + sumQL(s.Of)
	}
	q := fmt.Sprintf("%s > %v", value, above)
	if s.Of != nil && s.LeastOf > 0 {
		q += fmt.Sprintf(" and %s >= %v", sumQL(s.Of), s.LeastOf)
	}
	if s.LeastSum > 0 {
		q += fmt.Sprintf(" and %s >= %v", sum, s.LeastSum)
	}
	return q
}

// promDuration writes whole hours, minutes and seconds as Prometheus does.
func promDuration(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return fmt.Sprintf("%ds", d/time.Second)
	}
}

// window is the longest time that the signal looks back.
func (s Signal) window() time.Duration {
	var w time.Duration
	for _, t := range append(s.Sum[:len(s.Sum):len(s.Sum)], s.Of...) {
		w = max(w, t.Over)
	}
	return w
}
