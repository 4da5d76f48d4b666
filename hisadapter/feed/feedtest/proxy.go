package feedtest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy is a TCP connection's way to a server, on which it can come to grief.
type Proxy struct {
	listener net.Listener
	received atomic.Int64
	wg       sync.WaitGroup

	mu     sync.Mutex
	target string
	links  map[*link]bool
	flows  chan struct{} // closed while bytes pass
	closed bool
}

type link struct{ client, server net.Conn }

// NewProxy listens on a free port of loopback and leads to the address target,
// until the test is over.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, target: target, links: map[*link]bool{}, flows: make(chan struct{})}
	close(p.flows)
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is where clients dial: host and port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Lead leads new connections to another server, until back is called.
func (p *Proxy) Lead(target string) (back func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.target
	p.target = target
	return func() { p.Lead(before) }
}

// Cut breaks every connection that is open. Bytes on their way may be lost, in
// both directions.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.links {
		k.cut()
	}
}

// Freeze lets nothing pass any more: connections stay open, new ones too, and
// nobody answers.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flows = make(chan struct{})
}

// Thaw ends a Freeze. What was sent meanwhile arrives.
func (p *Proxy) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flows:
	default:
		close(p.flows)
	}
}

// Received is how many bytes came from the server.
func (p *Proxy) Received() int64 { return p.received.Load() }

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	server, err := net.Dial("tcp", target)
	if err != nil {
		_ = client.Close()
		return
	}
	k := &link{client, server}
	p.mu.Lock()
	p.links[k] = true
	if p.closed {
		k.cut()
	}
	p.mu.Unlock()
	p.wg.Go(func() { p.pump(k, client, server, &p.received) })
	p.pump(k, server, client, nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, k)
}

// pump passes bytes on until one side has gone, and then cuts the other.
func (p *Proxy) pump(k *link, to, from net.Conn, count *atomic.Int64) {
	defer k.cut()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		flows := p.flows
		p.mu.Unlock()
		<-flows
		if count != nil {
			count.Add(int64(n))
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (k *link) cut() {
	_ = k.client.Close()
	_ = k.server.Close()
}

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Thaw()
	p.Cut()
	p.wg.Wait()
}
