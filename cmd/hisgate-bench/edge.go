package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/edge"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/program"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/report"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/systems"
	"github.com/hisgate/hisgate/internal/privateserver"
)

// peerCmd is the process that hisgate's edge is held against. It ends with its
// standard input.
type peerCmd struct {
	Postgres string `placeholder:"DSN"`
}

// Run serves.
func (c *peerCmd) Run(ctx context.Context) error {
	return edge.ServePeer(ctx, c.Postgres, os.Stdin, edge.PeerUp(os.Stdout))
}

// edge measures hisgate as its callers meet it, in a process of its own.
func (b *bench) edge(ctx context.Context) (err error) {
	wants := func(name string) bool { return b.wants(name) || b.wants(edge.Part) }
	if !slices.ContainsFunc(edge.Names(), wants) {
		return nil
	}
	file, err := program.Find(b.Hisgate)
	if err != nil {
		fmt.Fprintf(b.remarks, "the edge is left out: %v\n", err)
		return nil
	}
	dir := filepath.Join(b.dir, edge.Part)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	o := edge.Options{Program: file, Dir: dir, Rounds: b.Rounds, For: b.For, Wants: wants}
	if slices.Contains(b.Peers, "postgres") {
		var missing *privateserver.MissingError
		switch o.Postgres, err = systems.StartPostgres(ctx, b.dir); { // not below: another user must reach it
		case errors.As(err, &missing):
			o.Postgres = nil
			fmt.Fprintf(b.remarks, "postgres is left out: %v\n", missing)
		case err != nil:
			return err
		default:
			defer func() { err = errors.Join(err, o.Postgres.Close()) }()
		}
	}
	return edge.Do(ctx, o, func(f []report.Figure, rows []report.Row) error {
		b.figures = append(b.figures, f...)
		return b.report(rows...)
	})
}
