package server

import (
	"container/list"
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

// door is a listener with bounds. When all places are taken, whoever has had his for
// longest without a call of somebody known gives way; when there is none such, what
// is one too many is hung up on.
type door struct {
	net.Listener
	name  Door
	admit *admission

	mu      sync.Mutex
	conns   int
	clients map[string]int // their connections
	strange *list.List     // of *boundedConn: those of nobody known, the oldest first
}

// Door bounds the connections of a listener by Limits.Connections and, but for
// callbacks, by Limits.ClientConnections. Serve what it returns in its place.
func (s *Server) Door(l net.Listener, name Door) net.Listener {
	d := &door{Listener: l, name: name, admit: s.doors.admit, clients: make(map[string]int), strange: list.New()}
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
		in, out, met := d.enter(c)
		if out != nil {
			d.admit.turnedAway(met, out.RemoteAddr().String(), d.name)
			_ = out.Close() // whoever has it learns that when he reads or writes
		}
		if in != nil {
			return in, nil
		}
	}
}

// enter takes a connection in, and says who is out for it: nobody, somebody with the
// bound that was met, or c itself.
func (d *door) enter(c net.Conn) (in *boundedConn, out net.Conn, met scope) {
	addr := c.RemoteAddr().String()
	in = &boundedConn{Conn: c, door: d, client: clientaddr.Of(addr)}
	l := d.admit.limits
	d.mu.Lock()
	defer d.mu.Unlock()
	most, has := l.ClientConnections, d.clients[in.client]
	var gives *boundedConn
	if most > 0 && has >= most && d.name != DoorWebhook && !clientaddr.Local(addr) {
		gives, met = d.oldest(in.client), scopeClientConnections
		in.crowd = gives == nil || gives.crowd
		if gives == nil && (d.name == DoorGRPC || has >= most+callbackSpare) {
			return nil, c, met
		}
	}
	if l.Connections > 0 && d.conns >= l.Connections && gives == nil {
		if gives, met = d.oldest(""), scopeConnections; gives == nil {
			return nil, c, met
		}
	}
	if gives != nil {
		d.remove(gives)
		out = gives
	}
	d.conns++
	d.clients[in.client]++
	in.at = d.strange.PushBack(in)
	return in, out, met
}

// oldest is the connection of nobody known that a client has had for longest, or
// that anybody has; nil = there is none. It is called under mu.
func (d *door) oldest(client string) *boundedConn {
	for e := d.strange.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*boundedConn); client == "" || c.client == client {
			return c
		}
	}
	return nil
}

// remove gives the place of a connection back, once, under mu.
func (d *door) remove(c *boundedConn) {
	if c.left {
		return
	}
	c.left = true
	d.known(c)
	d.conns--
	if d.clients[c.client]--; d.clients[c.client] == 0 {
		delete(d.clients, c.client)
	}
}

// known keeps a connection from giving way to others, under mu.
func (d *door) known(c *boundedConn) {
	if c.at != nil {
		d.strange.Remove(c.at)
		c.at = nil
	}
}

// uncrowded refuses what comes by a connection that is there for callbacks.
func uncrowded(errs *restErrors, admit *admission, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := connIn(r.Context()); c == nil || !c.crowd {
			next.ServeHTTP(w, r)
			return
		}
		admit.turnedAway(scopeClientConnections, r.RemoteAddr, DoorHTTP)
		w.Header().Set("Connection", "close")
		f, _ := classify(&limitError{scope: scopeClientConnections})
		errs.write(w, r, http.StatusTooManyRequests, f.status())
	})
}

// proving lets the connections of whoever posts to a feed and is believed stay.
func proving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		if answer.status < http.StatusBadRequest {
			connIn(r.Context()).prove()
		}
	})
}
