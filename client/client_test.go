package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hisgate/hisgate/client"
	"github.com/hisgate/hisgate/internal/testca"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// seen is a call as it arrived.
type seen struct {
	method string
	header metadata.MD
	left   time.Duration // until its deadline; 0 = none
}

// hall is a server that answers by a script: the nth call of a method gets the
// nth answer, and the last one from then on.
type hall struct {
	hisgatev1.UnimplementedStockServiceServer
	hisgatev1.UnimplementedLockServiceServer
	hisgatev1.UnimplementedOrderServiceServer
	hisgatev1.UnimplementedOpsServiceServer

	mu    sync.Mutex
	calls []seen
	say   []error
}

func (h *hall) Lock(_ context.Context, r *hisgatev1.LockRequest) (*hisgatev1.Lock, error) {
	return &hisgatev1.Lock{OrderNo: r.GetOrderNo(), Status: hisgatev1.Lock_LOCKED}, nil
}

func (h *hall) RunReconciliation(context.Context, *hisgatev1.RunReconciliationRequest) (*hisgatev1.Reconciliation, error) {
	return &hisgatev1.Reconciliation{}, nil
}

func (h *hall) WatchOrder(r *hisgatev1.WatchOrderRequest, s grpc.ServerStreamingServer[hisgatev1.Order]) error {
	return s.Send(&hisgatev1.Order{OrderNo: r.GetOrderNo()})
}

// note keeps the call and returns what the script says.
func (h *hall) note(ctx context.Context, method string) error {
	c := seen{method: method}
	c.header, _ = metadata.FromIncomingContext(ctx)
	if end, ok := ctx.Deadline(); ok {
		c.left = time.Until(end)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, c)
	if len(h.say) == 0 {
		return nil
	}
	return h.say[min(len(h.calls), len(h.say))-1]
}

