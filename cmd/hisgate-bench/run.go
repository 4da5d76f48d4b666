package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/edge"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/report"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/systems"
	"github.com/hisgate/hisgate/internal/privateserver"
)

// Run measures and prints.
func (c *runCmd) Run(ctx context.Context) error {
	if err := c.settle(); err != nil {
		return err
	}
	if c.List {
		for _, name := range c.names() {
			fmt.Println(name)
		}
		return nil
	}
	return c.run(ctx, os.Stdout, os.Stderr)
}

// names of all cases, in the order in which they run.
func (c *runCmd) names() []string {
	var names []string
	for _, t := range cases(c.Quick) {
		names = append(names, t.name())
	}
	names = append(names, "idle", "open")
	if !c.Quick {
		names = append(names, "size", "purge")
	}
	return append(names, edge.Names()...)
}

func (c *runCmd) run(ctx context.Context, out, remarks io.Writer) (err error) {
	start := time.Now()
	if c.Wait > 0 {
		if err := awaitQuiet(ctx, c.Wait); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(c.Dir, "hisgate-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	stop, err := profile(c.Pprof)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	b := &bench{runCmd: c, dir: dir, out: out, remarks: remarks}
	if !c.JSON {
		b.remarks = out
	}
	shape, err := machine(dir)
	if err != nil {
		return err
	}
	fmt.Fprintln(b.remarks, shape)
	if err := errors.Join(b.sideBySide(ctx), ctx.Err()); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		run  func(context.Context, string) ([]report.Row, error)
	}{{"idle", b.idle}, {"open", b.opening}, {"size", b.size}, {"purge", b.purge}} {
		if !c.wants(part.name) || !slices.Contains(c.names(), part.name) {
			continue
		}
		if err := b.part(ctx, part.name, part.run); err != nil {
			return err
		}
	}
	if err := b.edge(ctx); err != nil {
		return err
	}
	if err := b.finish(); err != nil {
		return err
	}
	fmt.Fprintf(b.remarks, "\ntook %v\n", time.Since(start).Round(time.Second))
	return nil
}

// bench is a run under way.
type bench struct {
	*runCmd
	dir          string
	out, remarks io.Writer
	figures      []report.Figure
	rows         []report.Row
}

// peers starts those that were asked for and are installed.
func (b *bench) peers(ctx context.Context) (peers []systems.System, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(peers))
		}
	}()
	for _, name := range b.Peers {
		var p systems.System
		var err error
		switch name {
		case "postgres":
			p, err = systems.StartPostgres(ctx, b.dir)
		case "redis":
			p, err = systems.StartRedis(ctx, b.dir)
		case "badger":
			p = systems.NewBadger(b.dir)
		case "rawfile":
			p = systems.NewRawFile(b.dir)
		case "none":
			continue
		default:
			err = fmt.Errorf("no such peer: %s", name)
		}
		var missing *privateserver.MissingError
		switch {
		case errors.As(err, &missing):
			fmt.Fprintf(b.remarks, "%s is left out: %v\n", name, missing)
		case err != nil:
			return peers, err
		default:
			peers = append(peers, p)
		}
	}
	return peers, nil
}

func closeAll(all []systems.System) error {
	var errs []error
	for _, s := range all {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// sideBySide measures the cases in which hisgate meets its peers.
func (b *bench) sideBySide(ctx context.Context) (err error) {
	tests := slices.DeleteFunc(cases(b.Quick), func(t testCase) bool { return !b.wants(t.name()) })
	if len(tests) == 0 {
		return nil
	}
	peers, err := b.peers(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll(peers)) }()
	f := &field{
		ours:  systems.NewLedger(b.dir),
		again: systems.NewLedger(filepath.Join(b.dir, "again")),
		peers: peers,
	}
	for _, t := range tests {
		cs := f.contenders(t)
		err := errors.Join(measure(ctx, cs, b.Rounds, b.For), f.ours.Close(), f.again.Close())
		if err != nil {
			return err
		}
		b.figures = append(b.figures, figures(cs)...)
		if err := b.report(rows(cs)...); err != nil {
			return err
		}
	}
	return nil
}

// part runs one of the cases that are about hisgate alone, in a folder of its own.
func (b *bench) part(ctx context.Context, name string, run func(context.Context, string) ([]report.Row, error)) error {
	dir := filepath.Join(b.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	rows, err := run(ctx, dir)
	if err := errors.Join(err, ctx.Err(), os.RemoveAll(dir)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return b.report(rows...)
}

func (b *bench) idle(ctx context.Context, dir string) ([]report.Row, error) {
	return idle(ctx, dir, min(expiries, int64(b.Active)), b.Rounds, b.For)
}

func (b *bench) opening(ctx context.Context, dir string) ([]report.Row, error) {
	return opening(ctx, dir, b.Active)
}

func (b *bench) size(ctx context.Context, dir string) ([]report.Row, error) {
	return size(ctx, dir, b.Active, b.Ended, b.Rounds, b.For)
}

func (b *bench) purge(ctx context.Context, dir string) ([]report.Row, error) {
	return purge(ctx, dir, b.Ended, b.Rounds, b.For)
}

// report prints rows at once as JSON, or keeps them for the table.
func (b *bench) report(rows ...report.Row) error {
	if !b.JSON {
		b.rows = append(b.rows, rows...)
		return nil
	}
	out := json.NewEncoder(b.out)
	for _, r := range rows {
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// finish prints the tables.
func (b *bench) finish() error {
	if b.JSON {
		return nil
	}
	if len(b.figures) > 0 {
		fmt.Fprintln(b.out)
		if err := report.WriteFigures(b.out, b.figures); err != nil {
			return err
		}
	}
	fmt.Fprintln(b.out)
	return report.WriteRows(b.out, b.rows)
}

// profile starts a profile into a file, if one is named.
func profile(name string) (stop func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
