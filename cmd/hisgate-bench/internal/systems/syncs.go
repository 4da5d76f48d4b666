package systems

import (
	"errors"
	"os"
	"path/filepath"
	"time"
)

// SyncRate tells how many appends of 4 KiB, each with a sync of its own, the disk
// below dir makes durable in a second. It takes as long as it is given.
func SyncRate(dir string, during time.Duration) (rate float64, err error) {
	f, err := os.Create(filepath.Join(dir, "syncs"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	page := make([]byte, 4<<10)
	start := time.Now()
	n := 0
	for time.Since(start) < during {
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := datasync(f); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) / time.Since(start).Seconds(), nil
}
