package feed

import "errors"

// ErrNoBurial is returned by Burier.Bury where the driver's settings name no
// place for dead letters: the local file is not a second choice then, and
// nothing is logged about it.
var ErrNoBurial = errors.New("feed: the driver has no place for dead letters")

// UnreadableError says why a message could not be read, or not all of it. It is
// with the dead letters; what could be read of it took effect.
type UnreadableError struct{ Reason string }

// Error implements error.
func (e *UnreadableError) Error() string { return "the message cannot be read: " + e.Reason }
