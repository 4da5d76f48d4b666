package main

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/load"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/report"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/systems"
)

// field is who takes part: hisgate first, then its peers, and hisgate a second
// time for comparisons with itself.
type field struct {
	ours, again systems.System
	peers       []systems.System
}

// contenders of a case; the first is hisgate.
func (f *field) contenders(test testCase) []*contender {
	out := []*contender{{name: f.ours.Name(), system: f.ours, drugs: test.drugs(), test: test}}
	for _, p := range f.peers {
		out = append(out, &contender{name: p.Name(), system: p, drugs: test.drugs(), test: test})
	}
	if test.hot {
		out = append(out, &contender{name: spreadSelf, system: f.again, drugs: systems.Drugs(spreadDrugs), test: test})
	}
	return out
}

// measure runs one case: every system warms up, then they take turns, each round
// beginning with another one.
func measure(ctx context.Context, cs []*contender, rounds int, during time.Duration) (err error) {
	defer func() {
		for _, c := range cs {
			err = errors.Join(err, c.close())
		}
	}()
	for _, c := range cs {
		if err := c.open(ctx); err != nil {
			return err
		}
	}
	for round := range rounds + 1 {
		for i := range cs {
			c := cs[(i+round)%len(cs)]
			if err := c.feed(ctx, during); err != nil {
				return err
			}
			runtime.GC() // nobody pays for another's garbage
			s, err := c.turn(ctx, during)
			if err != nil {
				return err
			}
			if round > 0 { // the first was to warm up
				c.samples = append(c.samples, s)
				c.cpu = append(c.cpu, c.lastCPU)
			}
		}
	}
	return nil
}

// figures of a measured case, for the table.
func figures(cs []*contender) []report.Figure {
	var out []report.Figure
	for _, c := range cs {
		out = append(out, report.Figure{
			Name: c.test.name(), System: c.name, Rates: rates(c.samples),
			P50: median(each(c.samples, func(s load.Sample) time.Duration { return s.P50 })),
			P99: median(each(c.samples, func(s load.Sample) time.Duration { return s.P99 })),
			CPU: median(c.cpu),
		})
	}
	return out
}

// rows of a measured case: the first contender against each other one.
func rows(cs []*contender) []report.Row {
	ours := cs[0]
	if len(cs) == 1 {
		row := report.Row{Name: ours.test.name(), Unit: report.PerSecond}
		for _, r := range rates(ours.samples) {
			row.Runs = append(row.Runs, report.Run{Ours: r})
		}
		return []report.Row{row}
	}
	var out []report.Row
	for _, peer := range cs[1:] {
		row := report.Row{Name: ours.test.name(), Unit: report.PerSecond, Peer: peer.name, Target: ours.test.target(peer.name)}
		theirs := rates(peer.samples)
		for i, r := range rates(ours.samples) {
			row.Runs = append(row.Runs, report.Run{Ours: r, Theirs: theirs[i]})
		}
		out = append(out, row)
	}
	return out
}

func rates(samples []load.Sample) []float64 { return each(samples, load.Sample.Rate) }

func each[T any](samples []load.Sample, of func(load.Sample) T) []T {
	out := make([]T, len(samples))
	for i, s := range samples {
		out[i] = of(s)
	}
	return out
}

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(all))[len(all)/2]
}
