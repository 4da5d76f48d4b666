package wechat

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
)

// How often platform certificates are fetched.
const (
	certRefresh  = 10 * time.Hour // WeChat asks for less than 12 h
	certMissing  = 10 * time.Minute
	certWantGap  = time.Minute     // least time between downloads wanted because of an unknown serial number
	certFirstGap = 5 * time.Second // the same, while there is none at all
	certOverdue  = 24 * time.Hour  // health reports certificates not refreshed for so long
)

// errNoCertificates is WeChat's 404.
var errNoCertificates = errors.New("WeChat has no platform certificates for this merchant (404), as for all new ones: use mode " +
	string(ModePublicKey) + " with the WeChat Pay public key of the merchant console")

// errNoneYet is the state before the first download has ended.
var errNoneYet = errors.New("the platform certificates are being downloaded for the first time")

// certificates keeps WeChat's platform certificates, fetched by one goroutine. It is a core.CertificateGetter that hands
// out only RSA certificates valid at the moment.
type certificates struct {
	fetch func(context.Context) (core.CertificateGetter, error)
	now   func() time.Time
	log   *slog.Logger
	wants chan struct{} // a download is wanted soon

	mu      sync.Mutex
	held    core.CertificateGetter // nil: none yet
	heldAt  time.Time              // when held was fetched
	err     error                  // of the last attempt
	attempt chan struct{}          // closed when the attempt under way ends; nil: none is
}

func newCertificates(fetch func(context.Context) (core.CertificateGetter, error), now func() time.Time, log *slog.Logger) *certificates {
	return &certificates{
		fetch: fetch, now: now, log: log, wants: make(chan struct{}, 1),
		err: errNoneYet, attempt: make(chan struct{}), // run begins with an attempt
	}
}

// run fetches until ctx ends: at first with a growing pause, then every certRefresh, and sooner when wanted.
func (c *certificates) run(ctx context.Context) {
	failures := 0
	for {
		err := c.try(ctx)
		pause := certRefresh
		switch {
		case errors.Is(err, errNoCertificates):
			pause = certMissing
		case err != nil:
			failures++
			pause = backoff(failures)
		default:
			failures = 0
		}
		if !c.pause(ctx, pause) {
			return
		}
		c.mu.Lock()
		c.attempt = make(chan struct{})
		c.mu.Unlock()
	}
}

// backoff is 1 s, 2 s, 5 s, 15 s, 1 min, then 5 min.
func backoff(failures int) time.Duration {
	steps := []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute}
	return steps[min(failures, len(steps))-1]
}

// try makes one attempt and records how it ended.
func (c *certificates) try(ctx context.Context) error {
	got, err := c.fetch(ctx)
	c.mu.Lock()
	c.err = err
	if err == nil {
		c.held, c.heldAt = got, c.now()
	}
	close(c.attempt)
	c.attempt = nil
	c.mu.Unlock()
	switch {
	case err == nil:
		c.log.InfoContext(ctx, "platform certificates of WeChat Pay fetched", "newest", c.GetNewestSerial(ctx))
	case ctx.Err() == nil:
		c.log.WarnContext(ctx, "platform certificates of WeChat Pay not fetched", "error", err)
	}
	return err
}

// pause waits d, or less when a download is wanted, but never less than the gap: whoever can reach the callback address
// can name unknown certificates. It returns false when ctx has ended.
func (c *certificates) pause(ctx context.Context, d time.Duration) bool {
	gap := certFirstGap
	if c.get() != nil {
		gap = certWantGap
	}
	gap = min(gap, d)
	if !sleep(ctx, gap, nil) || !sleep(ctx, d-gap, c.wants) {
		return false
	}
	select { // what was wanted meanwhile is about to be fetched
	case <-c.wants:
	default:
	}
	return true
}

// sleep waits d or until early, and returns false when ctx has ended.
func sleep(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-early:
	case <-timer.C:
	}
	return ctx.Err() == nil
}

// want asks for a download soon. It does not block.
func (c *certificates) want() {
	select {
	case c.wants <- struct{}{}:
	default:
	}
}

func (c *certificates) get() core.CertificateGetter {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// ready waits for the attempt under way, if any, and returns nil when there are certificates, else why there are none.
func (c *certificates) ready(ctx context.Context) error {
	c.mu.Lock()
	held, attempt := c.held, c.attempt
	c.mu.Unlock()
	switch {
	case held != nil:
		return nil
	case attempt == nil:
		c.want()
	default:
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errNoneYet, ctx.Err())
		case <-attempt:
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held != nil {
		return nil
	}
	return c.err
}

// health reports certificates that are missing, expired or overdue.
func (c *certificates) health() error {
	c.mu.Lock()
	held, err, at := c.held, c.err, c.heldAt
	c.mu.Unlock()
	switch {
	case held == nil:
		return fmt.Errorf("no platform certificates: %w", err)
	case c.GetNewestSerial(context.Background()) == "":
		return errors.New("all platform certificates have expired")
	case err != nil && c.now().Sub(at) > certOverdue:
		return fmt.Errorf("platform certificates not refreshed since %s: %w", at.UTC().Format(time.RFC3339), err)
	}
	return nil
}

// has reports whether serial names a certificate that is valid now.
func (c *certificates) has(ctx context.Context, serial string) bool {
	_, ok := c.Get(ctx, serial)
	return ok
}

// Get implements core.CertificateGetter. The SDK's verifier takes expired certificates, and panics on other than RSA ones.
func (c *certificates) Get(ctx context.Context, serial string) (*x509.Certificate, bool) {
	cert, ok := c.GetAll(ctx)[serial]
	return cert, ok
}

// GetAll implements core.CertificateGetter.
func (c *certificates) GetAll(ctx context.Context) map[string]*x509.Certificate {
	usable := map[string]*x509.Certificate{}
	held := c.get()
	if held == nil {
		return usable
	}
	now := c.now()
	for serial, cert := range held.GetAll(ctx) {
		if _, isRSA := cert.PublicKey.(*rsa.PublicKey); isRSA && !now.Before(cert.NotBefore) && now.Before(cert.NotAfter) {
			usable[serial] = cert
		}
	}
	return usable
}

// GetNewestSerial implements core.CertificateGetter: "" without a usable certificate.
func (c *certificates) GetNewestSerial(ctx context.Context) string {
	usable := c.GetAll(ctx)
	serials := make([]string, 0, len(usable))
	for serial := range usable {
		serials = append(serials, serial)
	}
	if len(serials) == 0 {
		return ""
	}
	slices.Sort(serials) // equal dates: always the same one
	return slices.MaxFunc(serials, func(a, b string) int { return usable[a].NotBefore.Compare(usable[b].NotBefore) })
}
