package badgerengine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// ErrNoFolder says that there is no folder to read, or nothing in it; errors.Is
// finds it in an [*OpenError].
var ErrNoFolder = errors.New("no data there")

// Folder is a folder that is read and not changed: nothing is written into it and
// its epoch stays. Until Close no hisgate can open it. It is an [engine.Reader].
type Folder struct {
	view
	unlock  func()
	scratch string
}

var _ engine.Reader = (*Folder)(nil)

// OpenReader opens a folder that nobody uses, to be read only. It verifies
// everything that [Open] does, whatever Options.SkipVerify says. An opening that
// was not closed leaves logs behind, which are read as they would be replayed.
//
// Badger cannot read such logs without changing them. So it is given a temporary
// folder: there the tables are links to the real ones and the logs are copies
// without the torn end, and all is opened for reading only.
//
// Errors are [*OpenError]: [ErrNoFolder], [ErrFolderInUse] with the process that
// holds it, or another reason of this package.
func OpenReader(dir string, opts Options) (_ *Folder, err error) {
	if _, err := os.Stat(filepath.Join(dir, badger.ManifestFilename)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			if err := isNew(dir); err != nil {
				return nil, err
			}
			return nil, &OpenError{Dir: dir, Reason: ErrNoFolder}
		}
		return nil, &OpenError{Dir: dir, Reason: err}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if err := checkKey(dir, opts.EncryptionKey); err != nil {
		return nil, err
	}
	f := &Folder{}
	if f.unlock, err = lockFolder(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	manifest, keys, orphaned, err := look(dir, opts.EncryptionKey)
	if err != nil {
		return nil, err
	}
	if f.scratch, err = os.MkdirTemp("", "hisgate-read-"); err != nil {
		return nil, &OpenError{Dir: dir, Reason: err}
	}
	if err := imitate(f.scratch, dir, manifest, keys); err != nil {
		return nil, &OpenError{Dir: dir, Reason: err, Detail: "it cannot be read through " + f.scratch}
	}
	// Nobody else knows the temporary folder, and Windows has no lock for readers.
	db, err := badger.OpenManaged(opts.badger(f.scratch).WithReadOnly(true).WithBypassLockGuard(true))
	if err != nil {
		return nil, explain(dir, err)
	}
	f.view = view{db: db, version: db.MaxVersion(), failed: func() error { return nil }}
	return f, f.check(dir, orphaned)
}

// check holds what Badger has opened against what it must be, as begin does.
func (f *Folder) check(dir string, orphaned uint64) error {
	if f.version == 0 {
		return &OpenError{Dir: dir, Reason: ErrNoFolder}
	}
	e := &Engine{db: f.db, dir: dir, calls: newCalls(f.version)}
	if err := e.whole(orphaned); err != nil {
		return err
	}
	f.epoch = e.epoch
	return nil
}

// Close ends the reading and lets others open the folder.
func (f *Folder) Close() error {
	var errs []error
	if f.db != nil {
		errs = append(errs, f.db.Close())
	}
	if f.scratch != "" {
		errs = append(errs, os.RemoveAll(f.scratch))
	}
	f.unlock()
	return errors.Join(errs...)
}

// look inspects the folder without leaving a trace; orphaned is the newest
// transaction in a table that the manifest does not know.
func look(dir string, key []byte) (manifest badger.Manifest, keys *badger.KeyRegistry, orphaned uint64, err error) {
	manifest, keys, err = readHead(dir, key)
	if err != nil {
		return manifest, nil, 0, err
	}
	reader, err := newTableReader(dir, keys)
	if err != nil {
		return manifest, nil, 0, &OpenError{Dir: dir, Reason: err}
	}
	defer reader.close()
	if err := errors.Join(reader.verify(manifest), verifyLogs(dir, keys)); err != nil {
		return manifest, nil, 0, &OpenError{Dir: dir, Reason: ErrDamaged, Detail: err.Error()}
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		return manifest, nil, 0, err
	}
	for _, name := range names {
		id, ok := table.ParseFileID(name)
		if _, known := manifest.Tables[id]; ok && !known {
			orphaned = max(orphaned, reader.orphan(name))
		}
	}
	return manifest, keys, orphaned, nil
}

// imitate lays out what Badger needs to read dir, without a file of dir that it
// could change.
func imitate(scratch, dir string, manifest badger.Manifest, keys *badger.KeyRegistry) error {
	for _, name := range []string{badger.ManifestFilename, badger.KeyRegistryFileName} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(scratch, name), b, 0o600)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for id := range manifest.Tables {
		name := table.IDToFilename(id)
		if err := linkTable(filepath.Join(scratch, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	logs, err := writtenLogs(dir)
	if err != nil {
		return err
	}
	for _, name := range logs {
		if err := copyLog(filepath.Join(scratch, filepath.Base(name)), name); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
	}
	return nil
}

// linkTable makes a table known under another name. Windows permits few accounts a
// symbolic link; a second name of the file must be on the same disk, and a copy
// needs its room.
func linkTable(to, from string) error {
	if os.Symlink(from, to) == nil || os.Link(from, to) == nil {
		return nil
	}
	return copyTable(to, from)
}

func copyTable(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// copyLog copies the whole transactions of a log, if it has any.
func copyLog(to, from string) error {
	file, err := z.OpenMmapFile(from, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	if end := wholeUntil(file.Data); end > logHead {
		err = os.WriteFile(to, file.Data[:end], 0o600)
	}
	return errors.Join(err, file.Close(-1))
}

// wholeUntil is where the last whole transaction of a log ends.
func wholeUntil(log []byte) int {
	end := min(logHead, len(log))
	for at := end; len(log) >= logHead; {
		r, ok := readRecord(log, at)
		if !ok {
			break
		}
		if at = r.end; r.meta == metaEnd {
			end = at
		}
	}
	return end
}
