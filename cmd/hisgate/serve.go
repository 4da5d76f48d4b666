package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
)

type serveCmd struct {
	configFlags `embed:""`
}

// Run serves until the process is told to stop or cannot go on.
func (c *serveCmd) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	return serve(ctx, cfg, cfg.settings())
}

// serve runs hisgate until ctx ends or it cannot go on, and closes it in order.
func serve(ctx context.Context, cfg Config, s settings) error {
	p, err := open(cfg, s, newLogger(cfg.Log))
	if err != nil {
		return err
	}
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-p.Failed():
		p.log.Error("hisgate cannot go on", "error", failure)
	}
	stop, cancel := context.WithTimeout(context.Background(), cfg.ShutdownTimeout)
	defer cancel()
	if err := p.Close(stop); err != nil {
		p.log.Error("stopped, not cleanly", "error", err)
		if failure == nil {
			failure = fmt.Errorf("shutdown: %w", err)
		}
	} else {
		p.log.Info("stopped")
	}
	return failure
}

func newLogger(c Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // Validate lets no other through
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "text" {
		return slog.New(slog.NewTextHandler(os.Stderr, o))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, o))
}
