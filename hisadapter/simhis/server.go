package simhis

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

// Server serves a HIS on a network address of its own, and can be down: while
// HIS.SetDown(true) holds, nobody listens there and connections are refused, as
// when a hospital restarts its HIS. The control calls have an address of their
// own, which stays.
type Server struct {
	his     *HIS
	addr    string
	control *http.Server
	ctlAddr string
	wg      sync.WaitGroup

	mu     sync.Mutex
	door   *http.Server  // nil while down
	closed chan struct{} // when the door no longer accepts
}

// Listen serves his at addr and its control calls at controlAddr. Port 0 takes
// any port; URL and ControlURL tell which. An empty controlAddr serves no
// control calls.
func Listen(his *HIS, addr, controlAddr string) (*Server, error) {
	s := &Server{his: his, addr: addr}
	if err := s.up(); err != nil {
		return nil, err
	}
	if controlAddr != "" {
		l, err := net.Listen("tcp", controlAddr)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("simhis: control calls: %w", err), s.Close())
		}
		s.ctlAddr = l.Addr().String()
		s.control, _ = s.serve(l, his.ControlHandler())
	}
	his.mu.Lock()
	his.onDown = append(his.onDown, s.setDown)
	his.mu.Unlock()
	return s, nil
}

// URL is the base URL for Dial.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "http://" + s.addr
}

// ControlURL is the base URL for NewControl, "" without control calls.
func (s *Server) ControlURL() string {
	if s.ctlAddr == "" {
		return ""
	}
	return "http://" + s.ctlAddr
}

// Close stops listening and cuts all connections. The HIS itself remains.
func (s *Server) Close() error {
	s.mu.Lock()
	door := s.door
	s.door = nil
	s.his = nil // SetDown(false) must not open it again
	s.mu.Unlock()
	var errs []error
	if door != nil {
		errs = append(errs, door.Close())
	}
	if s.control != nil {
		errs = append(errs, s.control.Close())
	}
	s.wg.Wait()
	return errors.Join(errs...)
}

func (s *Server) setDown(down bool) error {
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

func (s *Server) up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.his == nil || s.door != nil {
		return nil
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("simhis: %w", err)
	}
	s.addr = l.Addr().String()
	s.door, s.closed = s.serve(l, s.his.HISHandler())
	return nil
}

func (s *Server) serve(l net.Listener, handler http.Handler) (door *http.Server, closed chan struct{}) {
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		// Cut connections are faults made on purpose, not news.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	closed = make(chan struct{})
	s.wg.Go(func() {
		defer close(closed)
		// Serve returns only when the server is closed or the listener broke;
		// either way callers see connections refused.
		_ = srv.Serve(l)
	})
	return srv, closed
}
