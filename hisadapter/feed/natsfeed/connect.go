package natsfeed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hisgate/hisgate/hisadapter/feed/link"
)

// connection is a connection to a server, until the first trouble.
type connection struct {
	*nats.Conn
	// ctx ends with the caller's, or when the connection is lost; its cause says why.
	ctx    context.Context
	lose   context.CancelCauseFunc
	closed chan struct{}
}

// connect makes a connection that is never mended: the feed calls Run again.
func (s Settings) connect(ctx context.Context) (*connection, error) {
	options, err := s.options()
	if err != nil {
		return nil, err
	}
	c := &connection{closed: make(chan struct{})}
	c.ctx, c.lose = context.WithCancelCause(ctx)
	d := &dialer{ctx: ctx, timeout: s.ConnectTimeout}
	options = append(options,
		nats.Name("hisgate "+s.Durable), nats.NoReconnect(), nats.SkipHostLookup(), nats.SetCustomDialer(d),
		nats.Timeout(s.ConnectTimeout), nats.PingInterval(s.PingInterval), nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(s.ConnectTimeout),
		nats.ClosedHandler(func(nc *nats.Conn) {
			c.lose(lostError(nc.LastError()))
			close(c.closed)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if !errors.Is(err, nats.ErrPermissionViolation) { // the request that had no right to fails by itself
				c.lose(err)
			}
		}),
	)
	c.Conn, err = nats.Connect(strings.Join(s.Addresses, ","), options...)
	if !d.done() && err == nil { // the caller's ctx has ended meanwhile
		c.Conn.Close()
		<-c.closed
		err = context.Cause(ctx)
	}
	if err != nil {
		c.lose(err)
		if d.err != nil {
			err = fmt.Errorf("%w: %w", err, d.err)
		}
		return nil, fmt.Errorf("connect: %w", err)
	}
	return c, nil
}

func lostError(err error) error {
	if err == nil {
		return nats.ErrConnectionClosed
	}
	return fmt.Errorf("connection lost: %w", err)
}

// close sends what is buffered, acknowledgements among it, and closes.
func (c *connection) close() {
	c.Conn.Close()
	<-c.closed
	c.lose(nil)
}

// options read the files, at each connection anew.
func (s Settings) options() ([]nats.Option, error) {
	var options []nats.Option
	switch {
	case s.CredsFile != "":
		options = append(options, nats.UserCredentials(s.CredsFile))
	case s.NKeyFile != "":
		o, err := nats.NkeyOptionFromSeed(s.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("nkey_file: %w", err)
		}
		options = append(options, o)
	case s.TokenFile != "":
		token, err := link.Secret(s.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("token_file: %w", err)
		}
		options = append(options, nats.Token(token))
	case s.User != "":
		password, err := link.Secret(s.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("password_file: %w", err)
		}
		options = append(options, nats.UserInfo(s.User, password))
	}
	t, err := s.TLS.Config()
	if err != nil {
		return nil, err
	}
	if t != nil {
		options = append(options, nats.Secure(t))
	}
	return options, nil
}

// dialer dials for one connect, which ends when ctx does: nats.Connect has no
// context of its own.
type dialer struct {
	ctx     context.Context
	timeout time.Duration
	err     error // of the last connection that could not be made

	mu    sync.Mutex
	stops []func() bool
}

// Dial is called by nats.Connect.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: d.timeout}).DialContext(d.ctx, network, address)
	if err != nil {
		d.err = err
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stops = append(d.stops, context.AfterFunc(d.ctx, func() { _ = c.Close() }))
	return c, nil
}

// done lets connections live on when ctx ends, and reports whether it had not
// ended yet.
func (d *dialer) done() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	ok := true
	for _, stop := range d.stops {
		ok = stop() && ok
	}
	return ok
}
