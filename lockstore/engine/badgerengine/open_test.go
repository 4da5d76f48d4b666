package badgerengine_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
)

func mustOpen(t *testing.T, dir string, opts badgerengine.Options) *badgerengine.Engine {
	t.Helper()
	e, err := badgerengine.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// wantRefused checks that the folder is refused for this reason, in words that
// name it.
func wantRefused(t *testing.T, dir string, opts badgerengine.Options, reason error, words ...string) {
	t.Helper()
	e, err := badgerengine.Open(dir, opts)
	if err == nil {
		_ = e.Close()
		t.Fatalf("opened, want %v", reason)
	}
	var open *badgerengine.OpenError
	if !errors.As(err, &open) || !errors.Is(err, reason) {
		t.Fatalf("got %v (%T), want %v", err, err, reason)
	}
	for _, word := range append(words, fmt.Sprintf("%q", dir)) {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error %q does not say %q", err, word)
		}
	}
}

func TestB8FolderHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, dir, badgerengine.Options{})
	wantRefused(t, dir, badgerengine.Options{}, badgerengine.ErrFolderInUse,
		fmt.Sprintf("process %d", os.Getpid()), "choose another folder")
	// The refused opening has not hurt the owner.
	if err := e.Apply([]engine.Write{{Key: []byte("a")}}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir, badgerengine.Options{})
}

func TestFolderIsMadeForUsAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "ledger")
	mustOpen(t, dir, badgerengine.Options{})
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if info, err := os.Stat(d); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v %v", d, info.Mode(), err)
		}
	}
}

func TestFolderThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, file, badgerengine.Options{}, badgerengine.ErrNotWritable, "not a directory")
	wantRefused(t, filepath.Join(file, "below"), badgerengine.Options{}, badgerengine.ErrNotWritable, "not a directory")

	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 { // root may write anywhere
		wantRefused(t, dir, badgerengine.Options{}, badgerengine.ErrNotWritable, "permission denied")
	}
}

func TestEncryptionKeyMustFit(t *testing.T) {
	const key, other = "0123456789abcdef", "fedcba9876543210fedcba9876543210"
	tests := []struct {
		first, second string
		words         string // "" is none: it fits
	}{
		{"", "", ""},
		{key, key, ""},
		{other, other, ""},
		{"", key, "another key, or with none"},
		{key, "", "another key, or with none"},
		{key, other, "another key, or with none"},
		{"", key[:15], "it has 15 bytes"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%q then %q", tt.first, tt.second), func(t *testing.T) {
			dir := t.TempDir()
			e := mustOpen(t, dir, badgerengine.Options{EncryptionKey: []byte(tt.first)})
			secret := engine.Write{Key: []byte("patient"), Value: []byte("a value that is easy to find")}
			if err := errors.Join(e.Apply([]engine.Write{secret}), e.Close()); err != nil {
				t.Fatal(err)
			}
			if got := holds(t, dir, string(secret.Value)); got != (tt.first == "") {
				t.Errorf("readable in the files: %v", got)
			}
			second := badgerengine.Options{EncryptionKey: []byte(tt.second)}
			if tt.words != "" {
				wantRefused(t, dir, second, badgerengine.ErrWrongKey, tt.words)
				second.EncryptionKey = []byte(tt.first) // nothing was broken by trying
			}
			value, err := mustOpen(t, dir, second).Get(secret.Key)
			if err != nil || string(value) != string(secret.Value) {
				t.Errorf("got %q, %v", value, err)
			}
		})
	}
}

// holds says whether any file of the folder contains the text.
func holds(t *testing.T, dir, text string) bool {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), text) {
			return true
		}
	}
	return false
}

