package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hisgate/hisgate/hisadapter/simhis"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// otlp is a collector of spans on loopback.
type otlp struct {
	collector.UnimplementedTraceServiceServer
	addr   string
	hang   chan struct{} // nil = answers at once; else when it is closed
	refuse atomic.Bool   // everything, as somebody that it does not know

	mu      sync.Mutex
	spans   []*tracev1.Span
	text    strings.Builder
	headers metadata.MD
}

func newOTLP(t *testing.T, hang chan struct{}, options ...grpc.ServerOption) *otlp {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &otlp{addr: l.Addr().String(), hang: hang}
	srv := grpc.NewServer(options...)
	collector.RegisterTraceServiceServer(srv, o)
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)
	return o
}

func (o *otlp) Export(ctx context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	if o.hang != nil {
		select {
		case <-o.hang:
		case <-ctx.Done():
		}
		return nil, ctx.Err()
	}
	if o.refuse.Load() {
		return nil, status.Error(codes.Unauthenticated, "nobody knows tok-1")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.headers, _ = metadata.FromIncomingContext(ctx)
	b, err := protojson.Marshal(r)
	if err != nil {
		return nil, err
	}
	o.text.Write(b)
	for _, rs := range r.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			o.spans = append(o.spans, ss.GetSpans()...)
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// paths are the spans of a trace, or of all of them for "", each with the names of
// those above it.
func (o *otlp) paths(traceID string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	byID := map[string]*tracev1.Span{}
	for _, s := range o.spans {
		if traceID == "" || fmt.Sprintf("%x", s.GetTraceId()) == traceID {
			byID[string(s.GetSpanId())] = s
		}
	}
	var out []string
	for _, s := range byID {
		path := s.GetName()
		for up := byID[string(s.GetParentSpanId())]; up != nil; up = byID[string(up.GetParentSpanId())] {
			path = up.GetName() + " > " + path
		}
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}

// attribute is one of the first span of that name in a trace.
func (o *otlp) attribute(traceID, name, key string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.spans {
		for _, a := range s.GetAttributes() {
			if fmt.Sprintf("%x", s.GetTraceId()) == traceID && s.GetName() == name && a.GetKey() == key {
				return a.GetValue().GetStringValue()
			}
		}
	}
	return ""
}

// The traces that the callers of this test are in.
const (
	lockTrace  = "0af7651916cd43dd8448eb211c80319c"
	orderTrace = "1bf7651916cd43dd8448eb211c80319d"
	quietTrace = "2cf7651916cd43dd8448eb211c80319e"
)

func parent(traceID, flags string) string { return "00-" + traceID + "-b7ad6b7169203331-" + flags }

// TestTraceOfALockAndOfAnOrder: from a caller over gRPC, and one over REST,
// through cache, guard, HIS, ledger and WeChat Pay; a caller that does not want to
// be recorded is not. What leaves names neither the patient nor a secret.
func TestTraceOfALockAndOfAnOrder(t *testing.T) {
	t.Parallel()
	to := newOTLP(t, nil)
	w := newWorld(t, true)
	headers := filepath.Join(w.dir, "headers")
	if err := os.WriteFile(headers, []byte("x-collector-token: tok-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.cfg.Tracing = Tracing{Endpoint: "grpc://" + to.addr, Sample: 0, HeadersFile: headers, ServiceName: "hisgate"}
	w.shelve("D1", 100)
	p, log := w.openOnce()

	conn, err := grpc.NewClient(p.GRPCAddr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	locks := hisgatev1.NewLockServiceClient(conn)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", parent(lockTrace, "01"))
	var answered metadata.MD
	lock := &hisgatev1.LockRequest{
		OrderNo: "RX-TRACE", PharmacyId: simhis.DemoPharmacy, Items: []*hisgatev1.LockItem{{DrugId: "D1", Quantity: 2}},
		Attributes: map[string]string{"patient_id": "CANARY-PATIENT", "patient_name": "金丝雀"},
	}
	if _, err := locks.Lock(ctx, lock, grpc.Header(&answered)); err != nil {
		t.Fatal(err)
	}
	if got := answered.Get("traceresponse"); len(got) != 1 || !strings.HasPrefix(got[0], "00-"+lockTrace+"-") || strings.Contains(got[0], "b7ad6b7169203331") {
		t.Errorf("traceresponse %q", got)
	}
	if _, err := locks.Confirm(ctx, &hisgatev1.ConfirmRequest{OrderNo: "RX-TRACE"}); err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, body, traceparent string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.HTTPAddr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Traceparent", traceparent)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Traceresponse"), traceparent[3:35]) {
			t.Errorf("%s %s: %s, traceresponse %q", method, path, resp.Status, resp.Header.Get("Traceresponse"))
		}
	}
	ask("POST", "/v1/orders", orderJSON("E2E-TRACE", "RESERVE", "D1", 3), parent(orderTrace, "01"))
	ask("GET", "/v1/orders/E2E-TRACE", "", parent(quietTrace, "00"))
	closing, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Close(closing); err != nil {
		t.Fatal(err)
	}

	has := func(traceID string, wanted ...string) {
		t.Helper()
		got := to.paths(traceID)
		for _, path := range wanted {
			if !slices.Contains(got, path) {
				t.Errorf("no span %q in\n%s", path, strings.Join(got, "\n"))
			}
		}
	}
	has(lockTrace,
		"hisgate.v1.LockService/Lock",
		"hisgate.v1.LockService/Lock > cache",
		"hisgate.v1.LockService/Lock > cache > cache load",
		"hisgate.v1.LockService/Lock > cache > cache load > guard QueryStock",
		"hisgate.v1.LockService/Lock > cache > cache load > guard QueryStock > HIS QueryStock",
		"hisgate.v1.LockService/Lock > ledger Lock",
		"hisgate.v1.LockService/Lock > guard Freeze > HIS Freeze",
		"hisgate.v1.LockService/Lock > ledger Record",
		"hisgate.v1.LockService/Confirm > ledger Confirm",
		"hisgate.v1.LockService/Confirm > guard PlaceOrder > HIS PlaceOrder",
		"hisgate.v1.LockService/Confirm > ledger Record",
	)
	has(orderTrace,
		"POST /v1/orders",
		"POST /v1/orders > order lock > ledger Lock",
		"POST /v1/orders > order lock > guard Freeze > HIS Freeze",
		"POST /v1/orders > order prepay > WeChat prepay",
	)
	if got := to.paths(quietTrace); len(got) != 0 {
		t.Errorf("a trace that its caller does not record has %q", got)
	}
	for _, a := range []struct{ trace, name, key, want string }{
		{lockTrace, "hisgate.v1.LockService/Lock", "hisgate.order_no", "RX-TRACE"},
		{lockTrace, "HIS Freeze", "hisgate.outcome", "done"},
		{lockTrace, "HIS Freeze", "hisgate.his_no", "RX-TRACE"},
		{lockTrace, "ledger Confirm", "hisgate.status", "CONFIRMING"},
		{orderTrace, "POST /v1/orders", "http.route", "/v1/orders"},
		{orderTrace, "WeChat prepay", "hisgate.outcome", "done"},
	} {
		if got := to.attribute(a.trace, a.name, a.key); got != a.want {
			t.Errorf("%s of %s is %q, want %q", a.key, a.name, got, a.want)
		}
	}
	keepsSecrets(t, "the trace", to.text.String(), "CANARY-PATIENT", "金丝雀", "127.0.0.1")
	if got := to.headers.Get("x-collector-token"); len(got) != 1 || got[0] != "tok-1" {
		t.Errorf("headers of the collector: %v", to.headers)
	}
	keepsSecrets(t, "the log", log.String(), "tok-1")
	for _, line := range []string{"stock held", "confirm", "call"} {
		if !slices.ContainsFunc(strings.Split(log.String(), "\n"), func(l string) bool {
			return strings.Contains(l, `"msg":"`+line+`"`) && strings.Contains(l, `"trace_id":"`+lockTrace+`"`)
		}) {
			t.Errorf("no line %q has the trace_id", line)
		}
	}
	if !strings.Contains(log.String(), `"trace_id":"`+quietTrace+`"`) {
		t.Error("the log does not know the trace that is not recorded")
	}
}

// TestTraceOfACallback: what WeChat Pay's notice brings about is one trace, whose
// number nobody outside has chosen; what nobody waits for is in none.
func TestTraceOfACallback(t *testing.T) {
	t.Parallel()
	to := newOTLP(t, nil)
	w := newWorld(t, false)
	w.cfg.Tracing = Tracing{Endpoint: "grpc://" + to.addr, Sample: 1, ServiceName: "hisgate"}
	w.shelve("D1", 10)
	p, _ := w.openOnce()
	w.gate.sendTo("http://" + p.WebhookAddr)
	a := api{t: t, base: "http://" + p.HTTPAddr}
	a.create("E2E-NOTICE", "VERIFY", "D1", 3)
	w.pay("E2E-NOTICE")
	a.await("E2E-NOTICE", hisgatev1.Order_FULFILLED)
	closing, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Close(closing); err != nil {
		t.Fatal(err)
	}
	got := to.paths("")
	for _, path := range []string{
		"POST /wechat/v1/payment",
		"POST /wechat/v1/payment > order lock > ledger Lock",
		"POST /wechat/v1/payment > order confirm > ledger Confirm",
		"POST /wechat/v1/payment > order confirm > guard PlaceOrder > HIS PlaceOrder",
		"GET /v1/orders/{order_no}",
	} {
		if !slices.Contains(got, path) {
			t.Errorf("no span %q in\n%s", path, strings.Join(got, "\n"))
		}
	}
}

// openOnce opens the program for a test that closes it itself.
func (w *world) openOnce() (*Program, *logBuffer) {
	w.t.Helper()
	log := &logBuffer{}
	s := w.cfg.settings()
	quick(&s)
	if err := w.cfg.Validate(nil); err != nil {
		w.t.Fatal(err)
	}
	p, err := open(w.cfg, s, slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		w.t.Fatal(err)
	}
	return p, log
}
