package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/gateway/server/access"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// guardedWorld is a world whose callers have one role each, named like it, and
// the token of each.
func guardedWorld(t *testing.T, pay *fakePay) (*world, map[access.Role]string) {
	t.Helper()
	tokens := make(map[access.Role]string)
	var file strings.Builder
	for _, r := range access.Roles {
		token, sum := access.NewToken()
		tokens[r] = token
		fmt.Fprintf(&file, "- {name: the-%s, token_sha256: %s, roles: [%s], pharmacies: [%s]}\n", r, sum, r, pharmacy)
	}
	path := filepath.Join(t.TempDir(), "callers.yaml")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := access.New(access.Options{CallersFile: path})
	if err != nil {
		t.Fatal(err)
	}
	return newWorld(t, pay, func(o *server.Options) { o.Access = k.Identify }), tokens
}

// methods are those of the gRPC server, as it registered them.
func methods(w *world) (all []string) {
	for name, info := range w.srv.GRPC().GetServiceInfo() {
		for _, m := range info.Methods {
			all = append(all, "/"+name+"/"+m.Name)
		}
	}
	slices.Sort(all)
	return all
}

// mayCall says what the roles are for, in words of its own.
func mayCall(r access.Role, method string) bool {
	_, name, _ := strings.Cut(strings.TrimPrefix(method, "/hisgate.v1."), "/")
	switch {
	case r == access.Admin:
		return true
	case strings.HasPrefix(method, "/hisgate.v1.StockService/"):
		return r == access.Reader && name != "ReportStockChange" || r == access.Reporter && name == "ReportStockChange"
	case strings.HasPrefix(method, "/hisgate.v1.LockService/"):
		return r == access.Locker
	case strings.HasPrefix(method, "/hisgate.v1.OrderService/"):
		return r == access.Cashier && name != "RefundOrder" || r == access.Operator && name == "RefundOrder"
	case strings.HasPrefix(method, "/hisgate.v1.OpsService/"):
		return r == access.Operator && name != "Backup" && name != "ExportLedger"
	default:
		return false
	}
}

// empty is a codec of messages without content.
type empty struct{}

func (empty) Marshal(any) ([]byte, error)     { return nil, nil }
func (empty) Unmarshal(_ []byte, _ any) error { return nil }
func (empty) Name() string                    { return "proto" }

// emptyCall sends an empty request and returns how it was answered.
func (w *world) emptyCall(ctx context.Context, method string) codes.Code {
	desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	stream, err := w.conn.NewStream(ctx, desc, method, grpc.ForceCodec(empty{}))
	if err != nil {
		return status.Code(err)
	}
	_ = stream.SendMsg(nil)
	_ = stream.CloseSend()
	return status.Code(stream.RecvMsg(nil))
}

// Every method of the API, with every role and with none: who may not call it is
// told so, whatever the request.
func TestEveryMethodNeedsItsRole(t *testing.T) {
	w, tokens := guardedWorld(t, newFakePay())
	seen := 0
	for _, method := range methods(w) {
		if !strings.HasPrefix(method, "/hisgate.v1.") {
			continue
		}
		seen++
		ctx, cancel := context.WithCancel(t.Context())
		if code := w.emptyCall(ctx, method); code != codes.Unauthenticated {
			t.Errorf("%s without a token: %s", method, code)
		}
		for r, token := range tokens {
			code := w.emptyCall(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), method)
			if denied := code == codes.PermissionDenied; denied == mayCall(r, method) {
				t.Errorf("%s as %s: %s", method, r, code)
			}
			if code == codes.Unauthenticated {
				t.Errorf("%s as %s: %s", method, r, code)
			}
		}
		cancel()
	}
	if seen < 34 {
		t.Fatalf("only %d methods", seen)
	}
}

