package crashtest_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hisgate/hisgate/lockstore"
)

// The disk is full and nothing was kept in reserve. Badger writes through memory
// maps, so the process dies of SIGBUS, or of the error of a sync; either way
// nobody is told what is not so, and with room again everything is there.
func TestI3FullDisk(t *testing.T) {
	seed := number(t, "HISGATE_SEED", uint64(time.Now().UnixNano()))
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	for range 2 {
		dir := t.TempDir()
		err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=320k")
		if errors.Is(err, unix.EPERM) {
			t.Skip("TestI3FullDisk: no right to mount a small disk")
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
		told := &book{dir: dir, locks: map[string]lockstore.Lock{}}
		answers, _, ended := told.live(t, rnd, math.MaxInt)
		first, _, _ := strings.Cut(ended, "\n")
		t.Logf("after %d answers: %s", answers, first)
		if answers == 0 || ended == "" {
			t.Fatal("the disk did not fill up")
		}
		if !strings.Contains(ended, "SIGBUS") && !strings.Contains(ended, "outcome is unknown") {
			t.Errorf("it ended with other words: %s", ended)
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=512m"); err != nil {
			t.Fatal(err)
		}
		told.compare(t)
		told.settle(t)
	}
}
