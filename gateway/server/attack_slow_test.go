package server_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/gateway/server/access"
)

// pipes is a listener of connections within the process, so that time may be
// simulated: a write waits until the other side reads.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	over  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), over: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.over:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.over) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// closedAfter reads until the server hangs up, and returns how long that took.
func closedAfter(c net.Conn) time.Duration {
	began := time.Now()
	_, _ = io.Copy(io.Discard, c)
	return time.Since(began)
}

// trickle writes a byte each second until the connection is gone.
func trickle(c net.Conn) {
	for {
		time.Sleep(time.Second) // of the bubble
		if _, err := c.Write([]byte("x")); err != nil {
			return
		}
	}
}

// A connection that sends its header, or nothing, in its own time is hung up on; so
// is one that lies idle, and one whose client does not take its answer. Times are
// those of the server, not of the client.
func TestSlowConnectionsAreHungUpOn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		act    func(c net.Conn, beside *sync.WaitGroup)
		within time.Duration
	}{
		{"nothing is sent", func(net.Conn, *sync.WaitGroup) {}, 5 * time.Second},
		{"a header byte by byte", func(c net.Conn, beside *sync.WaitGroup) {
			beside.Go(func() {
				_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ")
				trickle(c)
			})
		}, 6 * time.Second},
		{"a body that nobody wants", func(c net.Conn, _ *sync.WaitGroup) {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
		}, 20 * time.Second},
		{"a body of no path", func(c net.Conn, _ *sync.WaitGroup) {
			_, _ = io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
		}, 20 * time.Second},
		{"idle after an answer", func(c net.Conn, _ *sync.WaitGroup) {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
			if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
			}
		}, 2 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				srv := server.NewHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }), nil)
				go func() { _ = srv.Serve(l) }()
				c := l.dial()
				var beside sync.WaitGroup
				tt.act(c, &beside)
				if took := closedAfter(c); took > tt.within {
					t.Errorf("it was cut off after %v, want %v", took, tt.within)
				}
				c.Close()
				srv.Close()
				beside.Wait()
			})
		})
	}
}

// Who does not read its answer, however it is written, does not keep the one who
// writes it.
func TestAnAnswerThatNobodyTakesIsGivenUp(t *testing.T) {
	for name, write := range map[string]func(w http.ResponseWriter) error{
		"at once": func(w http.ResponseWriter) error {
			_, err := io.WriteString(w, strings.Repeat("x", 1<<20))
			return err
		},
		"as a stream": func(w http.ResponseWriter) error {
			for {
				if _, err := io.WriteString(w, "data\n"); err != nil {
					return err
				}
				if err := http.NewResponseController(w).Flush(); err != nil {
					return err
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				gaveUp := make(chan error, 1)
				srv := server.NewHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { gaveUp <- write(w) }), nil)
				go func() { _ = srv.Serve(l) }()
				c := l.dial()
				_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
				select {
				case err := <-gaveUp:
					if err == nil {
						t.Error("everything was written to nobody")
					}
				case <-time.After(time.Hour):
					t.Error("it still waits after an hour")
				}
				c.Close()
				srv.Close()
			})
		})
	}
}

// A stream that is read goes on for as long as it likes, also with long pauses.
func TestAStreamThatIsReadGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		srv := server.NewHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for range 10 {
				time.Sleep(10 * time.Minute)
				_, _ = io.WriteString(w, "data\n")
				_ = http.NewResponseController(w).Flush()
			}
		}), nil)
		go func() { _ = srv.Serve(l) }()
		c := l.dial()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); err != nil || strings.Count(string(got), "data") != 10 {
			t.Errorf("%q, %v", got, err)
		}
		c.Close()
		srv.Close()
	})
}

// A body that trickles in ends with its time, whatever its length says.
func TestASlowBodyIsCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakePay())
	c, err := net.Dial("tcp", w.rest.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil { // only a failure takes it
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "POST /v1/locks HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusBadRequest || !resp.Close || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("answered %s, close %t: %s, %v", resp.Status, resp.Close, body, err)
	}
}

// Nothing that is long is read of a stranger: what he sends would lie in memory,
// from as many connections as he likes, until the services refuse him.
func TestALongBodyOfAStrangerIsNotRead(t *testing.T) {
	t.Parallel()
	w, tokens := guardedWorld(t, nil)
	for name, header := range map[string]string{
		"a length":            "Content-Length: 1000000\r\n",
		"chunks":              "Transfer-Encoding: chunked\r\n",
		"a token that is bad": "Content-Length: 1000000\r\nAuthorization: Bearer hg_none\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", w.rest.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil { // only a failure takes it
				t.Fatal(err)
			}
			if _, err := io.WriteString(c, "POST /v1/locks HTTP/1.1\r\nHost: h\r\n"+header+"\r\n"); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil) // no byte of the body was sent
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusUnauthorized || !resp.Close || err != nil {
				t.Errorf("answered %s, close %t: %s, %v", resp.Status, resp.Close, body, err)
			}
		})
	}
	t.Run("a known caller", func(t *testing.T) {
		t.Parallel()
		body := lockBody("LONG", "00010041", 1) + strings.Repeat(" ", 100_000)
		if code, _, out := w.call(t, http.MethodPost, "/v1/locks", body, "Authorization", "Bearer "+tokens[access.Locker]); code != http.StatusOK {
			t.Errorf("%d %v", code, out)
		}
	})
}