func TestHealthIsOpenAndReflectionIsNot(t *testing.T) {
	w, tokens := guardedWorld(t, nil)
	if _, err := healthpb.NewHealthClient(w.conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Error(err)
	}
	list := func(ctx context.Context) error {
		s, err := reflectionpb.NewServerReflectionClient(w.conn).ServerReflectionInfo(ctx)
		if err != nil {
			return err
		}
		_ = s.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
		_, err = s.Recv()
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := list(ctx); status.Code(err) != codes.Unauthenticated {
		t.Errorf("reflection without a token: %v", err)
	}
	if err := list(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+tokens[access.Reader])); err != nil {
		t.Errorf("reflection with a token: %v", err)
	}
}

// No trick with headers makes anyone somebody over REST [E5].
func TestE5OnlyTheAuthorizationHeaderSaysWhoCalls(t *testing.T) {
	w, tokens := guardedWorld(t, nil)
	good := "Bearer " + tokens[access.Reader]
	for _, tt := range []struct {
		name   string
		header http.Header
		want   int
	}{
		{"a token", http.Header{"Authorization": {good}}, 200},
		{"nothing", nil, 401},
		{"metadata by header", http.Header{"Grpc-Metadata-Authorization": {good}}, 401},
		{"a second one", http.Header{"Authorization": {good, good}}, 401},
		{"bad first, good second", http.Header{"Authorization": {"Bearer x", good}}, 401},
		{"a name by header", http.Header{"X-Forwarded-User": {"the-admin"}, "X-Remote-User": {"the-admin"}, "X-Forwarded-For": {"127.0.0.1"}}, 401},
		{"a role without the method", http.Header{"Authorization": {"Bearer " + tokens[access.Locker]}}, 403},
		{"in the query", nil, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := w.rest.URL + "/v1/stock/00010041?pharmacy_id=" + pharmacy
			if tt.name == "in the query" {
				url += "&authorization=" + tokens[access.Reader]
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = tt.header.Clone()
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			want := tt.want
			if tt.name == "in the query" {
				want = 400 // a parameter that the method does not have
			}
			if resp.StatusCode != want {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
			if (resp.Header.Get("WWW-Authenticate") != "") != (want == 401) {
				t.Errorf("WWW-Authenticate: %q", resp.Header.Get("WWW-Authenticate"))
			}
			if strings.Contains(string(body), tokens[access.Reader]) {
				t.Errorf("the answer holds the token: %s", body)
			}
		})
	}
	if strings.Contains(w.log.String(), tokens[access.Reader][3:]) {
		t.Error("the log holds the token")
	}
}

func TestRecordsBelongToWhoMadeThem(t *testing.T) {
	w, tokens := guardedWorld(t, nil)
	as := func(r access.Role) context.Context {
		return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+tokens[r])
	}
	locks := hisgatev1.NewLockServiceClient(w.conn)
	lock := &hisgatev1.LockRequest{OrderNo: "RX1", PharmacyId: pharmacy, Items: []*hisgatev1.LockItem{{DrugId: "00010041", Quantity: 1}}}
	if _, err := locks.Lock(as(access.Locker), lock); err != nil {
		t.Fatal(err)
	}
	if _, err := locks.GetLock(as(access.Admin), &hisgatev1.GetLockRequest{OrderNo: "RX1"}); status.Code(err) != codes.NotFound {
		t.Errorf("a stranger's lock: %v", err)
	}
	if got, err := locks.ListLocks(as(access.Admin), &hisgatev1.ListLocksRequest{}); err != nil || len(got.GetLocks()) != 1 {
		t.Errorf("an operator sees all: %v, %v", got, err)
	}
	stock := hisgatev1.NewStockServiceClient(w.conn)
	report := func(pharmacyID string) error {
		_, err := stock.ReportStockChange(as(access.Reporter), &hisgatev1.ReportStockChangeRequest{
			Source: "his", Changes: []*hisgatev1.StockChange{{PharmacyId: pharmacyID, DrugId: "00010041"}},
		})
		return err
	}
	if err := report(pharmacy); err != nil {
		t.Error(err)
	}
	if err := report("ANOTHER"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a report of a pharmacy that is not the reporter's: %v", err)
	}
}
