package badgerengine

import "os"

// Doors for the tests of this package.
var (
	RemoteName   = remoteName
	RefuseRemote = refuseRemote
)

const MemTableSize = memTableSize

// SyncedFile is the log that the last Apply synced.
func (e *Engine) SyncedFile() *os.File { return e.wal.file }
