package badgerengine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
)

// badgerVersion is the layout of Badger itself, the last two bytes of the head
// of its MANIFEST.
const badgerVersion = 8

// inspect looks at a folder that nobody has open: is it ours, does the key fit,
// and is it whole? A new folder is all that.
//
// It comes before Badger, because Badger leaves out a table whose index does not
// match its checksum, ends a log at the first record that does not, passes over
// blocks that it cannot read, and starts to compact what is left at once. Only
// the log lines would tell.
//
// It returns the newest transaction in tables that Badger will delete.
func inspect(dir string, opts Options) (orphaned uint64, err error) {
	manifest, keys, err := readHead(dir, opts.EncryptionKey)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, isNew(dir)
	}
	if err != nil {
		return 0, err
	}
	reader, err := newTableReader(dir, keys)
	if err != nil {
		return 0, &OpenError{Dir: dir, Reason: err}
	}
	defer reader.close()
	if !opts.SkipVerify {
		if err := errors.Join(reader.verify(manifest), verifyLogs(dir, keys)); err != nil {
			return 0, &OpenError{Dir: dir, Reason: ErrDamaged, Detail: err.Error()}
		}
	}
	orphaned, err = keepOrphans(dir, manifest, reader)
	if err != nil {
		return 0, &OpenError{Dir: dir, Reason: ErrNotWritable, Detail: err.Error()}
	}
	return orphaned, nil
}

// readHead reads the manifest and the registry of keys. Errors: fs.ErrNotExist
// when there is no manifest, else [*OpenError].
func readHead(dir string, key []byte) (manifest badger.Manifest, keys *badger.KeyRegistry, err error) {
	f, err := os.Open(filepath.Join(dir, badger.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) {
		return manifest, nil, err
	}
	if err != nil {
		return manifest, nil, &OpenError{Dir: dir, Reason: ErrNotWritable, Detail: err.Error()}
	}
	defer f.Close()
	if err := identify(dir, f); err != nil {
		return manifest, nil, err
	}
	if keys, err = openKeys(dir, key); err != nil {
		return manifest, nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return manifest, nil, &OpenError{Dir: dir, Reason: err}
	}
	manifest, _, err = badger.ReplayManifestFile(f, magic, badger.Options{})
	if err != nil {
		return manifest, nil, &OpenError{Dir: dir, Reason: ErrDamaged, Detail: "its MANIFEST: " + err.Error()}
	}
	return manifest, keys, nil
}

// isNew checks that a folder without a MANIFEST has no data either: Badger would
// begin a new MANIFEST and delete every table.
func isNew(dir string) error {
	for _, pattern := range []string{"*.sst", "*.mem"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		if len(names) > 0 {
			return &OpenError{Dir: dir, Reason: ErrDamaged, Detail: "its MANIFEST is missing"}
		}
	}
	return nil
}

// identify reads the head of the MANIFEST: "Bdgr", our magic number, Badger's
// version, big endian.
func identify(dir string, manifest io.Reader) error {
	var head [8]byte
	if _, err := io.ReadFull(manifest, head[:]); err != nil || string(head[:4]) != "Bdgr" {
		return &OpenError{Dir: dir, Reason: ErrDamaged, Detail: "its MANIFEST has no head"}
	}
	if ours := uint16(head[4])<<8 | uint16(head[5]); ours != magic {
		return &OpenError{Dir: dir, Reason: ErrFormat, Detail: "it is a Badger database of another program"}
	}
	if version := uint16(head[6])<<8 | uint16(head[7]); version != badgerVersion {
		return &OpenError{
			Dir: dir, Reason: ErrFormat,
			Detail: fmt.Sprintf("it was written by Badger's format %d, this version knows %d", version, badgerVersion),
		}
	}
	return nil
}
