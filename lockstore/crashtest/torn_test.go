package crashtest_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore"
)

// The power goes while the last commit is being written: of its bytes any first
// part may be on the disk. The lock that it changed is then as it was before or
// as it is after, in all its records, and nothing else is touched.
func TestI3TheLastCommitIsTorn(t *testing.T) {
	seed := number(t, "HISGATE_SEED", uint64(time.Now().UnixNano()))
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	ctx := context.Background()
	dir := t.TempDir()
	l, c, e, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	told := &book{locks: map[string]lockstore.Lock{}}
	caller := caller{Ledger: l, rnd: rnd}
	for _, no := range []string{"RX-1", "RX-2", "RX-3"} {
		lock, _, err := l.Lock(ctx, caller.request(no))
		if err != nil {
			t.Fatal(err)
		}
		told.hear(t, lock)
	}
	before := contents(t, dir)
	last, err := l.Release(ctx, principal, "RX-2", lockstore.ByCaller) // three writes
	if err != nil {
		t.Fatal(err)
	}
	after := contents(t, dir)
	if err := errors.Join(l.Close(), c.Close(), e.Close()); err != nil {
		t.Fatal(err)
	}

	var log string
	var from int
	for name := range after {
		if filepath.Ext(name) == ".mem" && !bytes.Equal(before[name], after[name]) {
			log, from = name, len(before[name])
		}
	}
	size := len(after[log]) - from
	if log == "" || size < 100 {
		t.Fatalf("the commit is not at the end of a log: %q, %d bytes", log, size)
	}
	cuts := []int{0, 1, size / 2, size - 1, size}
	for range 12 {
		cuts = append(cuts, rnd.IntN(size))
	}
	whole := 0
	for _, cut := range cuts {
		torn := &book{dir: t.TempDir(), locks: map[string]lockstore.Lock{}}
		for name, data := range after {
			length := int64(len(data))
			if filepath.Ext(name) == ".mem" {
				length = 64 << 20 // a hole follows, as Badger left it
			}
			if name == log {
				data = data[:from+cut]
			}
			path := filepath.Join(torn.dir, name)
			if err := errors.Join(os.WriteFile(path, data, 0o600), os.Truncate(path, length)); err != nil {
				t.Fatal(err)
			}
		}
		for no, lock := range told.locks {
			torn.locks[no] = lock
		}
		whole += torn.compare(t)
		if found := torn.locks["RX-2"]; found.Version == last.Version && !bytes.Equal(asTold(found), asTold(last)) {
			t.Errorf("cut after %d of %d bytes: half of it: %+v", cut, size, found)
		}
		torn.settle(t)
		if t.Failed() {
			t.Fatalf("cut after %d of %d bytes", cut, size)
		}
	}
	if whole == 0 || whole == len(cuts) {
		t.Errorf("the commit survived %d of %d cuts: the test does not reach it", whole, len(cuts))
	}
}

// contents reads the files of a folder, without the zeros at their ends, which
// Badger has not written yet.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range entries {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(f.Name()) == ".mem" {
			data = bytes.TrimRight(data, "\x00")
		}
		files[f.Name()] = data
	}
	return files
}