func (h *hall) arrived() []seen {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// open serves the hall on loopback and dials it.
func open(t *testing.T, say []error, o client.Options, server ...grpc.ServerOption) (*hall, *client.Client) {
	t.Helper()
	h := &hall{say: say}
	s := grpc.NewServer(append(server,
		grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := h.note(ctx, info.FullMethod); err != nil {
				return nil, err
			}
			return next(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := next(srv, ss); err != nil {
				return err
			}
			return h.note(ss.Context(), info.FullMethod)
		}))...)
	hisgatev1.RegisterStockServiceServer(s, h)
	hisgatev1.RegisterLockServiceServer(s, h)
	hisgatev1.RegisterOrderServiceServer(s, h)
	hisgatev1.RegisterOpsServiceServer(s, h)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(s.Stop)
	c, err := client.Dial(l.Addr().String(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return h, c
}

// refusal is an error of hisgate.
func refusal(code codes.Code, reason hisgatev1.Reason_Code, details ...protoadapt.MessageV1) error {
	s, err := status.New(code, "words").WithDetails(append([]protoadapt.MessageV1{
		&errdetails.ErrorInfo{Domain: "hisgate", Reason: reason.String(), Metadata: map[string]string{"his_code": "E1"}},
		&errdetails.LocalizedMessage{Locale: "zh-CN", Message: "话"},
		&errdetails.LocalizedMessage{Locale: "en", Message: "words"},
	}, details...)...)
	if err != nil {
		panic(err)
	}
	return s.Err()
}

func soon(d time.Duration) protoadapt.MessageV1 {
	return &errdetails.RetryInfo{RetryDelay: durationpb.New(d)}
}

var lockRequest = &hisgatev1.LockRequest{OrderNo: "RX1", PharmacyId: "HLWYF"}

func TestWhatIsRepeatedAndWhatIsNot(t *testing.T) {
	now := soon(time.Millisecond)
	unknown := refusal(codes.Unavailable, hisgatev1.Reason_OUTCOME_UNKNOWN, now)
	for _, tt := range []struct {
		name  string
		say   []error
		calls int
		code  codes.Code // in the end
	}{
		{"nothing to repeat", nil, 1, codes.OK},
		{"an outcome that is found out", []error{unknown, unknown, nil}, 3, codes.OK},
		{"an outcome that stays unknown", []error{unknown}, 4, codes.Unavailable},
		{"too many calls", []error{refusal(codes.ResourceExhausted, hisgatev1.Reason_RATE_LIMITED, now), nil}, 2, codes.OK},
		{"a message that is too large", []error{status.Error(codes.ResourceExhausted, "larger than max")}, 1, codes.ResourceExhausted},
		{"a proxy without a word", []error{status.Error(codes.Unavailable, "upstream"), nil}, 2, codes.OK},
		{"a HIS that refuses us", []error{refusal(codes.Unavailable, hisgatev1.Reason_HIS_MISCONFIGURED, now)}, 1, codes.Unavailable},
		{"a full disk", []error{refusal(codes.Unavailable, hisgatev1.Reason_DISK_RESERVE, now)}, 1, codes.Unavailable},
		{"short", []error{refusal(codes.FailedPrecondition, hisgatev1.Reason_STOCK_INSUFFICIENT)}, 1, codes.FailedPrecondition},
		{"a fault of hisgate", []error{refusal(codes.Internal, hisgatev1.Reason_INTERNAL)}, 1, codes.Internal},
		{"under way", []error{refusal(codes.Aborted, hisgatev1.Reason_CONFIRM_IN_PROGRESS)}, 1, codes.Aborted},
		{"a pause longer than the call's time", []error{refusal(codes.Unavailable, hisgatev1.Reason_HIS_UNAVAILABLE, soon(time.Hour))}, 1, codes.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, c := open(t, tt.say, client.Options{})
			l, err := c.Locks.Lock(t.Context(), lockRequest)
			if status.Code(err) != tt.code || (err == nil) != (l.GetStatus() == hisgatev1.Lock_LOCKED) {
				t.Errorf("got %v, %v", l, err)
			}
			calls := h.arrived()
			if len(calls) != tt.calls {
				t.Fatalf("%d calls, want %d", len(calls), tt.calls)
			}
			for _, call := range calls {
				id := call.header.Get("x-request-id")
				if len(id) != 1 || id[0] != calls[0].header.Get("x-request-id")[0] {
					t.Errorf("the repeats of one call are numbered %v", id)
				}
				if call.left <= 0 || call.left > 30*time.Second {
					t.Errorf("a call has %v left", call.left)
				}
			}
		})
	}
}

func TestWhatCostsTooMuchIsNotRepeated(t *testing.T) {
	h, c := open(t, []error{refusal(codes.Unavailable, hisgatev1.Reason_SHUTTING_DOWN, soon(time.Millisecond)), nil}, client.Options{})
	if _, err := c.Ops.RunReconciliation(t.Context(), &hisgatev1.RunReconciliationRequest{}); client.ReasonOf(err) != hisgatev1.Reason_SHUTTING_DOWN {
		t.Errorf("got %v", err)
	}
	if n := len(h.arrived()); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// The caller's own deadline, number and attempts come before the defaults.
func TestTheCallerDecides(t *testing.T) {
	h, c := open(t, []error{refusal(codes.Unavailable, hisgatev1.Reason_OUTCOME_UNKNOWN, soon(time.Millisecond))}, client.Options{Attempts: 2, Timeout: time.Hour})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "mine")
	_, err := c.Locks.Lock(ctx, lockRequest)
	if e, ok := errors.AsType[*client.Error](err); !ok || e.RequestID != "mine" || !strings.Contains(err.Error(), "mine") {
		t.Errorf("got %v", err)
	}
	short, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, _ = c.Locks.Lock(short, lockRequest)
	calls := h.arrived()
	if len(calls) != 4 {
		t.Fatalf("%d calls", len(calls))
	}
	if calls[0].left <= time.Minute || calls[3].left > time.Minute || calls[0].header.Get("x-request-id")[0] != "mine" {
		t.Errorf("calls %v", calls)
	}
}

func TestErrorsCarryWhatHisgateSays(t *testing.T) {
	h, c := open(t, []error{refusal(codes.FailedPrecondition, hisgatev1.Reason_STOCK_INSUFFICIENT,
		&hisgatev1.Shortages{Shortages: []*hisgatev1.Shortage{{DrugId: "D1", Requested: 3, Available: 2}}})}, client.Options{})
	_, err := c.Locks.Lock(t.Context(), lockRequest)
	e, ok := errors.AsType[*client.Error](err)
	if !ok || client.ReasonOf(err) != hisgatev1.Reason_STOCK_INSUFFICIENT || e.Chinese() != "话" || e.Message != "words" ||
		len(e.Shortages) != 1 || e.Shortages[0].GetAvailable() != 2 || e.Metadata["his_code"] != "E1" || client.MayHaveHappened(err) {
		t.Fatalf("got %+v", e)
	}
	if text := err.Error(); !strings.HasPrefix(text, "hisgate: Lock: STOCK_INSUFFICIENT: words (request ") {
		t.Errorf("it reads %q", text)
	}
	h.mu.Lock()
	h.say = []error{refusal(codes.NotFound, hisgatev1.Reason_NOT_FOUND)}
	h.mu.Unlock()
	stream, err := c.Orders.WatchOrder(t.Context(), &hisgatev1.WatchOrderRequest{OrderNo: "RX1"})
	if err != nil {
		t.Fatal(err)
	}
	if o, err := stream.Recv(); err != nil || o.GetOrderNo() != "RX1" {
		t.Errorf("the first message: %v, %v", o, err)
	}
	if _, err := stream.Recv(); client.ReasonOf(err) != hisgatev1.Reason_NOT_FOUND {
		t.Errorf("the end of the stream: %v", err)
	}
}

func TestUnknownIsNotFailed(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{refusal(codes.Unavailable, hisgatev1.Reason_OUTCOME_UNKNOWN), true},
		{refusal(codes.Unavailable, hisgatev1.Reason_HIS_UNAVAILABLE), true}, // a Confirm goes on by itself
		{refusal(codes.DeadlineExceeded, hisgatev1.Reason_TIMED_OUT), true},
		{refusal(codes.Internal, hisgatev1.Reason_INTERNAL), true},
		{status.Error(codes.Unknown, "?"), true},
		{refusal(codes.FailedPrecondition, hisgatev1.Reason_STOCK_INSUFFICIENT), false},
		{refusal(codes.ResourceExhausted, hisgatev1.Reason_RATE_LIMITED), false},
		{refusal(codes.Unauthenticated, hisgatev1.Reason_UNAUTHENTICATED), false},
	} {
		_, c := open(t, []error{tt.err}, client.Options{Attempts: 1})
		_, err := c.Locks.Lock(t.Context(), lockRequest)
		if got := client.MayHaveHappened(err); got != tt.want {
			t.Errorf("%v: %v", err, got)
		}
	}
	if client.MayHaveHappened(nil) || !client.MayHaveHappened(errors.New("?")) {
		t.Error("nothing went wrong, or something that nobody knows")
	}
	_, c := open(t, nil, client.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Locks.Lock(ctx, lockRequest); !client.MayHaveHappened(err) || status.Code(err) != codes.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

// A server that is away is waited for, within the attempts.
func TestAServerThatIsAwayIsAskedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	c, err := client.Dial(addr, client.Options{Attempts: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Locks.Lock(t.Context(), lockRequest)
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != codes.Unavailable || e.Reason != 0 || !client.MayHaveHappened(err) {
		t.Errorf("got %v", err)
	}
}

func TestTokensAreShown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("hg_file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for token, o := range map[string]client.Options{"hg_text": {Token: "hg_text"}, "hg_file": {TokenFile: file}} {
		h, c := open(t, nil, o)
		if _, err := c.Locks.Lock(t.Context(), lockRequest); err != nil {
			t.Fatal(err)
		}
		if got := h.arrived()[0].header.Get("authorization"); !slices.Equal(got, []string{"Bearer " + token}) {
			t.Errorf("%s: shown %v", token, got)
		}
	}
}

func TestWhatCannotBeDialled(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		addr string
		o    client.Options
	}{
		"no port":             {"localhost", client.Options{}},
		"a network, in clear": {"192.0.2.1:9090", client.Options{}},
		"a name, in clear":    {"hisgate.example:9090", client.Options{Token: "hg_x"}},
		"two tokens":          {"127.0.0.1:9090", client.Options{Token: "x", TokenFile: empty}},
		"an empty token":      {"127.0.0.1:9090", client.Options{TokenFile: empty}},
		"no token":            {"127.0.0.1:9090", client.Options{TokenFile: filepath.Join(dir, "none")}},
	} {
		if c, err := client.Dial(tt.addr, tt.o); err == nil {
			c.Close()
			t.Errorf("%s: no error", name)
		}
	}
	for _, tt := range []struct {
		addr string
		o    client.Options
	}{
		{"[::1]:9090", client.Options{}},
		{"localhost:9090", client.Options{}},
		{"192.0.2.1:9090", client.Options{Plaintext: true}},
		{"192.0.2.1:9090", client.Options{TLS: &tls.Config{}}},
	} {
		c, err := client.Dial(tt.addr, tt.o)
		if err != nil {
			t.Errorf("%s: %v", tt.addr, err)
			continue
		}
		c.Close()
	}
}

// Both sides show certificates; a client whose files are renewed shows the new one
// to the next server.
func TestMutualTLS(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	servers, shops := testca.New(t, "servers"), testca.New(t, "shops")
	shop, shopKey := shops.Issue("shop", time.Hour)
	ca, other, cert, keyFile := write("ca.crt", servers.PEM), write("other.crt", shops.PEM), write("shop.crt", shop), write("shop.key", shopKey)
	creds := grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{servers.Pair("hisgate", time.Hour)},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: shops.Pool(), MinVersion: tls.VersionTLS12,
	}))
	for name, tt := range map[string]struct {
		files [3]string
		ok    bool
	}{
		"both":                 {[3]string{ca, cert, keyFile}, true},
		"no certificate":       {[3]string{ca, "", ""}, false},
		"an authority of ours": {[3]string{other, cert, keyFile}, false},
	} {
		c, err := client.TLSFiles(tt.files[0], tt.files[1], tt.files[2])
		if err != nil {
			t.Fatal(err)
		}
		_, dialled := open(t, nil, client.Options{TLS: c, Attempts: 1}, creds)
		if _, err := dialled.Locks.Lock(t.Context(), lockRequest); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, files := range map[string][3]string{
		"no authority in it": {keyFile, "", ""}, "no such file": {filepath.Join(dir, "none"), "", ""}, "half a pair": {ca, cert, ""},
	} {
		if _, err := client.TLSFiles(files[0], files[1], files[2]); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
