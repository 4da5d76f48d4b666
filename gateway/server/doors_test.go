package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hisgate/hisgate/gateway/server"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// far is a listener whose connections come from where the test says.
type far struct {
	net.Listener
	from chan string
}

func listenFar(t *testing.T) *far {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &far{Listener: l, from: make(chan string, 1)}
}

func (l *far) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	addr, err := net.ResolveTCPAddr("tcp", <-l.from)
	return &farConn{Conn: c, addr: addr}, err
}

type farConn struct {
	net.Conn
	addr net.Addr
}

func (c *farConn) RemoteAddr() net.Addr { return c.addr }

// dial connects from an address.
func (l *far) dial(t *testing.T, from string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	l.from <- from
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil { // only a failure takes it
		t.Fatal(err)
	}
	return c
}

// ask makes a request on a connection; nil when that was hung up on.
func ask(t *testing.T, c net.Conn, request string) *http.Response {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		return nil
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		if isTimeout(err) {
			t.Fatal(err)
		}
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	return resp
}

const (
	getStock = "GET " + stockPath + " HTTP/1.1\r\nHost: h\r\n\r\n"
	callback = "POST /wechat/v1/payment HTTP/1.1\r\nHost: h\r\nWechatpay-Timestamp: 1\r\nWechatpay-Nonce: n\r\n" +
		"Wechatpay-Signature: s\r\nWechatpay-Serial: S\r\nContent-Length: 4\r\n\r\ngood"
)

// serveFar serves REST, with callbacks, to connections from anywhere.
func (w *world) serveFar(t *testing.T, name server.Door) *far {
	t.Helper()
	l := listenFar(t)
	srv := server.NewHTTPServer(w.srv.Public(true), nil)
	go func() { _ = srv.Serve(w.srv.Door(l, name)) }()
	t.Cleanup(func() { srv.Close() })
	return l
}

// One client has no more connections over REST than it may; what comes by one more is
// told so, but for callbacks, which may come from the address of a proxy that has
// them all. Others are served, and places that were given back are had again.
func TestAClientHasItsConnections(t *testing.T) {
	w := newWorld(t, newFakePay(), limits(server.Limits{ClientConnections: 3}))
	l := w.serveFar(t, server.DoorHTTP)
	var held []net.Conn
	for range 3 {
		c := l.dial(t, "192.0.2.1:1000")
		if resp := ask(t, c, getStock); resp == nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("within the bound: %v", resp)
		}
		held = append(held, c)
	}
	refused := l.dial(t, "192.0.2.1:2000")
	resp := ask(t, refused, getStock)
	if resp == nil || resp.StatusCode != http.StatusTooManyRequests || !resp.Close || resp.Header.Get("Retry-After") == "" || resp.Header.Get("X-Request-Id") == "" {
		t.Fatalf("one more: %v", resp)
	}
	if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), `"RATE_LIMITED"`) || !strings.Contains(string(body), `"client_connections"`) {
		t.Errorf("one more is told %s", body)
	}
	if _, err := refused.Read(make([]byte, 1)); err != io.EOF { // its place was given back before
		t.Errorf("after the refusal: %v", err)
	}
	c := l.dial(t, "192.0.2.1:3000")
	if resp := ask(t, c, callback); resp == nil || resp.StatusCode != http.StatusOK {
		t.Errorf("a callback: %v", resp)
	}
	c.Close()
	if resp := ask(t, l.dial(t, "192.0.2.2:1000"), getStock); resp == nil || resp.StatusCode != http.StatusOK {
		t.Errorf("another client: %v", resp)
	}
	for range 10 {
		if resp := ask(t, l.dial(t, "127.0.0.1:1000"), getStock); resp == nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("a proxy on this machine: %v", resp)
		}
	}
	if n := w.limited(t, "client_connections"); n != 1 {
		t.Errorf("hisgate_limited_total{client_connections} = %v", n)
	}
	if log := w.log.String(); strings.Count(log, "connections are being refused") != 1 || !strings.Contains(log, `"client":"addr:192.0.2.1"`) || !strings.Contains(log, `"listener":"http"`) {
		t.Errorf("the log: %s", log)
	}
	held[0].Close()
	for range 1000 { // the server learns in a moment that it is gone
		if resp := ask(t, l.dial(t, "192.0.2.1:1000"), getStock); resp != nil && resp.StatusCode == http.StatusOK {
			return
		}
	}
	t.Error("a connection that was closed keeps its place")
}

