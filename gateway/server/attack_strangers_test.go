package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/hisgate/hisgate/gateway/server"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// Health checks that never come are cut off for those that do, however many there
// are of an address: a prober is answered from the address of the flood, too.
func TestHealthChecksThatNeverComeKeepNobodyOut(t *testing.T) {
	w := newWorld(t, newFakePay(), limits(server.Limits{MessageTime: time.Hour}))
	ended := make(chan error, 200)
	for n := range cap(ended) {
		method := healthpb.Health_Check_FullMethodName
		if n%2 == 1 {
			method = healthpb.Health_Watch_FullMethodName
		}
		go func(s grpc.ClientStream) { ended <- s.RecvMsg(&healthpb.HealthCheckResponse{}) }(w.silent(t, t.Context(), method))
	}
	for range cap(ended) - 32 { // as many as may wait are still there
		want(t, <-ended, codes.ResourceExhausted, "RATE_LIMITED")
	}
	for range 10 {
		if _, err := healthpb.NewHealthClient(w.conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			t.Fatalf("a health check beside them: %v", err)
		}
	}
}

// Who sends much data, to calls that there are not, is given no wider window for
// those that there are: what nobody reads of them would fill the memory.
func TestAFloodOfDataWidensNoWindow(t *testing.T) {
	w := newWorld(t, newFakePay())
	c, err := net.Dial("tcp", w.listen(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil { // only a failure takes it
		t.Fatal(err)
	}
	f := http2.NewFramer(c, c)
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head("/no/such"), EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	const enough, piece = 32 << 20, 16 << 10 // bytes
	window, sent := 65_535, 0
	for sent < enough {
		for ; window >= piece && sent < enough; window, sent = window-piece, sent+piece {
			if err := f.WriteData(1, false, make([]byte, piece)); err != nil {
				t.Fatal(err)
			}
		}
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch frame := frame.(type) {
		case *http2.WindowUpdateFrame:
			if frame.StreamID == 0 {
				window += int(frame.Increment)
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				err = f.WritePing(true, frame.Data)
			}
		case *http2.SettingsFrame:
			if size, ok := frame.Value(http2.SettingInitialWindowSize); ok && size > 64<<10 {
				t.Fatalf("after %d bytes the window of every call is %d bytes", sent, size)
			}
			if !frame.IsAck() {
				err = f.WriteSettingsAck()
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// serveH2 is serveFar over HTTP/2, as with TLS, but without it.
func (w *world) serveH2(t *testing.T) *far {
	t.Helper()
	l := listenFar(t)
	srv := server.NewHTTPServer(w.srv.Public(true), nil)
	srv.Protocols = new(http.Protocols)
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = srv.Serve(w.srv.Door(l, server.DoorHTTP)) }()
	t.Cleanup(func() { srv.Close() })
	return l
}

// Over HTTP/2 a connection carries hundreds of requests at a time, and each of them
// may wait: for a body that does not come, or for a client that takes no answer.
// Those of strangers make room for each other, and callers and callbacks are served.
func TestRequestsOfStrangersMakeRoom(t *testing.T) {
	for name, request := range map[string][]hpack.HeaderField{
		"a body of a call": {{Name: ":method", Value: "POST"}, {Name: ":path", Value: "/v1/locks"}, {Name: "content-length", Value: "5"}},
		"a callback": {
			{Name: ":method", Value: "POST"},
			{Name: ":path", Value: "/wechat/v1/payment"},
			{Name: "content-length", Value: "60000"},
			{Name: "wechatpay-timestamp", Value: "1"},
			{Name: "wechatpay-nonce", Value: "n"},
			{Name: "wechatpay-signature", Value: "s"},
			{Name: "wechatpay-serial", Value: "S"},
		},
		"a page that is not taken": {{Name: ":method", Value: "GET"}, {Name: ":path", Value: "/openapi.json"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListed(t, shopReads, time.Hour)
			h2, h1 := l.serveH2(t), l.serveFar(t, server.DoorHTTP)
			var enemies []*enemy
			for i := range 6 { // of one address, 250 requests each
				e := attackOn(t, h2.dial(t, "198.51.100.1:1"))
				enemies = append(enemies, e)
				if err := e.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
					t.Fatal(err)
				}
				for n := range uint32(250) {
					err := e.WriteHeaders(http2.HeadersFrameParam{
						StreamID: 2*n + 1, BlockFragment: rawHead(append(slices.Clone(request), hpack.HeaderField{Name: ":scheme", Value: "http"}, hpack.HeaderField{Name: ":authority", Value: "h"})),
						EndHeaders: true, EndStream: request[0].Value == http.MethodGet,
					})
					if err != nil {
						t.Fatalf("connection %d: %v", i, err)
					}
				}
			}
			for range enemies[0].goAway { // until it is hung up on
			}
			if n := l.limited(t, "in_flight"); n < 1 {
				t.Errorf("hisgate_limited_total{in_flight} = %v", n)
			}
			if resp := ask(t, h1.dial(t, "198.51.100.1:2"), strings.Replace(getStock, "Host: h", "Host: h\r\nAuthorization: Bearer "+l.token, 1)); resp == nil || resp.StatusCode != http.StatusOK {
				t.Errorf("a caller of the same address: %v", resp)
			}
			if resp := ask(t, h1.dial(t, "198.51.100.1:3"), callback); resp == nil || resp.StatusCode != http.StatusOK {
				t.Errorf("a callback from the same address: %v", resp)
			}
		})
	}
}

// A connection over gRPC by which nobody known calls ends after some calls: each
// answer that a client does not take would wait for him for ever.
func TestAStrangersConnectionEndsAfterSomeCalls(t *testing.T) {
	l := newListed(t, shopReads, time.Hour)
	calls := l.serveCalls(t)
	e := attackOn(t, calls.dial(t, "198.51.100.1:1"))
	if err := e.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		t.Fatal(err)
	}
	for n := range uint32(32) {
		id := 2*n + 1
		if err := e.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head(healthpb.Health_Check_FullMethodName), EndHeaders: true}); err != nil {
			t.Fatal(err)
		}
		if err := e.WriteData(id, true, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
	}
	for range e.goAway { // until it is hung up on
	}
	if err := e.WritePing(false, [8]byte{}); err == nil {
		_, err = e.Conn.Read(make([]byte, 1))
		if err == nil || isTimeout(err) {
			t.Errorf("it is still there: %v", err)
		}
	}
	dials := 0
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			dials++
			return calls.dial(t, "198.51.100.1:2"), nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for n := range 100 {
		if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			t.Fatalf("health check %d: %v", n, err)
		}
		if _, err := hisgatev1.NewStockServiceClient(conn).GetStock(l.as(t), &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: "00010041"}); err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
	}
	if dials != 1 {
		t.Errorf("a caller's connection was made %d times", dials)
	}
}

// Over gRPC, too, who does not read his connection is hung up on.
func TestAConnectionThatIsNotReadIsHungUpOn(t *testing.T) {
	w := newWorld(t, newFakePay())
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		door := w.srv.Door(l, server.DoorGRPC)
		go l.dial()
		c, err := door.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		began := time.Now()
		if n, err := fmt.Fprint(c, "an answer"); !isTimeout(err) || time.Since(began) != 30*time.Second {
			t.Errorf("%d bytes were written, %v, after %v", n, err, time.Since(began))
		}
	})
}

// rawHead is a header as it is given.
func rawHead(fields []hpack.HeaderField) []byte {
	var b strings.Builder
	enc := hpack.NewEncoder(&b)
	slices.SortStableFunc(fields, func(x, y hpack.HeaderField) int {
		return strings.Index(x.Name+":", ":") - strings.Index(y.Name+":", ":") // those that begin with a colon first
	})
	for _, f := range fields {
		_ = enc.WriteField(f) // to memory
	}
	return []byte(b.String())
}
