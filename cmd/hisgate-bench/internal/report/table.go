package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

// Figure is what one system did in one case, for the table of figures.
type Figure struct {
	Name     string
	System   string
	Rates    []float64     // one a round, in a second
	P50, P99 time.Duration // of one call; medians over the rounds
	CPU      time.Duration // of client and server for one call, likewise; 0 = not known
}

// WriteFigures prints the median rate of each system with its spread, and how
// long a single call took and how much processor time.
func WriteFigures(w io.Writer, figures []Figure) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "case\tsystem\tmedian/s\tmin..max\tp50\tp99\tcpu\t")
	for _, f := range figures {
		low, high := Spread(f.Rates)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s..%s\t%s\t%s\t%s\t\n", f.Name, f.System,
			number(Median(f.Rates)), number(low), number(high), span(f.P50), span(f.P99), span(f.CPU))
	}
	return t.Flush()
}

// WriteRows prints the ratios, with their spread, against the targets.
func WriteRows(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "case\tunit\tours\tpeer\ttheirs\tratio\tmin..max\ttarget\tmet\t")
	for _, r := range rows {
		cells := []string{r.Name, string(r.Unit), number(r.Ours()), "-", "-", "-", "-", "-", "-"}
		if r.Peer != "" {
			low, high := Spread(r.Ratios())
			cells[3], cells[4], cells[5] = r.Peer, number(r.Theirs()), ratio(r.Ratio())
			cells[6] = ratio(low) + ".." + ratio(high)
		} else if len(r.Runs) > 1 {
			low, high := Spread(r.each(func(run Run) float64 { return run.Ours }))
			cells[6] = number(low) + ".." + number(high)
		}
		if met, ok := r.Met(); ok {
			cells[7], cells[8] = "≥ "+ratio(r.Target), "no"
			if met {
				cells[8] = "yes"
			}
		}
		fmt.Fprintln(t, strings.Join(cells, "\t")+"\t")
	}
	return t.Flush()
}

// number prints about four digits.
func number(f float64) string {
	switch {
	case math.IsNaN(f):
		return "-"
	case f >= 1000:
		return fmt.Sprintf("%.0f", f)
	case f >= 100:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.3g", f)
	}
}

// ratio prints two or three digits.
func ratio(f float64) string {
	switch {
	case math.IsNaN(f):
		return "-"
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.2f", f)
	}
}

func span(d time.Duration) string {
	switch {
	case d >= 100*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.Round(time.Microsecond).String()
	}
}
