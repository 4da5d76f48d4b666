package lockstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// A disk that fails under 64 calls ends the ledger with a word that names the
// cause. What was acknowledged before is there at the next opening; of what was
// not, the batch at the disk is there whole or not at all, and the rest is not.
func TestI3DiskFaultsUnderLoad(t *testing.T) {
	const inFlight = 64
	for _, cause := range []syscall.Errno{syscall.ENOSPC, syscall.EIO} {
		for _, kept := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, kept %v", cause, kept), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := openGated(t, noFreeze())
					lock := func(no string) <-chan error {
						return g.do(func() error { _, _, err := g.Lock(g.ctx, g.request(no, 1, 1000)); return err })
					}
					first := lock("FIRST")
					g.let()
					g.must(<-first)
					atDisk := lock("AT-THE-DISK")
					var queued []<-chan error
					for i := range inFlight - 1 {
						queued = append(queued, lock(fmt.Sprint("QUEUED-", i)))
					}
					g.disk.FailNext(memengine.Fault{Err: cause, Kept: kept})
					g.let()
					for _, done := range append(queued, atDisk) {
						err := <-done
						wantErr(t, err, lockstore.ErrOutcomeUnknown)
						wantErr(t, err, cause)
						if words := err.Error(); !strings.Contains(words, "unknown") || !strings.Contains(words, cause.Error()) {
							t.Fatalf("no clear word: %q", words)
						}
					}
					select {
					case <-g.opts.Committer.Failed():
					default:
						t.Fatal("nobody is told to end the process")
					}
					wantErr(t, g.Health(), cause)

					_ = g.opts.Committer.Close()
					g.disk = g.disk.Reopen()
					g.start()
					want := int64(1)
					if kept {
						want = 2
					}
					g.wantHeld(g.reading(1000), want)
					g.wantStatus("FIRST", lockstore.Locked)
					if _, err := g.Get(g.ctx, alice, "AT-THE-DISK"); (err == nil) != kept {
						t.Fatalf("AT-THE-DISK: %v", err)
					}
				})
			})
		}
	}
}

// Who has the files of an encrypted folder, as a killed process and as a closed
// one leave them, learns neither orders nor drugs nor patients from them.
func TestEncryptedFoldersTellNothing(t *testing.T) {
	canaries := []string{"CANARY-ORDER", "CANARY-DRUG", "CANARY-PATIENT", "CANARY-PHARMACY", "CANARY-PRINCIPAL", "CANARY-TOMB"}
	for _, key := range []string{"", "0123456789abcdef0123456789abcdef"} {
		t.Run(fmt.Sprintf("%d bytes of key", len(key)), func(t *testing.T) {
			dir := t.TempDir()
			opts := badgerengine.Options{EncryptionKey: []byte(key)}
			e, err := badgerengine.Open(dir, opts)
			if err != nil {
				t.Fatal(err)
			}
			c := engine.NewCommitter(e, engine.CommitterOptions{})
			l, err := lockstore.Open(t.Context(), lockstore.Options{Committer: c, Policy: noFreeze(), DiskReserve: -1})
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = l.Lock(t.Context(), lockstore.LockRequest{
				Principal: canaries[4], OrderNo: canaries[0], PharmacyID: canaries[3], TTL: time.Hour,
				Items:      []lockstore.Item{{DrugID: canaries[1], Quantity: 1}},
				Attributes: map[string]string{"patient_id": canaries[2]},
				Readings:   map[string]lockstore.Reading{canaries[1]: {Stamp: l.Stamp(), Began: l.Mono(), OnHand: 9}},
			})
			if err == nil {
				_, err = l.Release(t.Context(), canaries[4], canaries[5], lockstore.ByCaller)
			}
			if err != nil {
				t.Fatal(err)
			}
			killed := found(t, dir, canaries)
			if err := errors.Join(l.Close(), c.Close(), e.Close()); err != nil {
				t.Fatal(err)
			}
			closed := found(t, dir, canaries)
			want := 0
			if key == "" {
				want = len(canaries) // else the search proves nothing
			}
			if len(killed) != want || len(closed) != want {
				t.Errorf("the files tell %v while open and %v when closed", killed, closed)
			}
			other := badgerengine.Options{EncryptionKey: []byte("fedcba9876543210fedcba9876543210")}
			if _, err := badgerengine.Open(dir, other); !errors.Is(err, badgerengine.ErrWrongKey) {
				t.Errorf("opened with another key: %v", err)
			}
		})
	}
}

// found returns which of the words stand in any file of the folder, or in a name.
func found(t *testing.T, dir string, words []string) (out []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, f.Name()...), data...)
	}
	for _, w := range words {
		if bytes.Contains(all, []byte(w)) {
			out = append(out, w)
		}
	}
	return out
}