// inside changes a folder behind our back.
func inside(t *testing.T, dir string, magic uint16, change func(txn *badger.Txn) error) {
	t.Helper()
	db, err := badger.OpenManaged(badger.DefaultOptions(dir).WithExternalMagic(magic).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	txn := db.NewTransactionAt(db.MaxVersion(), true)
	if err := errors.Join(change(txn), txn.CommitAt(db.MaxVersion()+1, nil), db.Close()); err != nil {
		t.Fatal(err)
	}
}

const ourMagic = 0x4847

func TestFoldersOfOthersAreRefused(t *testing.T) {
	set := func(key string, value uint64) func(txn *badger.Txn) error {
		return func(txn *badger.Txn) error {
			return txn.Set([]byte(key), binary.BigEndian.AppendUint64(nil, value))
		}
	}
	ours := func(t *testing.T, dir string) {
		if err := mustOpen(t, dir, badgerengine.Options{}).Close(); err != nil {
			t.Fatal(err)
		}
	}
	patch := func(t *testing.T, dir string, at int64, b ...byte) {
		f, err := os.OpenFile(filepath.Join(dir, "MANIFEST"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		make   func(t *testing.T, dir string)
		reason error
		words  string
	}{
		{
			"another program's",
			func(t *testing.T, dir string) { inside(t, dir, 0, set("a", 1)) },
			badgerengine.ErrFormat, "database of another program",
		},
		{
			"a later version's",
			func(t *testing.T, dir string) { ours(t, dir); inside(t, dir, ourMagic, set("m/format", 2)) },
			badgerengine.ErrFormat, "its format is 2, this version knows 1",
		},
		{
			"a later Badger's",
			func(t *testing.T, dir string) { ours(t, dir); patch(t, dir, 6, 0, 9) },
			badgerengine.ErrFormat, "Badger's format 9",
		},
		{
			"no head", func(t *testing.T, dir string) { ours(t, dir); patch(t, dir, 0, 'X') },
			badgerengine.ErrDamaged, "MANIFEST",
		},
		{
			"without an epoch",
			func(t *testing.T, dir string) {
				ours(t, dir)
				inside(t, dir, ourMagic, func(txn *badger.Txn) error { return txn.Delete([]byte("m/epoch")) })
			},
			badgerengine.ErrDamaged, "/epoch",
		},
		{
			"with half an epoch",
			func(t *testing.T, dir string) {
				ours(t, dir)
				inside(t, dir, ourMagic, func(txn *badger.Txn) error { return txn.Set([]byte("m/epoch"), []byte{1}) })
			},
			badgerengine.ErrDamaged, "/epoch",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.make(t, dir)
			wantRefused(t, dir, badgerengine.Options{}, tt.reason, tt.words)
		})
	}
}

// Badger's chatter is for those who debug; what it warns of is for all.
func TestBadgerTalksThroughOurLogger(t *testing.T) {
	for level, want := range map[slog.Level]bool{slog.LevelDebug: true, slog.LevelInfo: false} {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level}))
		e := mustOpen(t, t.TempDir(), badgerengine.Options{Logger: log})
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.String(), "component=badger"); got != want {
			t.Errorf("at %v: %s", level, out.String())
		}
	}
}

func TestSkipVerifyOpensWhatIsWhole(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		e := mustOpen(t, dir, badgerengine.Options{SkipVerify: true})
		if e.Epoch() != uint64(i+1) {
			t.Errorf("epoch %d at opening %d", e.Epoch(), i+1)
		}
		if err := errors.Join(e.Apply(filledBatch(i)), e.Close()); err != nil {
			t.Fatal(err)
		}
	}
	e := mustOpen(t, dir, badgerengine.Options{})
	for _, w := range append(filledBatch(0), filledBatch(1)...) {
		if value, err := e.Get(w.Key); err != nil || !bytes.Equal(value, w.Value) {
			t.Errorf("%s: %v", w.Key, err)
		}
	}
}

// A process that is killed right after it created a log leaves it without a byte,
// which Badger itself takes for a reason not to open.
func TestLogsThatWereJustCreatedAreNoObstacle(t *testing.T) {
	for _, suffix := range []string{".vlog", ".mem"} {
		t.Run(suffix, func(t *testing.T) {
			dir := t.TempDir()
			e := mustOpen(t, dir, badgerengine.Options{})
			if err := errors.Join(e.Apply([]engine.Write{{Key: []byte("a"), Value: []byte("1")}}), e.Close()); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "000099"+suffix), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := badgerengine.OpenReader(dir, badgerengine.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if v, err := f.Get([]byte("a")); err != nil || string(v) != "1" {
				t.Fatalf("read %q, %v", v, err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			e = mustOpen(t, dir, badgerengine.Options{})
			if v, err := e.Get([]byte("a")); err != nil || string(v) != "1" {
				t.Fatalf("got %q, %v", v, err)
			}
			if err := e.Apply([]engine.Write{{Key: []byte("b")}}); err != nil {
				t.Fatal(err)
			}
		})
	}
}
