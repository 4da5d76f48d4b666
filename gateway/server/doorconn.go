package server

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/peer"
)

// boundedConn gives its place back when it is closed.
type boundedConn struct {
	net.Conn
	door   *door
	client string
	crowd  bool // it is there for callbacks alone
	proven atomic.Bool
	calls  atomic.Int32 // of nobody known

	at   *list.Element // among the strange; nil when it is not, or no longer; of door.mu
	left bool          // of door.mu
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	c.door.mu.Lock()
	c.door.remove(c)
	c.door.mu.Unlock()
	return c.Conn.Close()
}

// RemoteAddr implements net.Conn. Over gRPC the address is all that a call knows of
// its connection.
func (c *boundedConn) RemoteAddr() net.Addr { return &boundedAddr{c.Conn.RemoteAddr(), c} }

type boundedAddr struct {
	net.Addr
	conn *boundedConn
}

// prove says that a call of somebody known came by the connection.
func (c *boundedConn) prove() {
	if c == nil || c.proven.Load() {
		return
	}
	c.proven.Store(true)
	c.door.mu.Lock()
	defer c.door.mu.Unlock()
	c.door.known(c)
}

// strangeCall counts a call of nobody known over gRPC.
func (c *boundedConn) strangeCall() {
	if c == nil || c.door.name != DoorGRPC || c.proven.Load() || c.calls.Add(1) != strangeCalls {
		return
	}
	time.AfterFunc(strangeRest, func() { c.hangUp() }) // the last answer gets out, to a client that takes it
}

// hangUp closes the connection, unless somebody known has called by it.
func (c *boundedConn) hangUp() {
	if !c.proven.Load() {
		_ = c.Close() // whoever has it learns that when he reads or writes
	}
}

// Write implements net.Conn. gRPC waits for a client that does not read without end;
// net/http has times of its own.
func (c *boundedConn) Write(b []byte) (int, error) {
	if c.door.name == DoorGRPC {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(answerTime)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

// connOf is the connection that a call came by; nil when it has no bound.
func connOf(ctx context.Context) *boundedConn {
	if p, ok := peer.FromContext(ctx); ok {
		if a, ok := p.Addr.(*boundedAddr); ok {
			return a.conn
		}
	}
	if r := requestOf(ctx); r != nil {
		return connIn(r.Context())
	}
	return nil
}

type connKey struct{}

// connIn is the connection of an HTTP request, by its context.
func connIn(ctx context.Context) *boundedConn {
	c, _ := ctx.Value(connKey{}).(*boundedConn)
	return c
}

// keepConn is an http.Server's ConnContext, for connIn.
func keepConn(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if b, ok := c.(*boundedConn); ok {
		return context.WithValue(ctx, connKey{}, b)
	}
	return ctx
}
