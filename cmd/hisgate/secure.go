package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/gateway/server/access"
)

// secure is what makes the listeners safe to expose: TLS and the callers. What
// comes from files is read again when they change.
type secure struct {
	log    *slog.Logger
	tls    *tlsFiles      // nil = without TLS
	keeper *access.Keeper // nil = everybody is local
	audit  *slog.Logger   // who did what; nil = not noted
	lines  *appendFile    // of audit
	files  []string
	seen   map[string]fileState
	judge  func() // judges the open streams again; nil before there are any
}

func newSecure(c Config, log *slog.Logger) (*secure, error) {
	s := &secure{log: log}
	if c.TLS.CertFile != "" {
		s.tls = &tlsFiles{c: c.TLS}
		if err := s.tls.reload(); err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
	}
	if c.Auth.configured() {
		var err error
		if s.keeper, err = access.New(c.Auth.options()); err != nil {
			return nil, fmt.Errorf("auth: %w", err)
		}
	}
	var err error
	if s.audit, s.lines, err = openAudit(c.Log, log); err != nil {
		return nil, err
	}
	for _, f := range []string{c.TLS.CertFile, c.TLS.KeyFile, c.TLS.ClientCAFile, c.Auth.CallersFile, c.Auth.JWT.KeysFile} {
		if f != "" {
			s.files = append(s.files, f)
		}
	}
	s.seen = statesOf(s.files)
	return s, nil
}

func (s *secure) close() error {
	if s.lines == nil {
		return nil
	}
	return s.lines.close()
}

// identify is the keeper's, or nil.
func (s *secure) identify() func(access.Proof) (access.Identity, error) {
	if s.keeper == nil {
		return nil
	}
	return s.keeper.Identify
}

// config is that of the listeners, or nil without TLS.
func (s *secure) config() *tls.Config {
	if s.tls == nil {
		return nil
	}
	return s.tls.config()
}

// reloadEvery is how often the files are looked at.
const reloadEvery = 5 * time.Second

// run reads the files again when one has changed, until ctx ends.
func (s *secure) run(ctx context.Context) error {
	t := time.NewTicker(reloadEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			if now := statesOf(s.files); !sameStates(now, s.seen) {
				s.seen = now
				s.reload()
			}
		}
	}
}

// reload reads everything again. What cannot be read leaves what was there.
func (s *secure) reload() {
	var errs []error
	if s.tls != nil {
		if err := s.tls.reload(); err != nil {
			errs = append(errs, fmt.Errorf("tls: %w", err))
		}
	}
	if s.keeper != nil {
		if err := s.keeper.Reload(); err != nil {
			errs = append(errs, fmt.Errorf("auth: %w", err))
		}
	}
	if s.lines != nil {
		if err := s.lines.reopen(); err != nil {
			errs = append(errs, fmt.Errorf("log.audit_file: %w", err))
		}
	}
	if s.judge != nil {
		s.judge()
	}
	if err := errors.Join(errs...); err != nil {
		s.log.Error("reading certificates and callers again; what was known before goes on to count", "error", err)
		return
	}
	s.log.Info("certificates and callers were read again")
}

type fileState struct {
	changed time.Time
	size    int64
}

func statesOf(files []string) map[string]fileState {
	states := make(map[string]fileState, len(files))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			states[f] = fileState{info.ModTime(), info.Size()}
		}
	}
	return states
}

func sameStates(a, b map[string]fileState) bool {
	if len(a) != len(b) {
		return false
	}
	for f, s := range a {
		if other, ok := b[f]; !ok || !s.changed.Equal(other.changed) || s.size != other.size {
			return false
		}
	}
	return true
}

// tlsFiles is a TLS configuration whose files may change under it.
type tlsFiles struct {
	c   TLS
	now atomic.Pointer[tls.Config]
}

func (f *tlsFiles) reload() error {
	cert, err := tls.LoadX509KeyPair(f.c.CertFile, f.c.KeyFile)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	c := &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if f.c.Min == "1.3" {
		c.MinVersion = tls.VersionTLS13
	}
	if f.c.ClientCAFile != "" {
		b, err := os.ReadFile(f.c.ClientCAFile)
		if err != nil {
			return err
		}
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(b) {
			return fmt.Errorf("%s: holds no certificate in PEM", f.c.ClientCAFile)
		}
		c.ClientAuth = tls.VerifyClientCertIfGiven
		if f.c.ClientCert == "required" {
			c.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	f.now.Store(c)
	return nil
}

// config asks for the newest one at every handshake. A session of a client whose
// authority was taken away must not be resumed, so there are none.
func (f *tlsFiles) config() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		NextProtos:             []string{"h2", "http/1.1"},
		SessionTicketsDisabled: true,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			c := f.now.Load().Clone()
			c.SessionTicketsDisabled = true
			return c, nil
		},
	}
}
