package edge

import (
	"slices"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/load"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/report"
)

// figures of a measured case, for the table.
func figures(c testCase, sides []*side) (out []report.Figure) {
	for _, s := range sides {
		f := report.Figure{
			Name: c.name, System: s.name, CPU: median(s.cpu),
			P50: median(each(s.samples, p50)), P99: median(each(s.samples, p99)),
		}
		for _, sample := range s.samples {
			f.Rates = append(f.Rates, sample.Rate())
		}
		out = append(out, f)
	}
	return out
}

// rows of a measured case: hisgate against each other system in rate, p50 and p99,
// and what the HIS saw of it.
func rows(c testCase, sides []*side) (out []report.Row) {
	for _, kind := range []struct {
		suffix string
		unit   report.Unit
		of     func(load.Sample) float64
	}{
		{"", report.PerSecond, load.Sample.Rate},
		{"-p50", report.Seconds, func(s load.Sample) float64 { return p50(s).Seconds() }},
		{"-p99", report.Seconds, func(s load.Sample) float64 { return p99(s).Seconds() }},
	} {
		alone := report.Row{Name: c.name + kind.suffix, Unit: kind.unit}
		for _, s := range sides[0].samples {
			alone.Runs = append(alone.Runs, report.Run{Ours: kind.of(s)})
		}
		if len(sides) == 1 {
			out = append(out, alone)
		}
		for _, peer := range sides[1:] {
			row := alone
			row.Peer, row.Runs = peer.name, slices.Clone(alone.Runs)
			if kind.suffix == "" {
				row.Target = c.target[peer.name]
			}
			for i := range row.Runs {
				row.Runs[i].Theirs = kind.of(peer.samples[i])
			}
			out = append(out, row)
		}
	}
	return append(out, report.Row{Name: c.name + "-his-calls", Unit: report.Calls, Runs: sides[0].his})
}

func p50(s load.Sample) time.Duration { return s.P50 }

func p99(s load.Sample) time.Duration { return s.P99 }

func each(samples []load.Sample, of func(load.Sample) time.Duration) (out []time.Duration) {
	for _, s := range samples {
		out = append(out, of(s))
	}
	return out
}

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(all))[len(all)/2]
}
