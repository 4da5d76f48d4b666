package badgerengine

import (
	"errors"
	"fmt"
)

// Why a folder could not be opened; errors.Is finds them in an [*OpenError].
var (
	// ErrFolderInUse says that another process, or another opening in this one,
	// holds the folder.
	ErrFolderInUse = errors.New("in use by another hisgate")
	// ErrNetworkFS says that the folder is on a file system that cannot keep the
	// promises of a ledger; see Options.AllowNetworkFS.
	ErrNetworkFS = errors.New("not on a local disk")
	// ErrNotWritable says that the folder cannot be created or written to.
	ErrNotWritable = errors.New("not writable")
	// ErrWrongKey says that the encryption key is not the one that the folder
	// was made with, or has an impossible length.
	ErrWrongKey = errors.New("wrong encryption key")
	// ErrFormat says that the folder is not hisgate's, or was written by a later
	// version.
	ErrFormat = errors.New("not a data folder of this version of hisgate")
	// ErrDamaged says that files of the folder are missing or do not match their
	// checksums: restore a backup.
	ErrDamaged = errors.New("damaged")
)

// OpenError says in words why a folder could not be opened.
type OpenError struct {
	// Dir is the folder as it was asked for.
	Dir string
	// Reason is one of the Err… of this package, or what Badger said.
	Reason error
	// Detail says more: what to do about it, or what the system said.
	Detail string
}

// Error implements error.
func (e *OpenError) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("data folder %q: %v", e.Dir, e.Reason)
	}
	return fmt.Sprintf("data folder %q: %v: %s", e.Dir, e.Reason, e.Detail)
}

// Unwrap gives the reason to errors.Is.
func (e *OpenError) Unwrap() error { return e.Reason }
