package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/hisgate/hisgate/gateway/server"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// stopped is a clock that moves when it is told to.
type stopped struct{ past atomic.Int64 }

func (c *stopped) now() time.Time       { return time.Unix(1_800_000_000, c.past.Load()) }
func (c *stopped) pass(d time.Duration) { c.past.Add(int64(d)) }
func (c *stopped) of(o *server.Options) { o.Now = c.now }
func limits(l server.Limits) func(*server.Options) {
	return func(o *server.Options) { o.Limits = l }
}

// from makes a REST request as it arrives from an address.
func (w *world) from(t *testing.T, addr, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.RemoteAddr = addr
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.srv.Public(true).ServeHTTP(rec, r)
	return rec
}

func (w *world) limited(t *testing.T, scope string) float64 {
	t.Helper()
	families, err := w.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "hisgate_limited_total" && m.GetLabel()[0].GetValue() == scope {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no metric for %s", scope)
	return 0
}

const stockPath = "/v1/stock/00010041?pharmacy_id=HLWYF"

// TestAClientThatIsTooFastIsToldWhenToComeAgain: over REST and gRPC, with the
// time that the limiter needs, and it is served again then.
func TestAClientThatIsTooFastIsToldWhenToComeAgain(t *testing.T) {
	clock := new(stopped)
	w := newWorld(t, newFakePay(), clock.of, limits(server.Limits{ClientRate: 0.25, ClientBurst: 2}))
	for range 2 {
		if rec := w.from(t, "192.0.2.1:1000", stockPath); rec.Code != http.StatusOK {
			t.Fatalf("within the burst: %d %s", rec.Code, rec.Body)
		}
	}
	rec := w.from(t, "192.0.2.1:2000", stockPath) // another port is the same client
	if rec.Code != http.StatusTooManyRequests || rec.Header().Get("Retry-After") != "4" || !strings.Contains(rec.Body.String(), `"RATE_LIMITED"`) {
		t.Errorf("over REST: %d, Retry-After %q, %s", rec.Code, rec.Header().Get("Retry-After"), rec.Body)
	}
	if n := w.limited(t, "client_rate"); n != 1 {
		t.Errorf("hisgate_limited_total{client_rate} = %v", n)
	}
	clock.pass(4 * time.Second)
	if rec := w.from(t, "192.0.2.1:1000", stockPath); rec.Code != http.StatusOK {
		t.Errorf("when the time has come: %d", rec.Code)
	}

	c, get := hisgatev1.NewStockServiceClient(w.conn), &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: "00010041"}
	for range 2 {
		_, err := c.GetStock(t.Context(), get)
		want(t, err, codes.OK, "")
	}
	_, err := c.GetStock(t.Context(), get)
	want(t, err, codes.ResourceExhausted, "RATE_LIMITED")
	if wait := retryOf(err); wait != 4*time.Second {
		t.Errorf("over gRPC: retry in %v, want 4s", wait)
	}
	stream, err := c.WatchStock(t.Context(), &hisgatev1.WatchStockRequest{PharmacyId: pharmacy, DrugIds: []string{"00010041"}})
	if err == nil {
		_, err = stream.Recv()
	}
	want(t, err, codes.ResourceExhausted, "RATE_LIMITED")
}

