package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/hisgate/hisgate/gateway/server"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// lines follows a stream over REST.
func lines(t *testing.T, w *world, path string) (next func() map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.rest.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.rest.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%s: %d %s", path, res.StatusCode, res.Header.Get("Content-Type"))
	}
	scan := bufio.NewScanner(res.Body)
	scan.Buffer(nil, 1<<20)
	return func() map[string]any {
		t.Helper()
		if !scan.Scan() {
			return nil
		}
		var out map[string]any
		if err := json.Unmarshal(scan.Bytes(), &out); err != nil {
			t.Fatalf("line %q: %v", scan.Text(), err)
		}
		return out
	}
}

func TestWatchStockOverREST(t *testing.T) {
	w := newWorld(t, newFakePay())
	next := lines(t, w, "/v1/stock:watch?pharmacy_id=HLWYF&drug_ids=00010041&drug_ids=NONE")
	var held, missing bool
	for range 2 { // one for each drug, in any order
		r := next()["result"].(map[string]any)
		held = held || r["stock"] != nil && r["stock"].(map[string]any)["held"] == "0"
		missing = missing || r["error"] != nil && reasonIn(r["error"].(map[string]any)) == "UNKNOWN_DRUG"
	}
	if !held || !missing {
		t.Fatalf("first values: stock %v, error %v", held, missing)
	}
	w.mustCall(t, "POST", "/v1/locks", lockBody("R1", "00010041", 30))
	stock := next()["result"].(map[string]any)["stock"].(map[string]any)
	if stock["held"] != "30" || stock["available"] != "970" {
		t.Errorf("after the lock: %v", stock)
	}
	w.srv.Drain()
	if last := next(); last == nil || reasonIn(last["error"].(map[string]any)) != "SHUTTING_DOWN" {
		t.Errorf("last line %v", last)
	}
	if more := next(); more != nil {
		t.Errorf("after the end: %v", more)
	}
}

func TestWatchOrderEndsWithTheOrder(t *testing.T) {
	w := newWorld(t, newFakePay())
	w.mustCall(t, "POST", "/v1/orders", orderBody("RX000001", "HOLD"))
	next := lines(t, w, "/v1/orders/RX000001:watch")
	if o := next()["result"].(map[string]any); o["status"] != "LOCKED" || o["next"] != "PREPAY" {
		t.Fatalf("first: %v", o)
	}
	w.mustCall(t, "POST", "/v1/orders/RX000001:cancel", "")
	last := ""
	for line := next(); line != nil; line = next() {
		last = line["result"].(map[string]any)["status"].(string)
	}
	if last != "CLOSED" {
		t.Errorf("the stream ended with %s", last)
	}
	if code, _, out := w.call(t, "GET", "/v1/orders/RX999999:watch", ""); code != 404 || reasonIn(out) != "NOT_FOUND" {
		t.Errorf("watch of nothing: %d %v", code, out)
	}
}

func TestExportLedger(t *testing.T) {
	w := newWorld(t, newFakePay())
	for _, no := range []string{"R1", "R2", "R3"} {
		w.mustCall(t, "POST", "/v1/locks", lockBody(no, "00010041", 1))
	}
	w.mustCall(t, "POST", "/v1/locks/R2:release", "")
	for path, want := range map[string]int{"/v1/ledger:export": 2, "/v1/ledger:export?include_ended=true": 3} {
		got := map[any]bool{}
		next := lines(t, w, path)
		for line := next(); line != nil; line = next() {
			got[line["result"].(map[string]any)["order_no"]] = true
		}
		if len(got) != want {
			t.Errorf("%s: %v, want %d", path, got, want)
		}
	}
}

// fakeStore has so many bytes, and one thing that differs.
type fakeStore struct{ backup []byte }

func (s fakeStore) Verify(context.Context) (*hisgatev1.LedgerReport, error) {
	return &hisgatev1.LedgerReport{
		ActiveLocks: 3, FindingCount: 1, Findings: []*hisgatev1.LedgerReport_Finding{{Key: "k", What: "differs"}},
	}, nil
}

func (s fakeStore) Backup(_ context.Context, w io.Writer) error {
	_, err := w.Write(s.backup)
	return err
}

// The data of all chunks are the backup, over gRPC and over REST.
func TestBackupAndVerify(t *testing.T) {
	store := fakeStore{bytes.Repeat([]byte("0123456789"), 100_000)}
	w := newWorld(t, newFakePay(), func(o *server.Options) { o.Store = store })
	c := hisgatev1.NewOpsServiceClient(w.conn)
	stream, err := c.Backup(t.Context(), &hisgatev1.BackupRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var overGRPC, overREST []byte
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		overGRPC = append(overGRPC, chunk.GetData()...)
	}
	next := lines(t, w, "/v1/ledger:backup")
	for line := next(); line != nil; line = next() {
		data, err := base64.StdEncoding.DecodeString(line["result"].(map[string]any)["data"].(string))
		if err != nil {
			t.Fatal(err)
		}
		overREST = append(overREST, data...)
	}
	if !bytes.Equal(overGRPC, store.backup) || !bytes.Equal(overREST, store.backup) {
		t.Errorf("%d bytes over gRPC, %d over REST, want %d", len(overGRPC), len(overREST), len(store.backup))
	}
	r, err := c.VerifyLedger(t.Context(), &hisgatev1.VerifyLedgerRequest{})
	if err != nil || r.GetFindings()[0].GetWhat() != "differs" {
		t.Errorf("verified: %v, %v", r, err)
	}
	if out := w.mustCall(t, "GET", "/v1/ledger:verify", ""); out["finding_count"] != "1" || out["active_locks"] != "3" {
		t.Errorf("verified over REST: %v", out)
	}
}

// TestShutdownEndsStreams: a watcher does not keep the server from ending, and
// is told why it ends.
func TestShutdownEndsStreams(t *testing.T) {
	w := newWorld(t, newFakePay())
	c := hisgatev1.NewStockServiceClient(w.conn)
	stream, err := c.WatchStock(t.Context(), &hisgatev1.WatchStockRequest{PharmacyId: pharmacy, DrugIds: []string{"00010041"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	health := healthpb.NewHealthClient(w.conn)
	for _, name := range []string{"", "hisgate.v1.StockService", "hisgate.v1.OpsService"} {
		if a, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: name}); err != nil || a.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: %v %v", name, a, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	w.srv.Drain()
	if a, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil || a.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health while draining: %v %v", a, err)
	}
	if _, err := c.GetStock(t.Context(), &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: "00010041"}); err != nil {
		t.Errorf("a unary call while draining: %v", err)
	}
	late, err := c.WatchStock(t.Context(), &hisgatev1.WatchStockRequest{PharmacyId: pharmacy, DrugIds: []string{"00010041"}})
	if err == nil {
		_, err = late.Recv()
	}
	want(t, err, codes.Unavailable, "SHUTTING_DOWN")
	if err := w.srv.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	_, err = stream.Recv()
	want(t, err, codes.Unavailable, "SHUTTING_DOWN")
}
