package httphis

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"

	"github.com/hisgate/hisgate/hisadapter"
)

// operationKey is the key of a request's operation in its context.
type operationKey struct{}

// Operation is the operation that a request belongs to, as a transport of
// Options finds it in the request's context; "" for any other request.
func Operation(ctx context.Context) Op {
	op, _ := ctx.Value(operationKey{}).(Op)
	return op
}

// Reach opens a connection as the calls do, with TLS where the address has it,
// and closes it. Nothing is asked. Behind a forward proxy only the proxy is
// reached. It blocks until the connection stands or ctx ended; its error is an
// *hisadapter.Error, NotSent.
func (d *Driver) Reach(ctx context.Context) error {
	err := d.reach(ctx)
	if err != nil {
		return &hisadapter.Error{Op: "Connect", Outcome: hisadapter.NotSent, Err: err}
	}
	return nil
}

func (d *Driver) reach(ctx context.Context) error {
	to := d.base
	if d.m.conn.proxy != nil {
		to = d.m.conn.proxy
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", hostPort(to))
	if err != nil {
		return err
	}
	defer conn.Close()
	if to.Scheme != "https" {
		return nil
	}
	config := d.m.conn.tls.config()
	if config.ServerName == "" {
		config.ServerName = to.Hostname()
	}
	return tls.Client(conn, config).HandshakeContext(ctx)
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		if port = "80"; u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// HasSession reports whether the mapping logs in.
func (d *Driver) HasSession() bool { return d.session != nil }
