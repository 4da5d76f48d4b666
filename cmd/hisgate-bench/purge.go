package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/report"
)

// purgeTarget: with a purge beside it, and Badger's clean-up behind that, the
// slowest hundredth of all calls takes at most a quarter longer than without.
const purgeTarget = 0.8

// purge fills a ledger with what has ended and measures what its purge does to
// Lock.
func purge(ctx context.Context, dir string, ended, rounds int, during time.Duration) (rows []report.Row, err error) {
	filled, err := startChild(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, filled.kill()) }()
	for _, command := range []string{fmt.Sprintf("end %d", ended), "rest"} {
		if _, err := filled.ask(command); err != nil {
			return nil, err
		}
	}
	next, err := filled.ask("weigh")
	if err := errors.Join(err, filled.stop()); err != nil {
		return nil, err
	}
	c, err := startChild(dir) // what ended last stays in the memory of its process
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.kill()) }()
	if _, err := c.ask(fmt.Sprintf("from %d", next.Next)); err != nil {
		return nil, err
	}
	return pausesOfPurge(fmt.Sprintf("purge-%d-", ended), c, rounds, during)
}

// pausesOfPurge lets a child lock in turns with and without purging beside it,
// each round beginning with the other one. The deletions fill Badger's tables in
// memory and set its compactions going, which go on into the calm turns, too.
func pausesOfPurge(name string, c *child, rounds int, during time.Duration) ([]report.Row, error) {
	purged := report.Row{Name: name + "locks", Unit: report.PerSecond}
	rows := []report.Row{
		{Name: name + "p50", Unit: report.Seconds, Peer: "calm"},
		{Name: name + "p99", Unit: report.Seconds, Peer: "calm", Target: purgeTarget},
		{Name: name + "max", Unit: report.Seconds, Peer: "calm"},
		{Name: name + "rate", Unit: report.PerSecond, Peer: "calm"},
	}
	commands := []string{"time " + during.String(), "purge " + during.String()}
	for round := range rounds {
		var calm, busy reply
		for k := range commands {
			which := (k + round) % 2
			r, err := c.ask(commands[which])
			if err != nil {
				return nil, err
			}
			*[]*reply{&calm, &busy}[which] = r
		}
		if busy.Purged == 0 {
			break // all is gone
		}
		for i, run := range []report.Run{
			{Ours: busy.P50, Theirs: calm.P50},
			{Ours: busy.P99, Theirs: calm.P99},
			{Ours: busy.Max, Theirs: calm.Max},
			{Ours: busy.Rate, Theirs: calm.Rate},
		} {
			rows[i].Runs = append(rows[i].Runs, run)
		}
		purged.Runs = append(purged.Runs, report.Run{Ours: float64(busy.Purged) / busy.Seconds})
	}
	if len(purged.Runs) == 0 {
		return nil, fmt.Errorf("%s: nothing was there to purge", name)
	}
	return append(rows, purged), nil
}
