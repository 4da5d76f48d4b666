package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
)

// openStorage opens the data folder for this process alone.
func (p *Program) openStorage(c Config) error {
	o := badgerengine.Options{Logger: p.log, AllowNetworkFS: c.Storage.AllowNetworkDisk}
	var err error
	if o.EncryptionKey, err = readFolderKey(c.Storage.EncryptionKeyFile); err != nil {
		return fmt.Errorf("storage.encryption_key_file: %w", err)
	}
	if err := interrupted(c.DataDir); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	e, err := badgerengine.Open(c.DataDir, o)
	switch {
	case errors.Is(err, badgerengine.ErrWrongKey):
		return fmt.Errorf("storage.encryption_key_file: %w", err)
	case err != nil:
		return fmt.Errorf("data_dir: %w", err)
	}
	p.engine = e
	p.committer = engine.NewCommitter(e, engine.CommitterOptions{})
	return nil
}

// readFolderKey reads the key of an encrypted folder; no file, no key.
func readFolderKey(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	key, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	switch key = bytes.TrimRight(key, "\r\n"); len(key) {
	case 16, 24, 32:
		return key, nil
	case 0: // which would mean: no encryption
		return nil, fmt.Errorf("%s is empty; 16, 24 or 32 bytes are possible", file)
	default:
		return nil, fmt.Errorf("%s has %d bytes; 16, 24 or 32 are possible", file, len(key))
	}
}

// diskReserve spells "none" as the ledger does.
func diskReserve(bytes int64) int64 {
	if bytes == 0 {
		return -1
	}
	return bytes
}

// closeLeast is what the closing of the folder has when the rest has taken the
// whole time.
const closeLeast = 5 * time.Second

// closeFolder closes the folder within ctx. Badger tries for ever to write a table
// where there is no room for one or no folder any more; what was answered is in
// its logs, so that the process may end all the same.
func (p *Program) closeFolder(ctx context.Context) error {
	least, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLeast)
	defer cancel()
	var err error
	done := make(chan struct{})
	go func() {
		err = p.closeStorage()
		close(done)
	}()
	for _, until := range []context.Context{least, ctx} {
		select {
		case <-done:
			return err
		case <-until.Done():
		}
	}
	return errors.New("the data folder cannot be closed; nothing that was answered is lost, and the next start reads it from the logs")
}

func (p *Program) closeStorage() error {
	var errs []error
	if p.feeds != nil {
		errs = append(errs, p.feeds.close())
	}
	if p.secure != nil {
		errs = append(errs, p.secure.close())
	}
	if p.ledger != nil {
		errs = append(errs, p.ledger.Close())
	}
	if p.committer != nil {
		errs = append(errs, p.committer.Close())
	}
	if p.engine != nil {
		errs = append(errs, p.engine.Close())
	}
	return errors.Join(errs...)
}
