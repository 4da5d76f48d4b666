package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/backup"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

type ledgerRestoreCmd struct {
	keyFlags  `embed:""`
	langFlags `embed:""`

	File           string     `arg:"" help:"The backup; - is standard input."`
	DataDir        folderName `required:"" placeholder:"DIR" help:"The folder to make: one that is not there, or empty."`
	AcceptFindings bool       `help:"Restore although the records in the backup are not as they must be; what differs is printed."`
}

// Run restores the backup. It builds the folder in one below, and moves it up
// when all is verified, so that a restore that fails leaves nothing behind.
func (c *ledgerRestoreCmd) Run(ctx context.Context) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	from := os.Stdin
	if c.File != "-" {
		if from, err = os.Open(c.File); err != nil {
			return &exitError{code: exitNobody, err: err}
		}
		defer from.Close()
	}
	dir := string(c.DataDir)
	made, err := emptyFolder(dir)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(dir, restoring+"*")
	if err != nil {
		return &exitError{code: exitNobody, err: err}
	}
	s, err := c.build(ctx, from, work, o)
	if err == nil {
		err = moveUp(work, dir)
	}
	if err != nil {
		err = errors.Join(err, os.RemoveAll(work))
		if made {
			err = errors.Join(err, os.Remove(dir))
		}
		return fmt.Errorf("%s: %w", c.File, err)
	}
	_, err = fmt.Fprintf(os.Stderr, c.say(
		"已恢复 %s 的备份，%d 条记录。hisgate 启动后先向 HIS 和微信核对，核对完才接新业务。\n",
		"restored the backup of %s, %d records. At its next start hisgate asks HIS and WeChat first, and takes new work after that.\n"),
		s.CreatedAt.Local().Format(time.DateTime), s.Keys)
	return err
}

// restoring begins the name of the folder in which a restore is at work.
const restoring = ".restoring-"

// interrupted reports a restore into the folder that was killed before all of it
// was in its place: what lies there is a part of a ledger, and to open it would
// begin an empty one. A folder that is whole but for the removal of the empty one
// below is none. It reads the folder alone, and is asked before anything opens it.
func interrupted(dir string) error {
	work, err := filepath.Glob(filepath.Join(dir, restoring+"*"))
	if err != nil || len(work) == 0 {
		return err
	}
	_, err = os.Stat(filepath.Join(dir, manifestName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	whole := err == nil
	for _, w := range work {
		left, err := os.ReadDir(w)
		if err != nil {
			return err
		}
		whole = whole && len(left) == 0
	}
	if whole {
		return nil
	}
	return fmt.Errorf("%s: the restore of a backup was interrupted here (it left %s); empty the folder and restore again",
		dir, filepath.Base(work[0]))
}

// emptyFolder makes the folder, or finds it empty; made says which.
func emptyFolder(dir string) (made bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return false, &exitError{code: exitNobody, err: err}
		}
		return true, nil
	case err != nil:
		return false, &exitError{code: exitNobody, err: err}
	}
	entries = slices.DeleteFunc(entries, ofDisk)
	if len(entries) > 0 {
		return false, nobody("%s: the folder is not empty (%s); restore into a new one", dir, entries[0].Name())
	}
	return false, nil
}

// ofDisk reports whether an entry is there because the folder is a disk of its
// own, as a volume of Kubernetes.
func ofDisk(e fs.DirEntry) bool { return e.Name() == "lost+found" && e.IsDir() }

// build makes a whole folder of the backup: read, verified, marked and closed.
func (c *ledgerRestoreCmd) build(ctx context.Context, from io.Reader, dir string, o badgerengine.Options) (s backup.Summary, err error) {
	var e *badgerengine.Engine
	defer func() {
		if e != nil && err != nil {
			_ = e.Close() // the folder is thrown away
		}
	}()
	var batch []engine.Write
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := room(e); err != nil {
			return err
		}
		err := e.Apply(batch)
		batch = batch[:0]
		return err
	}
	if s, err = backup.Read(from, func(h backup.Header) (err error) {
		o.AboveEpoch = h.Epoch
		if e, err = badgerengine.Open(dir, o); err != nil {
			return err
		}
		return room(e)
	}, func(key, value []byte) error {
		batch = append(batch, engine.Write{Key: slices.Clone(key), Value: slices.Clone(value)})
		if len(batch) < 1000 && engine.Size(batch) < engine.MaxBytes/2 {
			return nil
		}
		return errors.Join(ctx.Err(), flush())
	}); err != nil {
		return s, err
	}
	if err := flush(); err != nil {
		return s, err
	}
	r := &hisgatev1.LedgerReport{}
	if err := e.View(func(view engine.Reader) error { return verifyRecords(ctx, view, r) }); err != nil {
		return s, err
	}
	for _, f := range r.GetFindings() {
		fmt.Fprintf(os.Stderr, "%s: %s\n", f.GetKey(), f.GetWhat())
	}
	if n := r.GetFindingCount(); n > 0 && !c.AcceptFindings {
		return s, fmt.Errorf("%d of its records are not as they must be; --accept-findings restores them all the same", n)
	}
	if err := lockstore.MarkRestored(e, time.Now()); err != nil {
		return s, err
	}
	return s, e.Close()
}

// room refuses to go on where the disk could fill up: the engine writes through
// memory maps, so that a full disk would end the process without a word.
func room(e *badgerengine.Engine) error {
	free, err := e.Free()
	if err != nil {
		return err
	}
	if free < badgerengine.Reserve {
		return fmt.Errorf("the disk is too full: %d MiB are free, and a restore stops below %d MiB; make room, or choose another disk", free>>20, badgerengine.Reserve>>20)
	}
	return nil
}

// moveUp moves a whole folder to its place. The MANIFEST comes last: without it
// nothing opens the rest.
func moveUp(work, dir string) error {
	here, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range here {
		if !strings.HasPrefix(e.Name(), restoring) && !ofDisk(e) {
			return fmt.Errorf("somebody else has put %s into %s meanwhile", e.Name(), dir)
		}
	}
	files, err := os.ReadDir(work)
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b fs.DirEntry) int {
		switch last := manifestName; {
		case a.Name() == last:
			return 1
		case b.Name() == last:
			return -1
		}
		return strings.Compare(a.Name(), b.Name())
	})
	for i, f := range files {
		if err := os.Rename(filepath.Join(work, f.Name()), filepath.Join(dir, f.Name())); err != nil {
			return err
		}
		if i == len(files)-2 { // what the MANIFEST names must be there before it
			if err := syncDir(dir); err != nil {
				return err
			}
		}
	}
	return errors.Join(os.Remove(work), syncDir(dir))
}

// manifestName is the file that makes a folder a ledger's.
const manifestName = "MANIFEST"

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