// The connections that are spare for callbacks serve nobody else, in whatever order
// they come and go.
func TestTheSpareConnectionsAreForCallbacks(t *testing.T) {
	l := newListed(t, shopReads, time.Hour, limits(server.Limits{ClientConnections: 2}))
	far := l.serveFar(t, server.DoorHTTP)
	request := strings.Replace(getStock, "Host: h", "Host: h\r\nAuthorization: Bearer "+l.token, 1)
	for range 2 {
		if resp := ask(t, far.dial(t, "192.0.2.1:1"), request); resp == nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("within the bound: %v", resp)
		}
	}
	far.dial(t, "192.0.2.1:2") // one more, which gives way to the next
	if resp := ask(t, far.dial(t, "192.0.2.1:3"), request); resp == nil || resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one more than the bound: %v", resp)
	}
	far.dial(t, "192.0.2.1:4")
	if resp := ask(t, far.dial(t, "192.0.2.1:5"), callback); resp == nil || resp.StatusCode != http.StatusOK {
		t.Errorf("a callback: %v", resp)
	}
}

// Who opens connections without end and shows no name loses the oldest of them, over
// REST and gRPC, and others are served.
func TestTooManyConnectionsAreHungUpOn(t *testing.T) {
	w := newWorld(t, newFakePay(), limits(server.Limits{ClientConnections: 10, Connections: 200}))
	rest, calls, hooks := w.serveFar(t, server.DoorHTTP), w.serveCalls(t), w.serveFar(t, server.DoorWebhook)
	for name, tt := range map[string]struct {
		l      *far
		most   int
		metric string
	}{
		"rest": {rest, 10, "client_connections"},
		"grpc": {calls, 10, "client_connections"},
		// Callbacks of a proxy may be as many as there are connections.
		"webhook": {hooks, 200, "connections"},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.limited(t, tt.metric)
			first := tt.l.dial(t, "192.0.2.1:1000")
			for range tt.most {
				tt.l.dial(t, "192.0.2.1:1000")
			}
			if _, err := io.Copy(io.Discard, first); isTimeout(err) {
				t.Errorf("it is still there: %v", err)
			}
			if n := w.limited(t, tt.metric) - before; n != 1 {
				t.Errorf("%v were refused", n)
			}
		})
	}
	for _, from := range []string{"192.0.2.1:1000", "192.0.2.2:1000"} {
		if resp := ask(t, rest.dial(t, from), getStock); resp == nil || resp.StatusCode != http.StatusOK {
			t.Errorf("from %s: %v", from, resp)
		}
	}
}

// serveCalls serves gRPC to connections from anywhere.
func (w *world) serveCalls(t *testing.T) *far {
	t.Helper()
	l := listenFar(t)
	go func() { _ = w.srv.GRPC().Serve(w.srv.Door(l, server.DoorGRPC)) }() // until Shutdown
	return l
}

// Strangers may come from as many addresses as they like, and hold all connections:
// a caller gets in, and stays.
func TestStrangersMakeRoomForCallers(t *testing.T) {
	l := newListed(t, shopReads, time.Hour, limits(server.Limits{ClientConnections: 5, Connections: 20}))
	rest, calls := l.serveFar(t, server.DoorHTTP), l.serveCalls(t)
	flood := func(far *far) {
		for i := range 60 {
			far.dial(t, fmt.Sprintf("198.51.100.%d:1", i))
		}
	}
	flood(rest)
	c := rest.dial(t, "192.0.2.1:1")
	request := strings.Replace(getStock, "Host: h", "Host: h\r\nAuthorization: Bearer "+l.token, 1)
	for range 3 {
		if resp := ask(t, c, request); resp == nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("over REST: %v", resp)
		}
		flood(rest)
	}
	flood(calls)
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return calls.dial(t, "192.0.2.1:1"), nil }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := hisgatev1.NewStockServiceClient(conn).WatchStock(l.as(t), &hisgatev1.WatchStockRequest{PharmacyId: pharmacy, DrugIds: []string{"00010041"}})
	for range 3 {
		if err == nil {
			_, err = hisgatev1.NewStockServiceClient(conn).GetStock(l.as(t), &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: "00010041"})
		}
		if err != nil {
			t.Fatalf("over gRPC: %v", err)
		}
		flood(calls)
	}
	if _, err := stream.Recv(); err != nil {
		t.Errorf("a stream beside the flood: %v", err)
	}
	if n := l.limited(t, "connections"); n < 400 {
		t.Errorf("only %v gave way", n)
	}
}

// All clients together have no more connections than there may be.
func TestAllConnectionsTogether(t *testing.T) {
	w := newWorld(t, newFakePay(), limits(server.Limits{Connections: 5}))
	l := w.serveFar(t, server.DoorHTTP)
	for _, from := range []string{"127.0.0.1:1", "192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "[2001:db8::1]:1"} {
		if resp := ask(t, l.dial(t, from), getStock); resp == nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v", from, resp)
		}
	}
	if resp := ask(t, l.dial(t, "192.0.2.9:1"), getStock); resp != nil {
		t.Errorf("one more was answered %s", resp.Status)
	}
	if n := w.limited(t, "connections"); n != 1 {
		t.Errorf("hisgate_limited_total{connections} = %v", n)
	}
}
