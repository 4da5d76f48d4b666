package badgerengine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
)

// keptSuffix marks a second name for a table that Badger is about to delete.
const keptSuffix = ".kept"

// keepOrphans gives a second name to each table that the manifest does not know,
// and returns the newest transaction that one of them holds. Most are left from a
// crash in the middle of a flush or a compaction, and what they hold is elsewhere
// too. But if the manifest was cut off, they are the only copy: then one may hold
// something newer than all the rest, and a rescue needs them.
func keepOrphans(dir string, manifest badger.Manifest, reader tableReader) (newest uint64, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		id, ok := table.ParseFileID(name)
		if _, known := manifest.Tables[id]; !ok || known {
			continue
		}
		if err := os.Link(name, name+keptSuffix); err != nil && !errors.Is(err, fs.ErrExist) {
			return 0, err
		}
		newest = max(newest, reader.orphan(name))
	}
	return newest, nil
}

// dropOrphans removes what keepOrphans kept, once the data has turned out to be
// whole.
func dropOrphans(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.sst"+keptSuffix))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}
