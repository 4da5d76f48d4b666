package engine

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound says that no value is stored under the key.
	ErrNotFound = errors.New("engine: key not found")

	// ErrStop, returned by the function given to [Engine.Scan], ends the scan
	// without making it fail.
	ErrStop = errors.New("engine: stop the scan")

	// ErrClosed says that the engine or the committer was closed before the
	// call: nothing was read, nothing was written.
	ErrClosed = errors.New("engine: closed")

	// ErrOutcomeUnknown says that a commit failed, so that its writes may or may
	// not be on the disk; only opening the folder again can tell. It is what
	// [errors.Is] finds in an [UnknownOutcomeError].
	ErrOutcomeUnknown = errors.New("engine: outcome of the write is unknown")
)

// UnknownOutcomeError carries the reason of a failed commit. It is final: the
// engine that returned it takes no further write.
type UnknownOutcomeError struct {
	// Cause is what the storage said.
	Cause error
}

// Error implements error.
func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("%v: %v", ErrOutcomeUnknown, e.Cause)
}

// Is makes errors.Is(err, ErrOutcomeUnknown) true.
func (e *UnknownOutcomeError) Is(target error) bool { return target == ErrOutcomeUnknown }

// Unwrap gives the cause to errors.Is and errors.As.
func (e *UnknownOutcomeError) Unwrap() error { return e.Cause }

// InvalidWriteError refuses writes that break a limit of the port (see
// [Limits]) or have no key. Nothing was written and the engine lives on: it is a
// fault of the caller, found before anything was sent to the storage.
type InvalidWriteError struct {
	// Reason says which limit was broken, with both figures.
	Reason string
}

// Error implements error.
func (e *InvalidWriteError) Error() string { return "engine: write refused: " + e.Reason }
