//go:build unix && !aix && !solaris

package badgerengine

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockFolder takes the lock that Badger takes, for the time before Badger opens,
// and tells apart "somebody has it" from other errors, which Badger does not.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, &OpenError{Dir: dir, Reason: ErrNotWritable, Detail: err.Error()}
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, inUse(dir)
		}
		return nil, &OpenError{Dir: dir, Reason: err, Detail: "cannot be locked"}
	}
	return func() {
		// Closing alone is not enough: a child that the process is just starting
		// has a copy of the descriptor for a moment, and would keep the lock.
		_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
		_ = f.Close()
	}, nil
}
