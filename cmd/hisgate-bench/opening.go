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
func opening(ctx context.Context, dir string, active int) (report.Row, error) {
	row := report.Row{Name: fmt.Sprintf("open-killed-%d", active), Unit: report.Seconds}
	if active >= openingSize {
		row.Peer, row.Target = "limit", 1
	}
	for range openingRounds {
		took, err := openKilled(ctx, filepath.Join(dir, "opening"), active)
		if err != nil {
			return row, err
		}
		run := report.Run{Ours: took}
		if row.Peer != "" {
			run.Theirs = openingLimit
		}
		row.Runs = append(row.Runs, run)
	}
	return row, nil
}

// openKilled returns the seconds of one opening.
func openKilled(ctx context.Context, dir string, active int) (seconds float64, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	acked := filepath.Join(dir, "acked")
	n, err := fillAndKill(ctx, filepath.Join(dir, "ledger"), acked, active)
	if err != nil {
		return 0, err
	}
	c, err := startChild(filepath.Join(dir, "ledger"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.kill()) }()
	stop := context.AfterFunc(ctx, func() { _ = c.cmd.Process.Kill() })
	defer stop()
	r, err := c.ask("verify " + acked)
	switch {
	case err != nil:
		return 0, err
	case r.Missing > 0 || r.Found != n:
		return 0, fmt.Errorf("LOST: %d of %d acknowledged locks are not there after a kill", n-r.Found, n)
	case int64(c.opened.Active) < n || c.opened.Active > int(n)+ackCallers:
		return 0, fmt.Errorf("%d locks were acknowledged and %d are active after a kill", n, c.opened.Active)
	}
	return c.opened.Seconds, nil
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
