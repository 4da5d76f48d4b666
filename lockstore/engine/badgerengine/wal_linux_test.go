package badgerengine_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
)

func TestB8RemoteFileSystemsAreRefused(t *testing.T) {
	for magic, want := range map[uint32]string{
		unix.NFS_SUPER_MAGIC: "NFS", unix.CIFS_SUPER_MAGIC: "SMB", unix.SMB2_SUPER_MAGIC: "SMB",
		unix.FUSE_SUPER_MAGIC: "FUSE", unix.V9FS_MAGIC: "9P", unix.CEPH_SUPER_MAGIC: "Ceph",
		unix.EXT4_SUPER_MAGIC: "", unix.XFS_SUPER_MAGIC: "", unix.BTRFS_SUPER_MAGIC: "",
		unix.TMPFS_MAGIC: "", unix.OVERLAYFS_SUPER_MAGIC: "",
	} {
		name := badgerengine.RemoteName(magic)
		if (name == "") != (want == "") || !strings.Contains(name, want) {
			t.Errorf("%#x is %q, want %q", magic, name, want)
		}
		err := badgerengine.RefuseRemote("/data", name, badgerengine.Options{})
		if errors.Is(err, badgerengine.ErrNetworkFS) != (want != "") {
			t.Errorf("%s: %v", want, err)
		}
		if err := badgerengine.RefuseRemote("/data", name, badgerengine.Options{AllowNetworkFS: true}); err != nil {
			t.Errorf("%s, allowed: %v", want, err)
		}
	}
}

// What is synced is the file in which Badger has put the data, also after it has
// begun new logs. A Badger that writes elsewhere fails here.
//
// Each log that was begun has its link in the chain.
func TestApplySyncsTheLogThatWasWritten(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, dir, badgerengine.Options{})
	var synced []string
	noise := make([]byte, engine.MaxValue)
	for i := 0; i*engine.MaxValue < 5*badgerengine.MemTableSize/2; i++ {
		mark := fmt.Appendf(nil, "this is batch %d.", i)
		copy(noise, mark)
		if err := e.Apply([]engine.Write{{Key: fmt.Appendf(nil, "%04d", i), Value: noise}}); err != nil {
			t.Fatal(err)
		}
		f := e.SyncedFile()
		if begun := !slices.Contains(synced, f.Name()); begun {
			synced = append(synced, f.Name())
		} else if i%16 != 0 { // reading a log takes a while
			continue
		}
		data, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(data, mark) {
			t.Fatalf("batch %d is not in %s, which was synced", i, f.Name())
		}
	}
	if len(synced) < 3 {
		t.Fatalf("only %v were in use: the test must see Badger begin new logs", synced)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	links := 0
	inside(t, dir, ourMagic, func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte("m/log/")})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			links++
		}
		return nil
	})
	if links != len(synced) {
		t.Errorf("%d links for %d logs", links, len(synced))
	}
}

// A sync that fails is the end: the outcome is unknown, and there is no second
// try that might succeed without the data.
func TestFailedSyncKillsTheEngine(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, dir, badgerengine.Options{})
	if err := e.Apply([]engine.Write{{Key: []byte("a")}}); err != nil {
		t.Fatal(err)
	}
	if err := e.SyncedFile().Close(); err != nil { // every sync fails from now on
		t.Fatal(err)
	}
	first := e.Apply([]engine.Write{{Key: []byte("b")}})
	if !errors.Is(first, engine.ErrOutcomeUnknown) {
		t.Fatalf("got %v", first)
	}
	_, getErr := e.Get([]byte("a"))
	for call, err := range map[string]error{
		"Apply": e.Apply([]engine.Write{{Key: []byte("c")}}),
		"Get":   getErr,
		"Scan":  e.Scan(nil, nil, func([]byte, []byte) error { return nil }),
		"Close": e.Close(),
	} {
		if !errors.Is(err, first) {
			t.Errorf("%s: %v, want the first error again", call, err)
		}
	}
	if err := e.Apply([]engine.Write{{Key: []byte("d")}}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Apply after Close: %v", err)
	}
}

// The value log stays empty, so nothing has to collect it.
func TestValueLogStaysEmpty(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, dir, badgerengine.Options{})
	for i := range 10 {
		if err := e.Apply([]engine.Write{{Key: []byte{byte(i)}, Value: make([]byte, engine.MaxValue)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil || len(logs) == 0 {
		t.Fatal(logs, err)
	}
	const head = 20
	for _, log := range logs {
		if info, err := os.Stat(log); err != nil || info.Size() != head {
			t.Errorf("%s has %d bytes (%v), want its head of %d", log, info.Size(), err, head)
		}
	}
}
