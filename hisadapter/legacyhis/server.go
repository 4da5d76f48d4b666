package legacyhis

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server serves a dialect on a loopback address of its own. While it is down
// nobody listens there and connections are refused.
type Server struct {
	handler http.Handler

	mu     sync.Mutex
	addr   string
	door   *http.Server  // nil while down
	closed chan struct{} // when the door no longer accepts
}

// Serve listens on any free port of the loopback interface.
func Serve(handler http.Handler) (*Server, error) {
	s := &Server{handler: handler, addr: "127.0.0.1:0"}
	if err := s.up(); err != nil {
		return nil, err
	}
	return s, nil
}

// URL is the base URL of the dialect. It stays the same when the server was
// down.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "http://" + s.addr
}

// SetDown cuts all connections and refuses new ones, or listens again. From its
// return on connections are refused. It fails when somebody else took the
// address meanwhile.
func (s *Server) SetDown(down bool) error {
	if !down {
		return s.up()
	}
	s.mu.Lock()
	door, closed := s.door, s.closed
	s.door = nil
	s.mu.Unlock()
	if door == nil {
		return nil
	}
	err := door.Close()
	// The socket listens until the last Accept has returned.
	<-closed
	return err
}

// Close stops listening and cuts all connections.
func (s *Server) Close() error { return s.SetDown(true) }

func (s *Server) up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.door != nil {
		return nil
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("legacyhis: %w", err)
	}
	s.addr = l.Addr().String()
	door := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		// Cut connections are faults made on purpose, not news.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	closed := make(chan struct{})
	s.door, s.closed = door, closed
	go func() {
		defer close(closed)
		if err := door.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			l.Close() // callers see connections refused
		}
	}()
	return nil
}
