package systems

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// RawFile is the bound: a plain file to which a single goroutine appends what
// all callers brought while it last synced. It judges and finds nothing, and
// shares no code with the ledger.
type RawFile struct {
	name  string
	sizes sizes
	file  *os.File

	mu      sync.Mutex
	pending *appended
	wake    chan struct{} // holds a token when pending is not empty
	stopped chan struct{}
}

// appended is what one sync makes durable.
type appended struct {
	data []byte
	done chan struct{}
	err  error
}

// NewRawFile keeps the file below dir.
func NewRawFile(dir string) *RawFile { return &RawFile{name: filepath.Join(dir, "rawfile")} }

// Name implements [System].
func (s *RawFile) Name() string { return "rawfile" }

// Reset implements [System].
func (s *RawFile) Reset(ctx context.Context, shape Shape) error {
	err := s.Close()
	if err != nil {
		return err
	}
	if s.sizes, err = recordSizes(ctx, shape); err != nil {
		return err
	}
	if s.file, err = os.OpenFile(s.name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	s.pending = &appended{done: make(chan struct{})}
	s.wake, s.stopped = make(chan struct{}, 1), make(chan struct{})
	go s.run(s.wake, s.stopped)
	return nil
}

// run appends and syncs until wake is closed.
func (s *RawFile) run(wake <-chan struct{}, stopped chan<- struct{}) {
	defer close(stopped)
	spare := []byte(nil)
	for range wake {
		runtime.Gosched() // whom the last sync woke may still join
		s.mu.Lock()
		batch := s.pending
		s.pending = &appended{data: spare[:0], done: make(chan struct{})}
		s.mu.Unlock()
		if _, batch.err = s.file.Write(batch.data); batch.err == nil {
			batch.err = datasync(s.file)
		}
		spare = batch.data
		close(batch.done)
	}
}

// append makes one record durable.
func (s *RawFile) append(order string, size int) error {
	s.mu.Lock()
	batch := s.pending
	start := len(batch.data)
	for len(batch.data)-start < size {
		batch.data = append(batch.data, order...)
	}
	batch.data = batch.data[:start+size]
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	<-batch.done
	return batch.err
}

// Session implements [System].
func (s *RawFile) Session(context.Context) (Session, error) { return rawSession{s}, nil }

// Close implements [System].
func (s *RawFile) Close() error {
	if s.file == nil {
		return nil
	}
	close(s.wake)
	<-s.stopped
	err := errors.Join(s.file.Close(), os.Remove(s.name))
	s.file = nil
	return err
}

type rawSession struct{ *RawFile }

// Lock implements [Session].
func (s rawSession) Lock(_ context.Context, order string, _ []string) error {
	return s.append(order, s.sizes.lock)
}

// Confirm implements [Session].
func (s rawSession) Confirm(_ context.Context, order string) error {
	return s.append(order, s.sizes.confirm)
}

// Release implements [Session].
func (s rawSession) Release(_ context.Context, order string) error {
	return s.append(order, s.sizes.release)
}

// Close implements [Session]; the file stays open.
func (s rawSession) Close() error { return nil }