func retryOf(err error) time.Duration {
	for _, d := range status.Convert(err).Details() {
		if r, ok := d.(*errdetails.RetryInfo); ok {
			return r.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// TestAMessageThatIsTooLargeHasAReason over gRPC, as over REST.
func TestAMessageThatIsTooLargeHasAReason(t *testing.T) {
	w := newWorld(t, newFakePay())
	_, err := hisgatev1.NewLockServiceClient(w.conn).Lock(t.Context(), &hisgatev1.LockRequest{
		OrderNo: "R1", PharmacyId: pharmacy, Attributes: map[string]string{"x": strings.Repeat("x", 1<<20)},
	})
	want(t, err, codes.InvalidArgument, "MALFORMED_REQUEST")
}

// TestE5AClientIsTheAddressOfItsConnection: no header makes another client of
// it, and a network of IPv6 is one.
func TestE5AClientIsTheAddressOfItsConnection(t *testing.T) {
	w := newWorld(t, newFakePay(), new(stopped).of, limits(server.Limits{ClientRate: 1, ClientBurst: 1}))
	for _, tt := range []struct {
		addr   string
		header []string
		code   int
	}{
		{"192.0.2.1:1", nil, 200},
		{"192.0.2.1:1", []string{"X-Forwarded-For", "198.51.100.7"}, 429},
		{"192.0.2.1:1", []string{"Forwarded", "for=198.51.100.7"}, 429},
		{"192.0.2.1:1", []string{"X-Real-Ip", "198.51.100.7"}, 429},
		{"192.0.2.1:1", []string{"Grpc-Metadata-X-Forwarded-For", "198.51.100.7"}, 429},
		{"[::ffff:192.0.2.1]:1", nil, 429},
		{"198.51.100.7:1", nil, 200}, // nobody used its share up
		{"[2001:db8:1:2::1]:1", nil, 200},
		{"[2001:db8:1:2:ffff::9]:1", nil, 429},
		{"[2001:db8:1:3::1]:1", nil, 200},
	} {
		if rec := w.from(t, tt.addr, stockPath, tt.header...); rec.Code != tt.code {
			t.Errorf("%s %v: %d, want %d", tt.addr, tt.header, rec.Code, tt.code)
		}
	}
}

// TestAllClientsTogether: the common rate holds whoever asks, and what one
// client was refused for itself costs the others nothing.
func TestAllClientsTogether(t *testing.T) {
	w := newWorld(t, newFakePay(), new(stopped).of, limits(server.Limits{ClientRate: 1, ClientBurst: 2, Rate: 9, Burst: 9}))
	served := func(addr string, calls int) (n int) {
		for range calls {
			if w.from(t, addr, stockPath).Code == http.StatusOK {
				n++
			}
		}
		return n
	}
	if n := served("192.0.2.1:1", 50); n != 2 {
		t.Fatalf("one client: %d of 50", n)
	}
	total := 0
	for i := range 20 {
		total += served("192.0.3."+strconv.Itoa(i)+":1", 1)
	}
	if total != 7 {
		t.Errorf("of 20 others %d were served, want the 7 that the common burst leaves", total)
	}
	if n := w.limited(t, "rate"); n != 13 {
		t.Errorf("hisgate_limited_total{rate} = %v", n)
	}
}

// TestCallbacksAreNeverShed: the money's news come from one address, however
// many there are. Health is free as well.
func TestCallbacksAreNeverShed(t *testing.T) {
	w := newWorld(t, newFakePay(), new(stopped).of, limits(server.Limits{
		ClientRate: 1, ClientBurst: 1, Rate: 1, Burst: 1, ClientInFlight: 1, InFlight: 1,
	}))
	w.mustCall(t, "GET", stockPath, "")
	if code, _, _ := w.call(t, "GET", stockPath, ""); code != http.StatusTooManyRequests {
		t.Fatalf("the limit does not hold: %d", code)
	}
	for range 20 {
		if code, _, out := w.call(t, "POST", "/wechat/v1/payment", "good", signed()...); code != http.StatusOK {
			t.Fatalf("a callback: %d %v", code, out)
		}
	}
	for range 20 {
		_, err := healthpb.NewHealthClient(w.conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
		want(t, err, codes.OK, "")
	}
}

// TestStreamsAreBounded: for each client and for all.
func TestStreamsAreBounded(t *testing.T) {
	w := newWorld(t, newFakePay(), limits(server.Limits{ClientStreams: 2, Streams: 3}))
	c := hisgatev1.NewStockServiceClient(w.conn)
	watch := func(ctx context.Context) error {
		s, err := c.WatchStock(ctx, &hisgatev1.WatchStockRequest{PharmacyId: pharmacy, DrugIds: []string{"00010041"}})
		if err == nil {
			_, err = s.Recv()
		}
		return err
	}
	first, end := context.WithCancel(t.Context())
	defer end()
	want(t, watch(first), codes.OK, "")
	want(t, watch(t.Context()), codes.OK, "")
	want(t, watch(t.Context()), codes.ResourceExhausted, "RATE_LIMITED")
	next := lines(t, w, "/v1/stock:watch?pharmacy_id=HLWYF&drug_ids=00010041") // another client: 127.0.0.1
	next()
	code, header, out := w.call(t, "GET", "/v1/stock:watch?pharmacy_id=HLWYF&drug_ids=00010041", "")
	if code != http.StatusTooManyRequests || header.Get("Retry-After") == "" || reasonIn(out) != "RATE_LIMITED" {
		t.Errorf("over REST: %d %v", code, out)
	}
	if a, b := w.limited(t, "client_streams"), w.limited(t, "streams"); a != 1 || b != 1 {
		t.Errorf("client_streams %v, streams %v", a, b)
	}
	end()
	for range 1000 { // the server learns in a moment that the stream is over
		if err := watch(t.Context()); err == nil {
			return
		}
	}
	t.Error("a stream that ended keeps its place")
}
