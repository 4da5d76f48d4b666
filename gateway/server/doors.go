package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"

	"github.com/hisgate/hisgate/internal/clientaddr"
)

// Door is a listener that connections come in by, as the metric and the log name it.
type Door string

// The doors.
const (
	DoorGRPC    Door = "grpc"
	DoorHTTP    Door = "http"    // REST, the posts of feeds, and the callbacks unless they have one of their own
	DoorWebhook Door = "webhook" // WeChat's callbacks alone
)

// callbackSpare is how many connections of one client more than it may have are
// taken over HTTP: behind a proxy a callback comes from the address of everybody
// else, and is served. All others are told that there are too many.
const callbackSpare = 64

// doors bound the connections of listeners.
type doors struct {
	admit *admission

	mu   sync.Mutex
	list []*door
}

// door is a listener with bounds. What is one too many is hung up on at once.
type door struct {
	net.Listener
	name  Door
	admit *admission

	mu      sync.Mutex
	conns   int
	clients map[string]int // their connections
}

// Door bounds the connections of a listener by Limits.Connections and, but for
// callbacks, by Limits.ClientConnections. Serve what it returns in its place.
func (s *Server) Door(l net.Listener, name Door) net.Listener {
	d := &door{Listener: l, name: name, admit: s.doors.admit, clients: make(map[string]int)}
	s.doors.mu.Lock()
	defer s.doors.mu.Unlock()
	s.doors.list = append(s.doors.list, d)
	return d
}

// load is how many connections each door has now.
func (s *doors) load() map[Door]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := make(map[Door]int, len(s.list))
	for _, d := range s.list {
		d.mu.Lock()
		open[d.name] += d.conns
		d.mu.Unlock()
	}
	return open
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		in, refused := d.enter(c)
		if refused == "" {
			return in, nil
		}
		d.admit.turnedAway(refused, c.RemoteAddr().String(), d.name)
		_ = c.Close() // nothing was written to it
	}
}

// enter takes a connection in, or says which bound it met.
func (d *door) enter(c net.Conn) (in *boundedConn, refused scope) {
	addr := c.RemoteAddr().String()
	client, l := clientaddr.Of(addr), d.admit.limits
	d.mu.Lock()
	defer d.mu.Unlock()
	most, has := l.ClientConnections, d.clients[client]
	crowd := most > 0 && has >= most && d.name != DoorWebhook && !clientaddr.Local(addr)
	switch {
	case l.Connections > 0 && d.conns >= l.Connections:
		return nil, scopeConnections
	case crowd && (d.name == DoorGRPC || has >= most+callbackSpare):
		return nil, scopeClientConnections
	}
	d.conns++
	d.clients[client]++
	return &boundedConn{Conn: c, crowd: crowd, leave: sync.OnceFunc(func() { d.left(client) })}, ""
}

func (d *door) left(client string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns--
	if d.clients[client]--; d.clients[client] == 0 {
		delete(d.clients, client)
	}
}

// boundedConn gives its place back when it is closed.
type boundedConn struct {
	net.Conn
	crowd bool // it is there for callbacks alone
	leave func()
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

type crowdKey struct{}

// markCrowd is an http.Server's ConnContext.
func markCrowd(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if b, ok := c.(*boundedConn); ok && b.crowd {
		return context.WithValue(ctx, crowdKey{}, true)
	}
	return ctx
}

// uncrowded refuses what comes by a connection that is there for callbacks.
func uncrowded(errs *restErrors, admit *admission, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(crowdKey{}) == nil {
			next.ServeHTTP(w, r)
			return
		}
		admit.turnedAway(scopeClientConnections, r.RemoteAddr, DoorHTTP)
		w.Header().Set("Connection", "close")
		f, _ := classify(&limitError{scope: scopeClientConnections})
		errs.write(w, r, http.StatusTooManyRequests, f.status())
	})
}
