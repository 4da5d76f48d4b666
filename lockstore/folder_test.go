package lockstore_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
)

// folder is a Badger folder whose process can be killed: what is left then is what
// stands in its files, so a copy of them is opened.
type folder struct {
	tester
	*badgerengine.Engine
	base, dir string
	kills     int
}

func newFolder(t tester, base string) *folder {
	f := &folder{tester: t, base: base, dir: filepath.Join(base, "0")}
	f.open()
	return f
}

func (f *folder) open() {
	f.Helper()
	e, err := badgerengine.Open(f.dir, badgerengine.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Engine = e
}

func (f *folder) reopen() {
	f.Helper()
	if err := f.Close(); err != nil {
		f.Fatal(err)
	}
	f.open()
}

// kill opens what a kill at this moment would leave. stop ends whoever writes to
// the folder as it was.
func (f *folder) kill(stop func() error) {
	f.Helper()
	f.kills++
	old := f.dir
	f.dir = filepath.Join(f.base, strconv.Itoa(f.kills))
	err := copyAtRest(f.dir, old)
	_ = stop() // the process is dead
	_ = f.Close()
	if err := errors.Join(err, os.RemoveAll(old)); err != nil {
		f.Fatal(err)
	}
	f.open()
}

// remove ends a folder that is no longer needed.
func (f *folder) remove() {
	_ = f.Close()
	_ = os.RemoveAll(f.base)
}

// copyAtRest copies a folder as it is at one moment: again, when Badger's clean-up
// changed it meanwhile.
func copyAtRest(to, from string) error {
	for {
		before, err := look(from)
		if err != nil {
			return err
		}
		err = copyFolder(to, from)
		switch after, lookErr := look(from); {
		case lookErr != nil:
			return lookErr
		case after == before:
			return err
		}
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
}

// look tells which files are there, and how far the one is that lists the tables.
func look(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var seen strings.Builder
	for _, entry := range entries {
		fmt.Fprintln(&seen, entry.Name())
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "MANIFEST"))
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&seen, "%x", manifest)
	return seen.String(), nil
}

// copyFolder copies plain files, and leaves holes where there is nothing.
func copyFolder(to, from string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == "LOCK" {
			continue
		}
		if err := copySparse(filepath.Join(to, entry.Name()), filepath.Join(from, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copySparse(to, from string) (err error) {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	var size int64
	piece, nothing := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(r, piece)
		if n > 0 && !bytes.Equal(piece[:n], nothing[:n]) {
			if _, err := w.WriteAt(piece[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return w.Truncate(size)
		case err != nil:
			return err
		}
	}
}

// fewerChecks divides the number of rapid's checks for one test, which must not be
// parallel.
func fewerChecks(t *testing.T, by int) {
	t.Helper()
	const name = "rapid.checks"
	was := flag.Lookup(name).Value.String()
	n, err := strconv.Atoi(was)
	if err != nil {
		t.Fatal(err)
	}
	if err := flag.Set(name, strconv.Itoa(max(1, n/by))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set(name, was) })
}
