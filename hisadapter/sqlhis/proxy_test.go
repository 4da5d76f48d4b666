package sqlhis_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/adaptertest"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// proxy stands between a driver and its database and makes trouble on the wire.
type proxy struct {
	dialect, target string
	address         string

	mu     sync.Mutex
	l      net.Listener
	links  map[*link]bool
	strike *strike
	late   []func()   // commits on their way that nobody waits for
	held   []net.Conn // the database's side of them
	wg     sync.WaitGroup
}

// strike is trouble for the next statement that has the mark.
type strike struct {
	mark    []byte
	writes  bool
	trouble adaptertest.Trouble
	struck  chan struct{}
}

// link is one connection.
type link struct {
	p              *proxy
	client, server net.Conn
	strike         *strike // claimed
	atReply        bool    // the next reply is the one that the trouble is about
	hung           bool
	held           bool // the server's side stays open when the client goes
	answered       chan struct{}
}

func newProxy(t testing.TB, dialect, target string) *proxy {
	t.Helper()
	p := &proxy{dialect: dialect, target: target, address: "127.0.0.1:0", links: map[*link]bool{}}
	p.up(t)
	t.Cleanup(func() {
		p.down()
		p.mu.Lock()
		for _, c := range p.held {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

// up listens; down refuses connections and cuts those that are there.
func (p *proxy) up(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.l, p.address = l, l.Addr().String()
	p.mu.Unlock()
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(c) })
		}
	})
}

func (p *proxy) down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.l.Close()
	for k := range p.links {
		k.cut()
	}
}

func (k *link) cut() {
	_ = k.client.Close()
	_ = k.server.Close()
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	k := &link{p: p, client: client, server: server}
	p.mu.Lock()
	p.links[k] = true
	p.mu.Unlock()
	p.wg.Go(func() {
		pump(server, k.fromServer)
		_ = client.Close()
	})
	pump(client, k.fromClient)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, k)
	if k.held {
		p.held = append(p.held, server)
	} else {
		_ = server.Close()
	}
}

func pump(from net.Conn, handle func([]byte)) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			handle(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// fromClient passes on what the driver sends, until trouble claims it.
func (k *link) fromClient(b []byte) {
	p := k.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if k.hung {
		if bytes.HasSuffix(b, []byte("X\x00\x00\x00\x04")) { // PostgreSQL's good-bye
			_ = k.client.Close()
		}
		return
	}
	if s := p.strike; s != nil && bytes.Contains(b, s.mark) {
		p.strike, k.strike = nil, s
		if before(s.trouble) {
			k.instead()
			return
		}
		k.atReply = !s.writes
	}
	if s := k.strike; s != nil && s.writes && !k.atReply && bytes.Contains(bytes.ToUpper(b), []byte("COMMIT")) {
		if s.trouble == adaptertest.LateApply {
			commit := bytes.Clone(b)
			k.hung, k.held, k.answered = true, true, make(chan struct{}, 1)
			p.late = append(p.late, func() {
				_, _ = k.server.Write(commit)
				<-k.answered
			})
			close(s.struck)
			return
		}
		k.atReply = true
	}
	_, _ = k.server.Write(b)
}

// before reports whether the database must not get to see the statement.
func before(t adaptertest.Trouble) bool {
	switch t {
	case adaptertest.TimeoutBefore, adaptertest.Reset, adaptertest.ServerError, adaptertest.Garbage, adaptertest.Busy, adaptertest.Misconfigured:
		return true
	default:
		return false
	}
}

// instead answers in place of the database.
func (k *link) instead() {
	s := k.strike
	defer close(s.struck)
	inTransaction := s.writes
	k.strike = nil
	switch s.trouble {
	case adaptertest.TimeoutBefore:
		k.hung = true
	case adaptertest.Reset:
		k.cut()
	case adaptertest.Garbage:
		_, _ = k.client.Write([]byte("HTTP/1.1 502 Bad Gateway\r\n\r\n<html>"))
		k.cut()
	case adaptertest.ServerError:
		k.say("XX000", 1105, "internal error", inTransaction)
	case adaptertest.Busy:
		k.say("53300", 1040, "Too many connections", inTransaction)
	case adaptertest.Misconfigured:
		k.say("42501", 1142, "command denied to user", inTransaction)
	}
}

// fromServer passes on what the database answers, unless it is the answer that
// the trouble is about.
func (k *link) fromServer(b []byte) {
	p := k.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if k.held {
		k.answered <- struct{}{}
		return
	}
	if !k.atReply {
		_, _ = k.client.Write(b)
		return
	}
	k.atReply = false
	s := k.strike
	k.strike = nil
	defer close(s.struck)
	switch s.trouble {
	case adaptertest.TimeoutAfter:
		k.hung = true
	case adaptertest.ServerErrorDone:
		k.say("XX000", 1105, "internal error", false)
	case adaptertest.GarbageDone:
		_, _ = k.client.Write([]byte("HTTP/1.1 502 Bad Gateway\r\n\r\n<html>"))
		k.cut()
	case adaptertest.TruncatedDone:
		_, _ = k.client.Write(b[:len(b)/2])
		k.cut()
	case adaptertest.ResetDone:
		k.cut()
	}
}

// say sends an error in the database's protocol.
func (k *link) say(state string, number uint16, words string, inTransaction bool) {
	var out []byte
	if k.p.dialect == sqlhis.Postgres {
		body := []byte("SERROR\x00VERROR\x00C" + state + "\x00M" + words + "\x00\x00")
		out = append(out, 'E')
		out = binary.BigEndian.AppendUint32(out, uint32(len(body)+4))
		out = append(out, body...)
		status := byte('I')
		if inTransaction {
			status = 'E'
		}
		out = append(out, 'Z', 0, 0, 0, 5, status)
	} else {
		body := append([]byte{0xff, byte(number), byte(number >> 8)}, "#HY000"+words...)
		out = append([]byte{byte(len(body)), 0, 0, 1}, body...)
	}
	_, _ = k.client.Write(out)
}

// idle waits until no hung call has a caller any more.
func (p *proxy) idle(t testing.TB) {
	t.Helper()
	for giveUp := time.Now().Add(time.Minute); ; runtime.Gosched() {
		p.mu.Lock()
		waiting := 0
		for k := range p.links {
			if k.hung {
				waiting++
			}
		}
		p.mu.Unlock()
		if waiting == 0 {
			return
		}
		if time.Now().After(giveUp) {
			t.Fatal("callers still wait")
		}
	}
}

// arrive lets the late commits reach the database, and waits until it has taken
// them.
func (p *proxy) arrive() {
	p.mu.Lock()
	late := p.late
	p.late = nil
	p.mu.Unlock()
	for _, send := range late {
		send()
	}
}
