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

	mu   sync.Mutex
	file *os.File
}

func openAppend(path string) (*appendFile, error) {
	a := &appendFile{path: path}
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
	return a.file.Write(line)
}

func (a *appendFile) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.file.Close()
}

// openAudit returns the logger of who did what, and its file; none where none is
// wanted.
func openAudit(c Log) (*slog.Logger, *appendFile, error) {
	if c.Audit == "" {
		return nil, nil, nil
	}
	f, err := openAppend(c.Audit)
	if err != nil {
		return nil, nil, fmt.Errorf("log.audit_file: %w", err)
	}
	return slog.New(slog.NewJSONHandler(f, nil)), f, nil
}
