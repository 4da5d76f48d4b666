package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"syscall"
)

type serveCmd struct {
	configFlags `embed:""`
}

// Run serves until the process is told to stop, by a signal or by the system that
// started it as a service, or cannot go on.
func (c *serveCmd) Run(ctx context.Context) error {
	return supervised(ctx, func(ctx context.Context, up func()) error {
		cfg, err := c.load()
		if err != nil {
			return err
		}
		return serve(ctx, cfg, cfg.settings(), c.load, up)
	})
}

// serve runs hisgate until ctx ends or it cannot go on, and closes it in order.
// It calls up when it serves. SIGHUP lets it read again what can be read again;
// load is for that.
func serve(ctx context.Context, cfg Config, s settings, load func() (Config, error), up func()) (err error) {
	level := new(slog.LevelVar)
	level.Set(levelOf(cfg.Log))
	log, closeLog, err := openLog(cfg.Log, level)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLog()) }()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	p, err := open(cfg, s, log)
	if err != nil {
		return err
	}
	up()
	var failure error
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case failure = <-p.Failed():
			p.log.Error("hisgate cannot go on", "error", failure)
			p.tellEnd()
			running = false
		case <-hangup:
			p.reload(cfg, load, level)
		}
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

// reload reads the configuration, the certificates and the callers again. The
// log's level counts at once; other settings that have changed count from the next
// start, and are named.
func (p *Program) reload(running Config, load func() (Config, error), level *slog.LevelVar) {
	p.secure.reload()
	fresh, err := load()
	if err != nil {
		p.log.Error("the configuration was not read again", "error", err)
		return
	}
	level.Set(levelOf(fresh.Log))
	var later []string
	was, is := reflect.ValueOf(running), reflect.ValueOf(fresh)
	for _, s := range settingsOf(was.Type(), "") {
		if s.Path != "log.level" && lookup(was, s.Path) != lookup(is, s.Path) {
			later = append(later, s.Path)
		}
	}
	if len(later) > 0 {
		p.log.Warn("these settings have changed and count from the next start", "settings", later)
	}
	p.log.Info("the configuration was read again", "log_level", level.Level().String())
}

func levelOf(c Log) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return slog.LevelInfo // Validate lets no other through
	}
	return level
}
