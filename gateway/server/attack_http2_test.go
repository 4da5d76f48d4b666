package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// listen serves gRPC on a real listener, too.
func (w *world) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = w.srv.GRPC().Serve(l) }() // until Shutdown
	return l.Addr().String()
}

// enemy is an HTTP/2 connection that keeps no rules.
type enemy struct {
	net.Conn
	*http2.Framer
	goAway chan http2.ErrCode // what the server said when it hung up; closed at the end
}

// attack opens one, in which the server's frames are read and thrown away.
func attack(t *testing.T, addr string) *enemy {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil { // only a failure takes it
		t.Fatal(err)
	}
	return attackOn(t, c)
}

// attackOn is attack on a connection that there is.
func attackOn(t *testing.T, c net.Conn) *enemy {
	t.Helper()
	e := &enemy{Conn: c, Framer: http2.NewFramer(c, c), goAway: make(chan http2.ErrCode, 1)}
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := e.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(e.goAway)
		for {
			f, err := e.ReadFrame()
			if err != nil {
				return
			}
			if away, ok := f.(*http2.GoAwayFrame); ok {
				select {
				case e.goAway <- away.ErrCode:
				default:
				}
			}
		}
	}()
	return e
}

// head is the header of a call, with what is added.
func head(method string, add ...hpack.HeaderField) []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for _, f := range append([]hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: method},
		{Name: ":authority", Value: "evil.example"},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "te", Value: "trailers"},
	}, add...) {
		_ = enc.WriteField(f) // to memory
	}
	return b.Bytes()
}

// served reports whether a well-behaved client gets its answer.
func served(t *testing.T, addr string) error {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = hisgatev1.NewStockServiceClient(conn).GetStock(ctx, &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: "00010041"})
	return err
}

// Calls that are taken back as soon as they are made (rapid reset) keep nobody from
// an answer, and leave nothing behind.
func TestRapidResetHarmsNobody(t *testing.T) {
	w := newWorld(t, newFakePay())
	addr := w.listen(t)
	enemies := make([]*enemy, 4)
	floods := make(chan error, len(enemies))
	for i := range enemies {
		e := attack(t, addr)
		enemies[i] = e
		go func() {
			block := head(hisgatev1.OpsService_ExportLedger_FullMethodName) // a stream: it would last
			for id := uint32(1); id < 8000; id += 2 {
				err := e.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true})
				if err == nil {
					err = e.WriteRSTStream(id, http2.ErrCodeCancel)
				}
				if err != nil {
					floods <- err // it was hung up on, which is well
					return
				}
			}
			floods <- nil
		}()
	}
	for range 20 {
		if err := served(t, addr); err != nil {
			t.Fatalf("beside the flood: %v", err)
		}
	}
	for _, e := range enemies {
		<-floods
		e.Conn.Close()
	}
	for _, name := range []string{"hisgate_calls_in_flight", "hisgate_streams"} {
		w.comesToRest(t, name)
	}
}

// comesToRest waits until a metric is 0.
func (w *world) comesToRest(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		families, err := w.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		value, found := 0.0, false
		for _, f := range families {
			if f.GetName() == name {
				found, value = true, f.GetMetric()[0].GetGauge().GetValue()
			}
		}
		if !found {
			t.Fatalf("there is no metric %s", name)
		}
		if value == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s is still %v", name, value)
		}
	}
}

// Who pings without end is sent away.
func TestPingFloodIsSentAway(t *testing.T) {
	w := newWorld(t, newFakePay())
	addr := w.listen(t)
	e := attack(t, addr)
	for range 1_000_000 {
		if err := e.WritePing(false, [8]byte{}); err != nil {
			break
		}
	}
	if code, ok := <-e.goAway; !ok || code != http2.ErrCodeEnhanceYourCalm {
		t.Errorf("it was sent away with %v, %v", code, ok)
	}
	if err := served(t, addr); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A header without end, and a frame that is too large, end the connection that they
// came on; frames that belong to no call are thrown away.
func TestEndlessFramesHarmNobody(t *testing.T) {
	w := newWorld(t, newFakePay())
	addr := w.listen(t)
	const enough = 16 << 20 // bytes
	filler := bytes.Repeat([]byte{0x40, 0x01, 'x', 0x01, 'y'}, 3000)
	for _, tt := range []struct {
		name  string
		flood func(e *enemy, round int) error
		ends  bool // the server hangs up
	}{
		{"a header without end", func(e *enemy, round int) error {
			if round == 0 {
				return e.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head("/x")})
			}
			return e.WriteContinuation(1, false, filler)
		}, true},
		{"a frame too large", func(e *enemy, _ int) error {
			return e.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, make([]byte, 1<<20))
		}, true},
		{"data of no call", func(e *enemy, _ int) error { return e.WriteData(1, false, make([]byte, 16<<10)) }, false},
		{"settings", func(e *enemy, _ int) error {
			return e.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 16})
		}, false},
		{"windows", func(e *enemy, _ int) error { return e.WriteWindowUpdate(0, 1<<31-1) }, false},
		{"no such frame", func(e *enemy, _ int) error { return e.WriteRawFrame(0xee, 0, 0, make([]byte, 16<<10)) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := attack(t, addr)
			defer e.Conn.Close()
			var err error
			for round, sent := 0, 0; err == nil && sent < enough; round, sent = round+1, sent+16<<10 {
				err = tt.flood(e, round)
			}
			if tt.ends && err == nil {
				t.Errorf("%d bytes were taken", enough)
			}
			if err := served(t, addr); err != nil {
				t.Errorf("beside it: %v", err)
			}
		})
	}
}

// Metadata beyond their bound are refused, and the connection goes on.
func TestHugeMetadataAreRefused(t *testing.T) {
	w := newWorld(t, newFakePay())
	addr := w.listen(t)
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := hisgatev1.NewStockServiceClient(conn)
	get := &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: "00010041"}
	for _, size := range []int{17 << 10, 1 << 20} {
		for _, ctx := range []context.Context{
			metadata.AppendToOutgoingContext(t.Context(), "x", strings.Repeat("y", size)),
			metadata.AppendToOutgoingContext(t.Context(), many(size/30)...),
		} {
			if _, err := c.GetStock(ctx, get); err == nil || status.Code(err) == codes.Unavailable {
				t.Errorf("%d bytes: %v", size, err)
			}
			if _, err := c.GetStock(t.Context(), get); err != nil {
				t.Errorf("after %d bytes: %v", size, err)
			}
		}
	}
	// A client that does not know the bound, with a header that is packed small.
	e := attack(t, addr)
	add := make([]hpack.HeaderField, 0, 1000)
	for range cap(add) {
		add = append(add, hpack.HeaderField{Name: "x", Value: strings.Repeat("y", 100)}) // from the table, but for the first
	}
	if err := e.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head(hisgatev1.StockService_GetStock_FullMethodName, add...), EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	if err := served(t, addr); err != nil {
		t.Error(err)
	}
}

func many(n int) (kv []string) {
	for range n {
		kv = append(kv, "x", "y")
	}
	return kv
}

// A connection that never says a word of HTTP/2 is hung up on.
func TestSilentConnectionsOverGRPCAreHungUpOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakePay())
	addr := w.listen(t)
	for name, say := range map[string]string{"nothing": "", "half of the preface": http2.ClientPreface[:10], "HTTP/1.1": "GET / HTTP/1.1\r\nHost: h\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil { // only a failure takes it
				t.Fatal(err)
			}
			if _, err := io.WriteString(c, say); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c); isTimeout(err) {
				t.Errorf("it is still there: %v", err)
			}
		})
	}
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}
