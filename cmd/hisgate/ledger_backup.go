package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"google.golang.org/grpc"

	"github.com/hisgate/hisgate/lockstore/engine/backup"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

type ledgerBackupCmd struct {
	sourceFlags `embed:""`
	langFlags   `embed:""`

	File string `arg:"" help:"Where to write it, a new file; - is standard output. It is not encrypted and holds patients' identifiers."`
}

// Run writes the backup. A file has its name only once it is whole and on the
// disk.
func (c *ledgerBackupCmd) Run(ctx context.Context) error {
	if c.File == "-" {
		s, err := c.write(ctx, os.Stdout)
		return c.tell(s, err)
	}
	if _, err := os.Lstat(c.File); !errors.Is(err, fs.ErrNotExist) {
		return nobody("%s: there is something already; choose another name", c.File)
	}
	partial := c.File + ".partial"
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nobody("%s: another backup is being written there, or one was killed; remove it, or choose another name", partial)
	}
	if err != nil {
		return &exitError{code: exitNobody, err: err}
	}
	s, err := c.write(ctx, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(partial, c.File)
	}
	if err != nil {
		return errors.Join(err, os.Remove(partial))
	}
	if err := syncDir(filepath.Dir(c.File)); err != nil {
		return err
	}
	return c.tell(s, nil)
}

func (c *ledgerBackupCmd) tell(s backup.Summary, err error) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(os.Stderr, c.say("已备份 %d 条记录，%d 字节。\n", "backed up %d records, %d bytes.\n"), s.Keys, s.Bytes)
	return err
}

// write writes the backup of the folder, or that of the server as it comes, and
// checks that it is whole.
func (c *ledgerBackupCmd) write(ctx context.Context, out io.Writer) (s backup.Summary, err error) {
	if c.DataDir != "" {
		err = c.read(ctx, func(ctx context.Context, f *badgerengine.Folder) (err error) {
			s, err = backup.Write(ctx, out, f, backupHeader())
			return err
		})
		return s, err
	}
	err = c.ask(ctx, 0, func(ctx context.Context, ops hisgatev1.OpsServiceClient) error {
		stream, err := ops.Backup(ctx, &hisgatev1.BackupRequest{})
		if err != nil {
			return c.failed(c.Server, err)
		}
		from := &received{stream: stream}
		s, err = backup.Read(io.TeeReader(from, out), func(backup.Header) error { return nil }, func(_, _ []byte) error { return nil })
		if from.err != nil {
			return c.failed(c.Server, from.err)
		}
		return err
	})
	return s, err
}

// received reads the chunks of a backup.
type received struct {
	stream grpc.ServerStreamingClient[hisgatev1.BackupChunk]
	rest   []byte
	err    error // of the stream
}

// Read implements io.Reader.
func (r *received) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		chunk, err := r.stream.Recv()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				r.err = err
			}
			return 0, err
		}
		r.rest = chunk.GetData()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
