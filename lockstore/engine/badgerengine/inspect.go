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
func inspect(dir string, opts Options) error {
	f, err := os.Open(filepath.Join(dir, badger.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &OpenError{Dir: dir, Reason: ErrNotWritable, Detail: err.Error()}
	}
	defer f.Close()
	if err := identify(dir, f); err != nil {
		return err
	}
	keys, err := badger.OpenKeyRegistry(badger.KeyRegistryOptions{
		Dir: dir, ReadOnly: true, EncryptionKey: opts.EncryptionKey,
	})
	if err != nil {
		return explain(dir, err)
	}
	if opts.SkipVerify {
		return nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return &OpenError{Dir: dir, Reason: err}
	}
	manifest, _, err := badger.ReplayManifestFile(f, magic, badger.Options{})
	if err != nil {
		return &OpenError{Dir: dir, Reason: ErrDamaged, Detail: "its MANIFEST: " + err.Error()}
	}
	if err := errors.Join(verifyTables(dir, manifest, keys), verifyLogs(dir)); err != nil {
		return &OpenError{Dir: dir, Reason: ErrDamaged, Detail: err.Error()}
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
