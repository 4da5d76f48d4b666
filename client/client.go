package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// Options of a [Client]. The zero value speaks to a loopback address, without
// encryption and without a name.
type Options struct {
	// TLS encrypts the connection; see [TLSFiles]. Nil = plain, which Dial takes for
	// loopback addresses alone, unless Plaintext is set.
	TLS *tls.Config
	// Plaintext lets Dial speak to another host without TLS: for a service mesh that
	// encrypts by itself. A token then crosses that network in the clear.
	Plaintext bool
	// Token and TokenFile are shown with every call; at most one of them. The file is
	// read again when it is older than 10 seconds in memory, so that a token can be
	// changed without a restart.
	Token, TokenFile string

	// Timeout bounds a unary call with all its repeats when the context has no
	// deadline; 0 = 30 s. Streams have none.
	Timeout time.Duration
	// Attempts of a call, the first included; 0 = 4, 1 = no repeats.
	Attempts int
	// DialOptions come last, so that they count; for tracing, and for tests.
	DialOptions []grpc.DialOption
}

const (
	defaultTimeout  = 30 * time.Second // hisgate's own for a call that names none
	defaultAttempts = 4
	// maxAnswer is above the 4 MiB of gRPC: a page of 500 orders with their
	// histories may be larger.
	maxAnswer = 32 << 20
)

// Client is a connection to one hisgate. It connects when it is first used, and
// again by itself when the connection is lost. It is safe for concurrent use; a
// process needs one.
type Client struct {
	Stock  hisgatev1.StockServiceClient
	Locks  hisgatev1.LockServiceClient
	Orders hisgatev1.OrderServiceClient
	Ops    hisgatev1.OpsServiceClient

	conn *grpc.ClientConn
}

// Dial prepares a client for a hisgate at addr, HOST:PORT. It does not block and
// does not connect yet. Errors: what is wrong with the address or the options; a
// token file that cannot be read.
func Dial(addr string, o Options) (*Client, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("hisgate: address %q is not HOST:PORT: %w", addr, err)
	}
	if o.Token != "" && o.TokenFile != "" {
		return nil, errors.New("hisgate: Token and TokenFile are both set")
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Attempts <= 0 {
		o.Attempts = defaultAttempts
	}
	transport := insecure.NewCredentials()
	switch {
	case o.TLS != nil:
		transport = credentials.NewTLS(o.TLS)
	case !o.Plaintext && !isLoopback(host):
		return nil, fmt.Errorf("hisgate: %s is not a loopback address: set TLS, or Plaintext where something else encrypts", addr)
	}
	r := &repeater{timeout: o.Timeout, attempts: o.Attempts, wait: wait}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithNoProxy(), // a sidecar is never behind the proxy to the internet
		grpc.WithUserAgent("hisgate-client"),
		grpc.WithChainUnaryInterceptor(r.unary),
		grpc.WithChainStreamInterceptor(stream),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		// A host that vanished without a word is noticed within 30 s; hisgate permits a
		// ping every 10 s.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
		// A restart of hisgate takes a second or two; gRPC's own pause would be longer.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
	}
	t, err := newToken(o)
	if err != nil {
		return nil, err
	}
	if t != nil {
		options = append(options, grpc.WithPerRPCCredentials(t))
	}
	conn, err := grpc.NewClient("dns:///"+addr, append(options, o.DialOptions...)...)
	if err != nil {
		return nil, fmt.Errorf("hisgate: %w", err)
	}
	return &Client{
		Stock: hisgatev1.NewStockServiceClient(conn), Locks: hisgatev1.NewLockServiceClient(conn),
		Orders: hisgatev1.NewOrderServiceClient(conn), Ops: hisgatev1.NewOpsServiceClient(conn),
		conn: conn,
	}, nil
}

// Close ends the connection; calls under way fail as if it were lost.
func (c *Client) Close() error { return c.conn.Close() }

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
