package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hisgate/hisgate/gateway/server/access"
	"github.com/hisgate/hisgate/payflow/wechat"
)

// configCheckCmd says beforehand what a start would say.
type configCheckCmd struct {
	configFlags `embed:""`
}

// Run loads the configuration, and reads what its files hold.
func (c *configCheckCmd) Run(context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	return cfg.try()
}

// try reads what a start reads: certificates, callers, keys; and sees whether the
// files that lines are added to can be written. It calls nobody and leaves nothing
// behind. Errors: all that is wrong, by its setting.
func (c *Config) try() error {
	var errs []error
	bad := func(setting string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", setting, err))
		}
	}
	if c.TLS.CertFile != "" {
		bad("tls", (&tlsFiles{c: c.TLS}).reload())
	}
	if c.Auth.configured() {
		_, err := access.New(c.Auth.options())
		bad("auth", err)
	}
	bad("storage.encryption_key_file", c.Storage.tryKey())
	bad("log.file", appendable(c.Log.File))
	bad("log.audit_file", appendable(c.Log.Audit))
	if c.Payment.Enabled {
		errs = append(errs, c.WeChat.try())
	}
	return errors.Join(errs...)
}

// try reads the merchant's keys as a start does.
func (w WeChat) try() error {
	o, err := w.options("https://config.invalid")
	if err != nil {
		return err
	}
	over, cancel := context.WithCancel(context.Background())
	cancel() // so that no certificate is fetched
	if _, err = wechat.New(over, o); err != nil {
		return inSettings(err)
	}
	return nil
}

// tryKey reads the key of an encrypted folder.
func (s Storage) tryKey() error {
	_, err := readFolderKey(s.EncryptionKeyFile)
	return err
}

// appendable says whether lines could be added to a file, which need not be there;
// none is named "".
func appendable(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	probe, err := os.CreateTemp(filepath.Dir(path), ".hisgate-check-")
	if err != nil {
		return fmt.Errorf("%s cannot be made: %w", path, err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
