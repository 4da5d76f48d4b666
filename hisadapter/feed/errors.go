package feed

import "errors"

// ErrNoBurial is returned by Burier.Bury where the driver's settings name no
// place for dead letters: the local file is not a second choice then, and
// nothing is logged about it.
var ErrNoBurial = errors.New("feed: the driver has no place for dead letters")
