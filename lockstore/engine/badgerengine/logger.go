package badgerengine

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/dgraph-io/badger/v4"
)

// logger hands Badger's lines to slog. Badger calls a lot "info" that only its
// developers want to read, and formats a debug line or two with each write:
// those become debug and nothing.
type logger struct {
	log *slog.Logger
}

func newLogger(log *slog.Logger) badger.Logger {
	if log == nil {
		return nil
	}
	return logger{log: log.With("component", "badger")}
}

func (l logger) Errorf(format string, args ...any)   { l.line(slog.LevelError, format, args) }
func (l logger) Warningf(format string, args ...any) { l.line(slog.LevelWarn, format, args) }
func (l logger) Infof(format string, args ...any)    { l.line(slog.LevelDebug, format, args) }
func (l logger) Debugf(string, ...any)               {}

func (l logger) line(level slog.Level, format string, args []any) {
	ctx := context.Background()
	if l.log.Enabled(ctx, level) {
		l.log.Log(ctx, level, strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}
