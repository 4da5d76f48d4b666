package badgerengine_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
)

// filled is how many batches fill writes.
const filled = 300

// filledBatch makes the batch of that number: five keys and the number itself.
func filledBatch(n int) []engine.Write {
	rnd := rand.New(rand.NewPCG(uint64(n), 7))
	batch := []engine.Write{{Key: fmt.Appendf(nil, "batch/%04d", n), Value: []byte{1}}}
	for k := range 5 {
		value := make([]byte, 150+rnd.IntN(100))
		for i := range value {
			value[i] = byte(rnd.Uint32())
		}
		batch = append(batch, engine.Write{Key: fmt.Appendf(nil, "key/%d/%04d", k, n), Value: value})
	}
	return batch
}

// wantPrefix checks that the engine holds exactly the first batches, all of them
// but at most so many.
func wantPrefix(e engine.Engine, mayMiss int) error {
	n := 0
	err := e.Scan([]byte("batch/"), []byte("batch0"), func(key, _ []byte) error {
		if want := filledBatch(n)[0].Key; !bytes.Equal(key, want) {
			return fmt.Errorf("%s is missing, %s is there", want, key)
		}
		n++
		return nil
	})
	if err != nil {
		return err
	}
	if n < filled-mayMiss {
		return fmt.Errorf("%d batches of %d", n, filled)
	}
	left := 6 * n
	for i := range n {
		for _, w := range filledBatch(i) {
			value, err := e.Get(w.Key)
			if err != nil || !bytes.Equal(value, w.Value) {
				return fmt.Errorf("%s holds %d bytes that are not its own (%w)", w.Key, len(value), err)
			}
		}
	}
	err = e.Scan(nil, nil, func([]byte, []byte) error { left--; return nil })
	if err == nil && left != 0 {
		err = fmt.Errorf("%d keys are missing from a scan", left)
	}
	return err
}

// The files of a killed process are cut off or flipped, a bit at a time. Either
// the folder is refused, with words, or what was acknowledged is there. The one
// exception cannot be told from the torn end of a crash: damage to the last two
// batches of the log.
func TestDamagedFilesAreNeverPassedOver(t *testing.T) {
	for name, key := range map[string]string{"plain": "", "encrypted": "0123456789abcdef"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			damageEverything(t, key)
		})
	}
}

func damageEverything(t *testing.T, key string) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	origin := filepath.Join(t.TempDir(), "origin")
	if err := os.WriteFile(origin+".key", []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	lines, kill := child(t, "fill", origin)
	if !lines.Scan() {
		t.Fatal("the child did not fill the folder")
	}
	kill()
	whole := readFolder(t, origin)
	opts := badgerengine.Options{EncryptionKey: []byte(key)}

	e := mustOpen(t, whole.write(t), opts)
	if err := errors.Join(wantPrefix(e, 0), e.Close()); err != nil {
		t.Fatalf("undamaged: %v", err)
	}
	for _, tt := range []struct {
		files   string
		cut     bool // a log that ends early is what a crash leaves
		mayMiss int
		tries   int
	}{
		{"*.sst", true, 0, 8},
		{"*.mem", false, 2, 8},
		{"MANIFEST", true, 0, 8},
		{"KEYREGISTRY", true, 0, 4},
		{"*.vlog", true, 0, 2},
	} {
		refused := 0
		for try := range tt.tries {
			damaged, what := whole.damage(t, rnd, tt.files, tt.cut)
			dir := damaged.write(t)
			e, err := badgerengine.Open(dir, opts)
			if err == nil {
				err = errors.Join(wantPrefix(e, tt.mayMiss), e.Close())
				if err != nil {
					t.Errorf("try %d, %s: opened, but %v", try, what, err)
				}
				continue
			}
			refused++
			var open *badgerengine.OpenError
			if !errors.As(err, &open) {
				t.Errorf("try %d, %s: %v (%T)", try, what, err, err)
			}
		}
		t.Logf("%s: %d of %d refused", tt.files, refused, tt.tries)
		if refused == 0 && tt.tries > 4 {
			t.Errorf("no damage to %s was noticed: the test does not reach it", tt.files)
		}
	}
}

// folder is the content of a folder that nobody has open. Badger's files end in
// zeros that were never written, which are left out here.
type folder map[string]file

type file struct {
	written []byte
	size    int64
}

func readFolder(t *testing.T, dir string) folder {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := folder{}
	for _, f := range entries {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		size := len(data)
		for size > 0 && data[size-1] == 0 {
			size--
		}
		all[f.Name()] = file{written: data[:size:size], size: int64(len(data))}
	}
	return all
}

