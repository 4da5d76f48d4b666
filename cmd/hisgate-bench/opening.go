package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/report"
)

// openingLimit is how long an opening with openingSize active locks may take.
const (
	openingLimit  = 3.0 // seconds
	openingSize   = 1_000_000
	openingRounds = 3
)

// opening kills a process with SIGKILL in the middle of its work, again and again
// on a new folder, opens what it left, and looks for every lock that it had
// acknowledged. A missing one is an error, whatever the time.
func opening(ctx context.Context, dir string, active int) ([]report.Row, error) {
	row := report.Row{Name: fmt.Sprintf("open-killed-%d", active), Unit: report.Seconds}
	cpu := report.Row{Name: row.Name + "-cpu", Unit: report.Seconds}
	if active >= openingSize {
		row.Peer, row.Target = "limit", 1
	}
	for range openingRounds {
		opened, err := openKilled(ctx, filepath.Join(dir, "opening"), active)
		if err != nil {
			return nil, err
		}
		run := report.Run{Ours: opened.Seconds}
		if row.Peer != "" {
			run.Theirs = openingLimit
		}
		row.Runs = append(row.Runs, run)
		cpu.Runs = append(cpu.Runs, report.Run{Ours: opened.CPU})
	}
	return []report.Row{row, cpu}, nil
}

// openKilled returns how one opening went.
func openKilled(ctx context.Context, dir string, active int) (opened reply, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return opened, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	acked := filepath.Join(dir, "acked")
	n, err := fillAndKill(ctx, filepath.Join(dir, "ledger"), acked, active)
	if err != nil {
		return opened, err
	}
	c, err := startChild(filepath.Join(dir, "ledger"))
	if err != nil {
		return opened, err
	}
	defer func() { err = errors.Join(err, c.kill()) }()
	stop := context.AfterFunc(ctx, func() { _ = c.cmd.Process.Kill() })
	defer stop()
	r, err := c.ask("verify " + acked)
	switch {
	case err != nil:
		return opened, err
	case r.Missing > 0 || r.Found != n:
		return opened, fmt.Errorf("LOST: %d of %d acknowledged locks are not there after a kill", n-r.Found, n)
	case int64(c.opened.Active) < n || c.opened.Active > int(n)+ackCallers:
		return opened, fmt.Errorf("%d locks were acknowledged and %d are active after a kill", n, c.opened.Active)
	}
	return c.opened, nil
}

// fillAndKill returns how many locks a process acknowledged before it was killed,
// at least so many, and writes their numbers to a file.
func fillAndKill(ctx context.Context, dir, acked string, active int) (n int64, err error) {
	c, err := startChild(dir)
	if err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.cmd.Process.Kill() })
	defer stop()
	defer func() { err = errors.Join(err, c.kill()) }()
	f, err := os.Create(acked)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := c.tell("fill"); err != nil {
		return 0, err
	}
	n, err = io.CopyN(f, c.acks, 8*int64(active))
	if err != nil {
		return 0, fmt.Errorf("a child that fills the ledger: %w", err)
	}
	if err := c.cmd.Process.Kill(); err != nil {
		return 0, err
	}
	rest, err := io.Copy(f, c.acks) // acknowledged before it died
	return (n + rest) / 8, err
}
