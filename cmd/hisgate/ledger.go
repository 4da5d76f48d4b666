package main

import (
	"context"
	"errors"

	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
)

// ledgerCmd is for who looks after the data.
type ledgerCmd struct {
	Verify  ledgerVerifyCmd  `cmd:"" help:"Recompute everything and say what differs."`
	Export  ledgerExportCmd  `cmd:"" help:"Write all locks as JSON lines or as a table."`
	Backup  ledgerBackupCmd  `cmd:"" help:"Write a backup of locks and orders, of one moment."`
	Restore ledgerRestoreCmd `cmd:"" help:"Make a data folder of a backup."`
}

// sourceFlags choose what is read: a running server, or an unused folder.
type sourceFlags struct {
	serverFlags `embed:""`
	keyFlags    `embed:""`

	DataDir folderName `placeholder:"DIR" help:"Read this folder, which no hisgate uses, instead of a running server. It is not changed."`
}

// folderName is a folder as the command line names it. An empty one is refused: a
// script whose variable is not set would ask a running server instead.
type folderName string

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *folderName) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("it names no folder")
	}
	*f = folderName(text)
	return nil
}

// keyFlags hold what an encrypted folder needs.
type keyFlags struct {
	EncryptionKeyFile string `type:"path" placeholder:"FILE" help:"The key of an encrypted folder, as in storage.encryption_key_file."`
}

func (f keyFlags) options() (badgerengine.Options, error) {
	key, err := readFolderKey(f.EncryptionKeyFile)
	if err != nil {
		return badgerengine.Options{}, nobody("--encryption-key-file: %w", err)
	}
	return badgerengine.Options{EncryptionKey: key}, nil
}

// read opens the folder for reading only.
func (f sourceFlags) read(ctx context.Context, do func(context.Context, *badgerengine.Folder) error) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	folder, err := badgerengine.OpenReader(string(f.DataDir), o)
	switch {
	case errors.Is(err, badgerengine.ErrDamaged):
		return err // that is an answer
	case err != nil:
		return &exitError{code: exitNobody, err: err}
	}
	return errors.Join(do(ctx, folder), folder.Close())
}
