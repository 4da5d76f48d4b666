package simhis

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Door serves a handler on a loopback address of its own. While it is shut
// nobody listens there and connections are refused, as when a hospital restarts
// its HIS.
type Door struct {
	handler http.Handler

	mu     sync.Mutex
	addr   string
	server *http.Server  // nil while shut
	closed chan struct{} // when the server no longer accepts
}

// Serve opens a door to handler on any free port of the loopback interface.
func Serve(handler http.Handler) (*Door, error) {
	d := &Door{handler: handler, addr: "127.0.0.1:0"}
	if err := d.Open(); err != nil {
		return nil, err
	}
	return d, nil
}

// URL is the base URL of what is served. It stays the same when the door was
// shut.
func (d *Door) URL() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return "http://" + d.addr
}

// Close cuts all connections; from its return on new ones are refused. Closing a
// door that is shut does nothing.
func (d *Door) Close() error {
	d.mu.Lock()
	server, closed := d.server, d.closed
	d.server = nil
	d.mu.Unlock()
	if server == nil {
		return nil
	}
	err := server.Close()
	// The socket listens until the last Accept has returned.
	<-closed
	return err
}

// Open listens again after Close; on an open door it does nothing. It fails when
// somebody else took the address meanwhile.
func (d *Door) Open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != nil {
		return nil
	}
	l, err := net.Listen("tcp", d.addr)
	if err != nil {
		return fmt.Errorf("simhis: %w", err)
	}
	d.addr = l.Addr().String()
	server := &http.Server{
		Handler:           d.handler,
		ReadHeaderTimeout: 10 * time.Second,
		// Cut connections are faults made on purpose, not news.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	closed := make(chan struct{})
	d.server, d.closed = server, closed
	go func() {
		defer close(closed)
		// Serve returns only when the server is closed or the listener broke;
		// either way callers see connections refused.
		_ = server.Serve(l)
	}()
	return nil
}
