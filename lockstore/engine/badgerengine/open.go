package badgerengine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// format is the version of what this package stores. A later version that older
// ones would misread takes a larger number.
const format = 1

// Open opens the folder, and creates it with mode 0700 if it is not there. It
// takes the folder for this process alone, verifies the tables, replays the log
// of an opening that was not closed, and raises the epoch durably before it
// returns.
//
// Errors are [*OpenError] with one of the reasons of this package, or with what
// Badger says.
func Open(dir string, opts Options) (*Engine, error) {
	orphaned, err := prepare(dir, opts)
	if err != nil {
		return nil, err
	}
	db, err := badger.OpenManaged(opts.badger(dir))
	if err != nil {
		return nil, explain(dir, err)
	}
	e := &Engine{db: db, dir: dir, calls: newCalls(db.MaxVersion())}
	if err := e.begin(orphaned, opts.AboveEpoch); err != nil {
		return nil, errors.Join(err, e.db.Close(), e.wal.close())
	}
	if !survivesPowerLoss && opts.Logger != nil {
		opts.Logger.Warn("on this system nothing forces what was answered to the disk: it survives the end of hisgate, but not that of the machine; use Linux, or a power supply that lasts")
	}
	return e, nil
}

// prepare looks at the folder before Badger touches it. It returns the newest
// transaction in tables that Badger will delete.
func prepare(dir string, opts Options) (orphaned uint64, err error) {
	if err := checkKey(dir, opts.EncryptionKey); err != nil {
		return 0, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, &OpenError{Dir: dir, Reason: ErrNotWritable, Detail: err.Error()}
	}
	name, err := remoteFS(dir)
	if err != nil {
		return 0, &OpenError{Dir: dir, Reason: err}
	}
	if err := refuseRemote(dir, name, opts); err != nil {
		return 0, err
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return 0, err
	}
	defer unlock() // Badger takes the same lock next
	if err := errors.Join(probe(dir), dropEmptyLogs(dir), syncLogs(dir)); err != nil {
		return 0, &OpenError{Dir: dir, Reason: ErrNotWritable, Detail: err.Error()}
	}
	return inspect(dir, opts)
}

// checkKey refuses an encryption key that AES cannot take.
func checkKey(dir string, key []byte) error {
	switch len(key) {
	case 0, 16, 24, 32:
		return nil
	default:
		return &OpenError{
			Dir: dir, Reason: ErrWrongKey,
			Detail: fmt.Sprintf("it has %d bytes, 16, 24 or 32 are possible", len(key)),
		}
	}
}

// dropEmptyLogs removes logs without a byte, which a process leaves that is killed
// right after it created one. Badger would not open with them.
func dropEmptyLogs(dir string) error {
	for _, pattern := range []string{"*.vlog", "*.mem"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, name := range names {
			info, err := os.Stat(name)
			if err == nil && info.Size() == 0 {
				err = os.Remove(name)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// syncLogs makes durable what the logs hold. A process that was killed in the
// middle of an Apply may have left a transaction in the kernel's memory only.
// Badger will show it, the owner will build on it: from now on it must stay.
func syncLogs(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// refuseRemote refuses a folder on the file system of that name, unless it is
// local ("") or the owner insists [B8].
func refuseRemote(dir, name string, opts Options) error {
	if name == "" || opts.AllowNetworkFS {
		return nil
	}
	return &OpenError{
		Dir: dir, Reason: ErrNetworkFS,
		Detail: "it is on " + name + ", where locks and syncs cannot be relied on",
	}
}

// probe finds out whether files can be made in the folder.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// inUse is the error for a folder that somebody else holds.
func inUse(dir string) error {
	detail := "stop it first, or choose another folder"
	if pid, err := os.ReadFile(filepath.Join(dir, "LOCK")); err == nil {
		detail = fmt.Sprintf("process %s holds it; %s", strings.TrimSpace(string(pid)), detail)
	}
	return &OpenError{Dir: dir, Reason: ErrFolderInUse, Detail: detail}
}

// explain puts what Badger says when it opens into our words. Badger does not
// wrap its causes, so some are known by their text.
func explain(dir string, err error) error {
	switch text := err.Error(); {
	case errors.Is(err, badger.ErrEncryptionKeyMismatch):
		return &OpenError{
			Dir: dir, Reason: ErrWrongKey,
			Detail: "the folder was made with another key, or with none",
		}
	case strings.Contains(text, "Cannot acquire directory lock"):
		return inUse(dir)
	case strings.Contains(text, "file does not exist for table"), strings.Contains(text, "checksum"):
		return &OpenError{Dir: dir, Reason: ErrDamaged, Detail: text}
	}
	return &OpenError{Dir: dir, Reason: err}
}

// The keys of our own records.
const (
	formatKey = "/format"
	epochKey  = "/epoch"
)

// whole checks what Badger has opened and reads the epoch and the chain of logs.
// Tables that Badger did not know of held transactions up to orphaned.
func (e *Engine) whole(orphaned uint64) error {
	if orphaned > e.version {
		return &OpenError{
			Dir: e.dir, Reason: ErrDamaged,
			Detail: "its MANIFEST has forgotten the newest tables; an opening keeps them as *.sst" + keptSuffix,
		}
	}
	if e.version == 0 { // a new folder
		return nil
	}
	found, err := e.number(formatKey)
	if err != nil {
		return err
	}
	if found != format {
		return &OpenError{
			Dir: e.dir, Reason: ErrFormat,
			Detail: fmt.Sprintf("its format is %d, this version knows %d", found, format),
		}
	}
	if e.epoch, err = e.number(epochKey); err != nil {
		return err
	}
	if e.chain, err = e.readChain(); err != nil {
		return &OpenError{Dir: e.dir, Reason: ErrDamaged, Detail: err.Error()}
	}
	return nil
}

// begin checks what Badger has opened and raises the epoch above what it was, and
// above that of Options.
func (e *Engine) begin(orphaned, above uint64) error {
	if err := e.whole(orphaned); err != nil {
		return err
	}
	if err := e.wal.open(e.dir); err != nil {
		return &OpenError{Dir: e.dir, Reason: ErrNotWritable, Detail: err.Error()}
	}
	e.epoch = max(e.epoch, above)
	e.epoch++
	e.linkDue = true // Badger begins a new log at each opening
	err := e.commit(e.version+1, nil, []engine.Write{
		{Key: []byte(formatKey), Value: binary.BigEndian.AppendUint64(nil, format)},
		{Key: []byte(epochKey), Value: binary.BigEndian.AppendUint64(nil, e.epoch)},
	})
	if err == nil {
		err = dropOrphans(e.dir)
	}
	if err != nil {
		return &OpenError{Dir: e.dir, Reason: ErrNotWritable, Detail: err.Error()}
	}
	return nil
}

// number reads one of our own records.
func (e *Engine) number(key string) (uint64, error) {
	value, err := get(e.db, e.version, append([]byte{metaPrefix}, key...))
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return 0, &OpenError{Dir: e.dir, Reason: ErrDamaged, Detail: fmt.Sprintf("its record %q is missing", key)}
	case err != nil:
		return 0, &OpenError{Dir: e.dir, Reason: err}
	case len(value) != 8:
		return 0, &OpenError{Dir: e.dir, Reason: ErrDamaged, Detail: fmt.Sprintf("its record %q has %d bytes", key, len(value))}
	}
	return binary.BigEndian.Uint64(value), nil
}