// write makes a folder of this content.
func (f folder) write(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, file := range f {
		path := filepath.Join(dir, name)
		err := errors.Join(os.WriteFile(path, file.written, 0o600), os.Truncate(path, file.size))
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// damage returns the same content with a bit of one of the files flipped, or the
// file cut off, and words for it.
func (f folder) damage(t *testing.T, rnd *rand.Rand, pattern string, cut bool) (damaged folder, what string) {
	t.Helper()
	var names []string
	for name := range f {
		if ok, err := filepath.Match(pattern, name); ok && err == nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		t.Fatalf("no %s in the folder", pattern)
	}
	slices.Sort(names) // the seed decides, not the map
	name := names[rnd.IntN(len(names))]
	hit := f[name]
	at := rnd.IntN(len(hit.written))
	if cut && rnd.IntN(3) == 0 {
		hit = file{written: hit.written[:at], size: int64(at)}
		what = fmt.Sprintf("%s cut off at %d", name, at)
	} else {
		hit.written = slices.Clone(hit.written)
		hit.written[at] ^= 1 << rnd.IntN(8)
		what = fmt.Sprintf("%s of %d bytes flipped at %d", name, len(hit.written), at)
	}
	damaged = maps.Clone(f)
	damaged[name] = hit
	return damaged, what
}

// A MANIFEST that was cut off forgets tables, which Badger then deletes. We
// refuse the folder, and the tables stay under another name.
func TestForgottenTablesAreKept(t *testing.T) {
	for _, key := range []string{"", "0123456789abcdef"} {
		dir, opts := t.TempDir(), badgerengine.Options{EncryptionKey: []byte(key)}
		for i := range 3 {
			e := mustOpen(t, dir, opts)
			if err := errors.Join(e.Apply(filledBatch(i)), e.Close()); err != nil {
				t.Fatal(err)
			}
		}
		before, err := filepath.Glob(filepath.Join(dir, "*.sst"))
		if err != nil || len(before) < 2 {
			t.Fatal(before, err)
		}
		const head = 8
		if err := os.Truncate(filepath.Join(dir, "MANIFEST"), head); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, dir, opts, badgerengine.ErrDamaged, "forgotten the newest tables")
		kept, err := filepath.Glob(filepath.Join(dir, "*.sst.kept"))
		if err != nil || len(kept) != len(before) {
			t.Errorf("%v are left of %v (%v)", kept, before, err)
		}
	}
}

// Tables that are left from a crash in the middle of a compaction are not in the
// way, and do not stay.
func TestLeftoverTablesAreDropped(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, dir, badgerengine.Options{})
	if err := errors.Join(e.Apply(filledBatch(0)), e.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "000099.sst"), []byte("half a table"), 0o600); err != nil {
		t.Fatal(err)
	}
	e = mustOpen(t, dir, badgerengine.Options{})
	if err := errors.Join(e.Apply(filledBatch(1)), e.Close()); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "000099*")); len(left) > 0 {
		t.Errorf("%v stayed", left)
	}
}

func TestFolderWithoutManifestIsNotNew(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, dir, badgerengine.Options{})
	if err := errors.Join(e.Apply(filledBatch(0)), e.Close(), os.Remove(filepath.Join(dir, "MANIFEST"))); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dir, badgerengine.Options{}, badgerengine.ErrDamaged, "MANIFEST is missing")
	if tables, _ := filepath.Glob(filepath.Join(dir, "*.sst")); len(tables) == 0 {
		t.Error("the tables were deleted")
	}
}

// The head of an encrypted log is covered by no checksum: all records decrypt to
// noise when it is damaged.
func TestDamagedHeadOfAnEncryptedLog(t *testing.T) {
	const key = "0123456789abcdef"
	origin := filepath.Join(t.TempDir(), "origin")
	if err := os.WriteFile(origin+".key", []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	lines, kill := child(t, "fill", origin)
	if !lines.Scan() {
		t.Fatal("the child did not fill the folder")
	}
	kill()
	whole := readFolder(t, origin)
	for name, log := range whole {
		if filepath.Ext(name) != ".mem" {
			continue
		}
		log.written = slices.Clone(log.written)
		log.written[12] ^= 1 // of the initialisation vector
		whole[name] = log
	}
	wantRefused(t, whole.write(t), badgerengine.Options{EncryptionKey: []byte(key)},
		badgerengine.ErrDamaged, "has a damaged head")
}

// The registry of keys is small enough to try every byte of it.
func TestDamagedKeyRegistry(t *testing.T) {
	for _, key := range []string{"", "0123456789abcdef"} {
		dir, opts := t.TempDir(), badgerengine.Options{EncryptionKey: []byte(key)}
		e := mustOpen(t, dir, opts)
		if err := errors.Join(e.Apply(filledBatch(0)), e.Close()); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, "KEYREGISTRY")
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		refused := 0
		for at := range whole {
			if err := os.WriteFile(name, whole[:at], 0o600); err != nil {
				t.Fatal(err)
			}
			if at > 0 {
				wantRefused(t, dir, opts, badgerengine.ErrDamaged, "")
			}
			for _, damaged := range [][]byte{whole[:at], flipped(whole, at)} {
				if err := os.WriteFile(name, damaged, 0o600); err != nil {
					t.Fatal(err)
				}
				if !badgerengine.KeysFit(t, dir, opts) {
					refused++
				}
			}
		}
		if err := os.WriteFile(name, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if !badgerengine.KeysFit(t, dir, opts) {
			t.Fatal("the undamaged registry is refused")
		}
		if refused < len(whole) {
			t.Errorf("key %q: %d refused, with %d bytes to cut off", key, refused, len(whole))
		}
	}
}

func flipped(data []byte, at int) []byte {
	data = slices.Clone(data)
	data[at] ^= 0x80
	return data
}
