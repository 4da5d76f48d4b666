package server_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/gateway/server/access"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// silent begins a call and never sends its message.
func (w *world) silent(t *testing.T, ctx context.Context, method string) grpc.ClientStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // only a failure takes it
	t.Cleanup(cancel)
	s, err := w.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// gauge is a metric without labels.
func (w *world) gauge(t *testing.T, name string) float64 {
	t.Helper()
	families, err := w.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// becomes waits until a metric has a value.
func (w *world) becomes(t *testing.T, name string, value float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for w.gauge(t, name) != value {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%s is %v, want %v", name, w.gauge(t, name), value)
		}
	}
}

// A stranger is refused by his header: nobody waits for the message of his call.
func TestAStrangersMessageIsNotWaitedFor(t *testing.T) {
	w, tokens := guardedWorld(t, nil)
	for _, method := range []string{hisgatev1.LockService_Lock_FullMethodName, hisgatev1.StockService_WatchStock_FullMethodName} {
		for name, ctx := range map[string]context.Context{
			"no token":    t.Context(),
			"a bad token": metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer hg_none"),
		} {
			if err := w.silent(t, ctx, method).RecvMsg(&hisgatev1.Lock{}); err == nil {
				t.Errorf("%s, %s: an answer", method, name)
			} else {
				want(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
			}
		}
	}
	// A known caller without the role is told so by his header, too, where it is a stream.
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+tokens[access.Locker])
	err := w.silent(t, ctx, hisgatev1.StockService_WatchStock_FullMethodName).RecvMsg(&hisgatev1.StockResult{})
	want(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
}

// A call whose message does not come is ended when its time is over, whatever its
// method, and nothing is done.
func TestACallWhoseMessageNeverComesIsEnded(t *testing.T) {
	w := newWorld(t, newFakePay(), limits(server.Limits{MessageTime: 300 * time.Millisecond}))
	for _, method := range []string{
		hisgatev1.LockService_Lock_FullMethodName, hisgatev1.StockService_WatchStock_FullMethodName, hisgatev1.OpsService_Backup_FullMethodName,
		healthpb.Health_Check_FullMethodName, healthpb.Health_Watch_FullMethodName,
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
	} {
		t.Run(method, func(t *testing.T) {
			s := w.silent(t, t.Context(), method)
			want(t, s.RecvMsg(&hisgatev1.Lock{}), codes.DeadlineExceeded, "TIMED_OUT")
			if id := s.Trailer().Get("x-request-id"); len(id) == 0 {
				if h, err := s.Header(); err != nil || len(h.Get("x-request-id")) == 0 {
					t.Errorf("it has no number: %v, %v", h, err)
				}
			}
		})
	}
	w.becomes(t, "hisgate_calls_in_flight", 0)
	w.becomes(t, "hisgate_streams", 0)
}

// Calls that wait for their message are calls under way: they count against the
// limits of their caller, and end with him.
func TestCallsThatWaitForTheirMessageAreCounted(t *testing.T) {
	w := newWorld(t, newFakePay(), limits(server.Limits{ClientInFlight: 3, MessageTime: time.Hour}))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for range 3 {
		w.silent(t, ctx, hisgatev1.LockService_Lock_FullMethodName)
	}
	w.becomes(t, "hisgate_calls_in_flight", 3)
	_, err := hisgatev1.NewStockServiceClient(w.conn).GetStock(t.Context(), &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: "00010041"})
	want(t, err, codes.ResourceExhausted, "RATE_LIMITED")
	if _, err := healthpb.NewHealthClient(w.conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("health beside them: %v", err)
	}
	leave()
	w.becomes(t, "hisgate_calls_in_flight", 0)
}

// Health needs no name, so that strangers may ask; what they hold takes nothing from
// callers who have one, and they hold no more than a few.
func TestHealthTakesNoPlaceOfCallers(t *testing.T) {
	w := newWorld(t, newFakePay(), limits(server.Limits{Streams: 2, InFlight: 5, MessageTime: time.Hour, Rate: 0.001, Burst: 2}))
	health := healthpb.NewHealthClient(w.conn)
	for range 2 {
		s, err := health.Watch(t.Context(), &healthpb.HealthCheckRequest{})
		if err == nil {
			_, err = s.Recv()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := health.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err == nil {
		_, err = s.Recv()
	}
	want(t, err, codes.ResourceExhausted, "RATE_LIMITED")
	refused := make(chan error, 100)
	for range cap(refused) {
		go func(s grpc.ClientStream) { refused <- s.RecvMsg(&healthpb.HealthCheckResponse{}) }(w.silent(t, t.Context(), healthpb.Health_Check_FullMethodName))
	}
	want(t, <-refused, codes.ResourceExhausted, "RATE_LIMITED")
	watch, err := hisgatev1.NewStockServiceClient(w.conn).WatchStock(t.Context(), &hisgatev1.WatchStockRequest{PharmacyId: pharmacy, DrugIds: []string{"00010041"}})
	if err == nil {
		_, err = watch.Recv()
	}
	if err != nil {
		t.Errorf("a watcher beside them: %v", err)
	}
}

// A flood of strangers, from as many addresses as they like, uses nothing up of what
// all callers have together.
func TestAFloodOfStrangersCostsCallersNothing(t *testing.T) {
	l := newListed(t, shopReads, time.Hour, limits(server.Limits{Rate: 0.001, Burst: 3}))
	codes := map[int]int{}
	for i := range 20 {
		codes[l.from(t, fmt.Sprintf("198.51.100.%d:1", i), stockPath).Code]++
	}
	if codes[http.StatusUnauthorized] != 3 || codes[http.StatusTooManyRequests] != 17 {
		t.Errorf("strangers were answered %v", codes)
	}
	if rec := l.from(t, "192.0.2.1:1", stockPath, "Authorization", "Bearer "+l.token); rec.Code != http.StatusOK {
		t.Errorf("a caller was answered %d %s", rec.Code, rec.Body)
	}
}
