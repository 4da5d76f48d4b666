package badgerengine_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
)

// fingerprint is the content of a folder: names, sizes and bytes.
func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %d %x\n", filepath.Base(path), len(data), sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// copyFolder copies a folder as a crash at this moment would leave it.
func copyFolder(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "crashed")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func pairs(n int) (writes []engine.Write) {
	for i := range n {
		writes = append(writes, engine.Write{Key: fmt.Appendf(nil, "k%06d", i), Value: bytes.Repeat([]byte{byte(i)}, 100)})
	}
	return writes
}

func content(t *testing.T, r engine.Reader) string {
	t.Helper()
	h := sha256.New()
	n := 0
	if err := r.Scan(nil, nil, func(k, v []byte) error {
		n++
		fmt.Fprintf(h, "%q %q\n", k, v)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d keys %x", n, h.Sum(nil))
}

// A folder is read as it would be opened, after a clean end and after a crash,
// and not a byte of it changes.
func TestOpenReaderChangesNothing(t *testing.T) {
	for name, opts := range map[string]badgerengine.Options{"plain": {}, "encrypted": {EncryptionKey: bytes.Repeat([]byte("k"), 32)}} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			e := mustOpen(t, dir, opts)
			for _, w := range pairs(3000) {
				if err := e.Apply([]engine.Write{w}); err != nil {
					t.Fatal(err)
				}
			}
			crashed := copyFolder(t, dir)
			want := content(t, e)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			for state, dir := range map[string]string{"closed": dir, "crashed": crashed} {
				before := fingerprint(t, dir)
				for range 2 { // what the first leaves does not hurt the second
					f, err := badgerengine.OpenReader(dir, opts)
					if err != nil {
						t.Fatalf("%s: %v", state, err)
					}
					if got := content(t, f); got != want {
						t.Errorf("%s: %s, want %s", state, got, want)
					}
					if f.Epoch() != 1 {
						t.Errorf("%s: epoch %d, want 1", state, f.Epoch())
					}
					if _, err := badgerengine.Open(dir, opts); !errors.Is(err, badgerengine.ErrFolderInUse) {
						t.Errorf("%s: opened while it is read: %v", state, err)
					}
					if err := f.Close(); err != nil {
						t.Errorf("%s: Close: %v", state, err)
					}
				}
				if after := fingerprint(t, dir); after != before {
					t.Errorf("%s: reading changed the folder:\n%s\nwas\n%s", state, after, before)
				}
				again := mustOpen(t, dir, opts)
				if again.Epoch() != 2 {
					t.Errorf("%s: epoch %d at the next opening, want 2", state, again.Epoch())
				}
				_ = again.Close()
			}
		})
	}
}

func TestOpenReaderRefuses(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := badgerengine.OpenReader(missing, badgerengine.Options{}); !errors.Is(err, badgerengine.ErrNoFolder) {
		t.Errorf("a missing folder: %v", err)
	}
	if _, err := os.Stat(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking made the folder: %v", err)
	}
	if _, err := badgerengine.OpenReader(t.TempDir(), badgerengine.Options{}); !errors.Is(err, badgerengine.ErrNoFolder) {
		t.Errorf("an empty folder: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := badgerengine.OpenReader(file, badgerengine.Options{}); err == nil || !strings.Contains(err.Error(), "not a directory") || errors.Is(err, badgerengine.ErrNotWritable) {
		t.Errorf("a file, to be read: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	e := mustOpen(t, dir, badgerengine.Options{EncryptionKey: bytes.Repeat([]byte("k"), 16)})
	if err := e.Apply(pairs(10)); err != nil {
		t.Fatal(err)
	}
	if _, err := badgerengine.OpenReader(dir, badgerengine.Options{}); !errors.Is(err, badgerengine.ErrFolderInUse) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("a folder in use: %v", err)
	}
	_ = e.Close()
	if _, err := badgerengine.OpenReader(dir, badgerengine.Options{}); !errors.Is(err, badgerengine.ErrWrongKey) {
		t.Errorf("without its key: %v", err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.sst"))
	if len(names) == 0 {
		t.Fatal("no table to damage")
	}
	data, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(names[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := badgerengine.OpenReader(dir, badgerengine.Options{EncryptionKey: bytes.Repeat([]byte("k"), 16)}); !errors.Is(err, badgerengine.ErrDamaged) {
		t.Errorf("with a flipped bit: %v", err)
	}
}

// An epoch goes on above that of the folder that a backup was taken of.
func TestAboveEpoch(t *testing.T) {
	e := mustOpen(t, filepath.Join(t.TempDir(), "data"), badgerengine.Options{AboveEpoch: 41})
	defer e.Close()
	if e.Epoch() != 42 {
		t.Errorf("epoch %d, want 42", e.Epoch())
	}
}
