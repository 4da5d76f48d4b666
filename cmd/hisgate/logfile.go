package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
)

const (
	logMost = 50 << 20 // bytes of one file of the log
	logKept = 9        // old ones beside it
)

// logFile is a log that begins anew when it is long enough.
type logFile struct {
	path string
	most int64
	kept int

	mu   sync.Mutex
	file *os.File
	size int64
}

// openLogFile opens the log to add to it. What Go says when the process dies of a
// fault goes there too.
func openLogFile(path string, most int64, kept int) (*logFile, error) {
	l := &logFile{path: path, most: most, kept: kept}
	if err := l.open(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, info.Size()
	return debug.SetCrashOutput(f, debug.CrashOptions{})
}

// Write implements io.Writer. When no new file can be begun, the old one goes on.
func (l *logFile) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 && l.size+int64(len(line)) > l.most {
		if err := l.turn(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(line)
	l.size += int64(n)
	return n, err
}

// turn gives each file the next number, and begins a new one.
func (l *logFile) turn() error {
	// Windows renames no file that is open, and Go holds the one for its last words.
	if err := errors.Join(debug.SetCrashOutput(nil, debug.CrashOptions{}), l.file.Close()); err != nil {
		return errors.Join(err, l.open())
	}
	var errs []error
	for i := l.kept; i > 0; i-- {
		from := l.path
		if i > 1 {
			from = fmt.Sprintf("%s.%d", l.path, i-1)
		}
		if err := os.Rename(from, fmt.Sprintf("%s.%d", l.path, i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := l.open(); err != nil {
		return errors.Join(append(errs, err)...)
	}
	if len(errs) > 0 {
		l.size = 0 // so that this is not tried at every line
	}
	return nil
}

func (l *logFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(debug.SetCrashOutput(nil, debug.CrashOptions{}), l.file.Close())
}

// openLog opens the log where the configuration wants it, and what closes it.
func openLog(c Log, level slog.Leveler) (*slog.Logger, func() error, error) {
	if c.File == "" {
		return newLogger(c, os.Stderr, level), func() error { return nil }, nil
	}
	f, err := openLogFile(c.File, logMost, logKept)
	if err != nil {
		return nil, nil, fmt.Errorf("log.file: %w", err)
	}
	return newLogger(c, f, level), f.close, nil
}

func newLogger(c Log, w io.Writer, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}
