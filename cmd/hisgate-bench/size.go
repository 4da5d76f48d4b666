package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/report"
)

// sizeTarget is the least speed of a large ledger against an empty one.
const sizeTarget = 0.8

// size fills a ledger in a process of its own and weighs it: memory, disk, the
// time of an opening in good order, and the speed of Lock against an empty ledger
// in another process; then the pauses of Lock while what has ended is purged, and
// Badger cleans up behind it.
func size(ctx context.Context, dir string, active, ended, rounds int, during time.Duration) (rows []report.Row, err error) {
	name := fmt.Sprintf("size-%d-%d-", active, ended)
	one := func(what string, unit report.Unit, value float64) {
		rows = append(rows, report.Row{Name: name + what, Unit: unit, Runs: []report.Run{{Ours: value}}})
	}
	large, err := startChild(filepath.Join(dir, "large"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, large.kill()) }()
	stop := context.AfterFunc(ctx, func() { _ = large.cmd.Process.Kill() })
	defer stop()
	// Measured is a ledger that has grown over months, not one that is being filled.
	for _, command := range []string{fmt.Sprintf("end %d", ended), fmt.Sprintf("lock %d", active), "rest"} {
		if _, err := large.ask(command); err != nil {
			return nil, err
		}
	}
	empty, err := startChild(filepath.Join(dir, "empty"))
	if err != nil {
		return nil, err
	}
	speed, err := speedAtSize(name+"lock", large, empty, rounds, during)
	if err := errors.Join(err, empty.kill()); err != nil {
		return nil, err
	}
	rows = append(rows, speed)
	r, err := large.ask("weigh")
	if err != nil {
		return nil, err
	}
	one("memory", report.MiB, r.MiB)
	next := r.Next
	if err := large.stop(); err != nil {
		return nil, err
	}
	bytes, err := diskUse(filepath.Join(dir, "large"))
	if err != nil {
		return nil, err
	}
	one("disk", report.MiB, bytes/(1<<20))

	again, err := startChild(filepath.Join(dir, "large"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, again.kill()) }()
	if r, err = again.ask("weigh"); err != nil {
		return nil, err
	}
	one("open", report.Seconds, again.opened.Seconds)
	one("memory-opened", report.MiB, r.MiB)
	if _, err := again.ask(fmt.Sprintf("from %d", next)); err != nil {
		return nil, err
	}
	pauses, err := pausesOfPurge(name+"purge-", again, rounds, during)
	return append(rows, pauses...), err
}

// speedAtSize lets both lock in turns.
func speedAtSize(name string, large, empty *child, rounds int, during time.Duration) (report.Row, error) {
	row := report.Row{Name: name, Unit: report.PerSecond, Peer: "empty", Target: sizeTarget}
	for round := range rounds + 1 {
		var rate [2]float64
		for k := range rate {
			which := (k + round) % 2
			r, err := []*child{large, empty}[which].ask("time " + during.String())
			if err != nil {
				return row, err
			}
			rate[which] = r.Rate
		}
		if round > 0 {
			row.Runs = append(row.Runs, report.Run{Ours: rate[0], Theirs: rate[1]})
		}
	}
	return row, nil
}

// diskUse counts what all files take of the disk: Badger's logs are mostly holes.
func diskUse(dir string) (bytes float64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		bytes += allocated(info)
		return nil
	})
	return bytes, err
}
