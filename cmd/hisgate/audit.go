package main

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
)

// appendFile is a file that lines are added to. Another program may rename it;
// reopen then begins a new one.
type appendFile struct {
	path string
	log  *slog.Logger // is told when lines are lost, and when no more are

	mu   sync.Mutex
	file *os.File
	lost int // lines since the last that was written
}

func openAppend(path string, log *slog.Logger) (*appendFile, error) {
	a := &appendFile{path: path, log: log}
	return a, a.reopen()
}

// reopen opens the path anew. When that fails, lines go on to the file before.
func (a *appendFile) reopen() error {
	f, err := os.OpenFile(a.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file != nil {
		a.file.Close()
	}
	a.file = f
	return nil
}

// Write implements io.Writer.
func (a *appendFile) Write(line []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, err := a.file.Write(line)
	switch {
	case err != nil: // nobody else hears of it
		if a.lost++; a.lost == 1 {
			a.log.Error("the audit file takes no lines; who did what is lost meanwhile", "error", err)
		}
	case a.lost > 0:
		a.log.Warn("the audit file takes lines again", "lost", a.lost)
		a.lost = 0
	}
	return n, err
}

func (a *appendFile) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.file.Close()
}

// openAudit returns the logger of who did what, and its file; none where none is
// wanted.
func openAudit(c Log, log *slog.Logger) (*slog.Logger, *appendFile, error) {
	if c.Audit == "" {
		return nil, nil, nil
	}
	f, err := openAppend(c.Audit, log)
	if err != nil {
		return nil, nil, fmt.Errorf("log.audit_file: %w", err)
	}
	return slog.New(slog.NewJSONHandler(f, nil)), f, nil
}
