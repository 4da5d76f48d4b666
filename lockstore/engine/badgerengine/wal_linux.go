package badgerengine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// badgerSyncs says whether Badger itself syncs each transaction. On Linux wal
// does it instead: Badger syncs its value log along with the log, and though
// nothing was written there that is a second flush of the disk each time, which
// costs a quarter of all latency and throughput. Nor does Badger ever sync the
// folder when it begins a new log.
const badgerSyncs = false

// survivesPowerLoss says whether what Apply acknowledged survives the death of the
// machine.
const survivesPowerLoss = true

// wal makes what Badger wrote durable. Badger writes its log through a shared
// memory map, so a sync of the same file by another descriptor covers it.
//
// Badger begins a new log (00001.mem, 00002.mem, …) only at the beginning of a
// transaction, never within one, and only Apply begins transactions; so after
// each the newest log is the one to sync, and the earlier ones are synced.
type wal struct {
	dir    string
	number int
	file   *os.File
}

// open finds the newest log and makes its name durable.
func (w *wal) open(dir string) error {
	w.dir = dir
	names, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return err
	}
	for _, name := range names {
		var n int
		if _, err := fmt.Sscanf(filepath.Base(name), "%05d.mem", &n); err != nil {
			return fmt.Errorf("log %s: %w", name, err)
		}
		w.number = max(w.number, n)
	}
	return w.use(w.number)
}

// sync makes everything durable that Badger wrote up to now, and says whether
// Badger has begun a new log for it. It blocks for one disk sync.
func (w *wal) sync() (begun bool, err error) {
	var st unix.Stat_t
	switch err := unix.Stat(w.name(w.number+1), &st); {
	case err == nil:
		if err := w.use(w.number + 1); err != nil {
			return false, err
		}
		begun = true
	case !errors.Is(err, fs.ErrNotExist):
		return false, &fs.PathError{Op: "stat", Path: w.name(w.number + 1), Err: err}
	}
	for {
		switch err := unix.Fdatasync(int(w.file.Fd())); err {
		case nil:
			return begun, nil
		case unix.EINTR:
		default:
			return false, &fs.PathError{Op: "fdatasync", Path: w.file.Name(), Err: err}
		}
	}
}

// use goes over to a log. Its name must be durable before its content counts.
func (w *wal) use(number int) error {
	file, err := os.OpenFile(w.name(number), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := syncFolder(w.dir); err != nil {
		return errors.Join(err, file.Close())
	}
	old := w.file
	w.number, w.file = number, file
	if old != nil {
		return old.Close()
	}
	return nil
}

func (w *wal) name(number int) string {
	return filepath.Join(w.dir, fmt.Sprintf("%05d.mem", number))
}

func (w *wal) close() error {
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
