package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/gatewaylocks"
)

const pharmacy = "HLWYF"

// world is a whole hisgate over a simulated HIS, a fake WeChat and memory.
type world struct {
	his    *simhis.HIS
	gw     *gateway.Gateway
	orders *payflow.Service
	pay    *fakePay
	srv    *server.Server
	reg    *prometheus.Registry
	log    *logSink
	health []string

	conn *grpc.ClientConn // dialled
	rest *httptest.Server
}

// newWorld opens one; payment is disabled when pay is nil.
func newWorld(t *testing.T, pay *fakePay, edit ...func(*server.Options)) *world {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	his, err := simhis.New(simhis.Config{
		Capabilities: hisadapter.Capabilities{Find: true, IdempotentByHisNo: true, AtomicItems: true, BatchSize: 100},
		Catalogue: simhis.Catalogue{
			Drugs: []simhis.Drug{
				{ID: "00010041", Facts: hisadapter.Facts{Name: "甲硝唑片", Unit: "片", Price: "3.3330", PricePer: 100}},
				{ID: "A/B:1", Facts: hisadapter.Facts{Name: "斜杠", Unit: "支"}},
				{ID: "BOX", Facts: hisadapter.Facts{Name: "整盒", Unit: "粒", Multiple: 24}},
			},
			Stock: []simhis.Stock{
				{Key: hisadapter.Key{PharmacyID: pharmacy, DrugID: "00010041"}, OnHand: 1000},
				{Key: hisadapter.Key{PharmacyID: pharmacy, DrugID: "A/B:1"}, OnHand: 5},
				{Key: hisadapter.Key{PharmacyID: pharmacy, DrugID: "BOX"}, OnHand: 100},
			},
		},
	})
	must(err)
	w := &world{his: his, pay: pay, reg: prometheus.NewRegistry(), log: &logSink{}}
	settings := guard.DefaultSettings()
	settings.Retry.Attempts = 1
	calls, err := server.NewHISMetrics(w.reg)
	must(err)
	driver, err := guard.New(his.Driver(), settings, guard.Deps{Observe: calls.Observe})
	must(err)
	committer := engine.NewCommitter(memengine.New(memengine.Options{}), engine.CommitterOptions{})
	ledger, err := lockstore.Open(t.Context(), lockstore.Options{
		Committer: committer, Policy: gateway.Policy(his.Capabilities(), gateway.DefaultSettings()),
	})
	must(err)
	w.gw, err = gateway.Open(gateway.Options{HIS: driver, Ledger: ledger, Settings: gateway.DefaultSettings()})
	must(err)
	o := payflow.Options{Committer: committer, Locks: gatewaylocks.New(w.gw), Settings: payflow.Default()}
	o.Settings.AppIDs = []string{"wx1"}
	if pay != nil {
		o.Pay, o.Bills = pay, pay
	}
	w.orders, err = payflow.Open(t.Context(), o)
	must(err)
	options := server.Options{
		Gateway: w.gw, Orders: w.orders, Guard: driver.State, Registry: w.reg, AppIDs: []string{"wx1"}, Version: "test",
		Logger: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Health: func() []string { return w.health },
	}
	for _, f := range edit {
		f(&options)
	}
	w.srv, err = server.New(options)
	must(err)

	ctx, cancel := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	workers.Go(func() { _ = w.gw.Run(ctx) })
	workers.Go(func() { _ = w.orders.Run(ctx) })
	listener := bufconn.Listen(1 << 20)
	workers.Go(func() { _ = w.srv.GRPC().Serve(listener) })
	w.conn, err = grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	must(err)
	w.rest = httptest.NewUnstartedServer(nil)
	w.rest.Config = server.NewHTTPServer(w.srv.Public(true), nil)
	w.rest.Start()
	t.Cleanup(func() {
		over, overNow := context.WithTimeout(context.Background(), 5*time.Second)
		defer overNow()
		w.srv.Drain()
		w.rest.Close()
		_ = w.conn.Close()
		_ = w.srv.Shutdown(over)
		cancel()
		workers.Wait()
		w.gw.Close(over)
		_ = ledger.Close()
		_ = committer.Close()
	})
	return w
}

// call makes a REST request and returns status, header and JSON.
func (w *world) call(t *testing.T, method, path, body string, header ...string) (int, http.Header, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.rest.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := w.rest.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if len(data) > 0 {
		if err := json.Unmarshal(data, &out); err != nil {
			t.Fatalf("%s %s: %d, not JSON: %q", method, path, res.StatusCode, data)
		}
	}
	return res.StatusCode, res.Header, out
}

// mustCall is call for what must succeed.
func (w *world) mustCall(t *testing.T, method, path, body string) map[string]any {
	t.Helper()
	code, _, out := w.call(t, method, path, body)
	if code != http.StatusOK {
		t.Fatalf("%s %s: %d %v", method, path, code, out)
	}
	return out
}

func lockBody(no, drug string, quantity int) string {
	return fmt.Sprintf(`{"order_no":%q,"pharmacy_id":%q,"items":[{"drug_id":%q,"quantity":"%d"}]}`, no, pharmacy, drug, quantity)
}

func orderBody(no, strategy string) string {
	return fmt.Sprintf(`{"order_no":%q,"strategy":%q,"pharmacy_id":%q,"items":[{"drug_id":"00010041","quantity":"30"}],`+
		`"payment":{"method":"JSAPI","payer_openid":"oSECRETopenid","description":"药费"}}`, no, strategy, pharmacy)
}

// reasonIn is the reason in an error's JSON.
func reasonIn(out map[string]any) string {
	details, _ := out["details"].([]any)
	for _, d := range details {
		if m, _ := d.(map[string]any); m["@type"] == "type.googleapis.com/google.rpc.ErrorInfo" {
			s, _ := m["reason"].(string)
			return s
		}
	}
	return ""
}

// logSink collects what was logged.
type logSink struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logSink) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logSink) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
