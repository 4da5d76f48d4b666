package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/payflow/wechatsim"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// TestMain lets this test binary be hisgate itself where it is started under
// that name: by the scripts, and as a process that may be killed.
func TestMain(m *testing.M) {
	// These tests mostly wait, for timeouts and for each other's processes.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"hisgate": main, quickName: quickMain})
}

// patience is how long a test waits for what must come; only a failure takes it.
const patience = 30 * time.Second

// quick shortens what waits, so that outcomes are found out in a second, and
// leaves every rule as it stands.
func quick(s *settings) {
	s.guard.Rate, s.guard.Burst = 1000, 1000
	s.guard.Timeouts = guard.Timeouts{
		QueryStock: 2 * time.Second, FindOrder: 2 * time.Second, ListOrders: 2 * time.Second,
		Freeze: time.Second, Unfreeze: time.Second, PlaceOrder: time.Second, CancelOrder: time.Second,
	}
	s.guard.BusyAfterTimeout = 50 * time.Millisecond
	s.guard.Breaker.OpenFor = 200 * time.Millisecond
	s.guard.MisconfiguredPause = 200 * time.Millisecond
	s.gateway.Calls.Attempt = time.Second
	s.gateway.Resolver.Grace = 2 * time.Second
	s.gateway.Resolver.Backoff = []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond}
	s.gateway.Expiry.Retry = 100 * time.Millisecond
}

// world is everything outside of hisgate, for one test: a HIS and a WeChat Pay
// behind real sockets, a gate before them, and a data folder.
type world struct {
	t    *testing.T
	dir  string
	sims *simulators
	gate *gate
	cfg  Config
}

func newWorld(t *testing.T, freeze bool) *world {
	t.Helper()
	return newWorldOf(t, simOptions{Capabilities: simCapabilities(freeze)})
}

// newWorldOf is a world with simulators of a special kind.
func newWorldOf(t *testing.T, o simOptions) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	layKeys(t, w.dir)
	o.Dir, o.HISAddr, o.WeChatAddr, o.Logger = w.dir, "127.0.0.1:0", "127.0.0.1:0", slog.New(slog.DiscardHandler)
	o.RefundDelay, o.NotifyScale = 50*time.Millisecond, 0.01
	var err error
	w.sims, err = startSimulators(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.sims.Close)
	w.gate = newGate(t, w.sims.HIS.Handler(), w.sims.WeChat.Handler())
	w.cfg = w.sims.config()
	w.cfg.Log = Log{Level: "debug", Format: "json"}
	w.cfg.Listen = Listen{GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0", Ops: "127.0.0.1:0"}
	w.cfg.HIS.SimHIS.URL = w.gate.his.URL
	w.cfg.WeChat.APIBaseURL = w.gate.wechat.URL
	w.cfg.WeChat.NotifyURL = w.gate.callbacks.URL
	return w
}

// simulatedKeys makes one set of keys for all tests; they are slow to make.
var simulatedKeys = sync.OnceValues(func() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "hisgate-keys-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if _, err := simKeys(dir); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, name := range []string{"apiclient_key.pem", "apiv3.key", "pub_key.pem", "simulator-keys.json"} {
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return files, nil
})

func layKeys(t *testing.T, dir string) {
	t.Helper()
	files, err := simulatedKeys()
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// filesLike finds files in the data folder.
func (w *world) filesLike(pattern string) ([]string, error) {
	return filepath.Glob(filepath.Join(w.cfg.DataDir, pattern))
}

// shelve lays a drug on the shelf of the only pharmacy: 12.50 yuan a box.
func (w *world) shelve(drug string, units int64) {
	w.t.Helper()
	facts := hisadapter.Facts{Name: "药品" + drug, Unit: "盒", Multiple: 1, Price: "12.50", PricePer: 1}
	if err := w.sims.HIS.SetDrug(simhis.Drug{ID: drug, Facts: facts}); err != nil {
		w.t.Fatal(err)
	}
	if err := w.sims.HIS.SetStock(keyOf(drug), units); err != nil {
		w.t.Fatal(err)
	}
}

func keyOf(drug string) hisadapter.Key {
	return hisadapter.Key{PharmacyID: simhis.DemoPharmacy, DrugID: drug}
}

// sell is the counter, which asks nobody.
func (w *world) sell(drug string, units int64) int64 {
	w.t.Helper()
	n, err := w.sims.HIS.Counter().Sell(keyOf(drug), units)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// pay is the patient.
func (w *world) pay(no string) {
	w.t.Helper()
	if _, err := w.sims.WeChat.Pay(w.t.Context(), no); err != nil {
		w.t.Fatalf("paying %s: %v", no, err)
	}
}

func (w *world) hisFault(f simhis.Fault) {
	w.t.Helper()
	if _, err := w.sims.HIS.Inject(f); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) wechatFault(f wechatsim.Fault) {
	w.t.Helper()
	if err := w.sims.WeChat.Inject(f); err != nil {
		w.t.Fatal(err)
	}
}

// house is a hisgate in this process, in its world.
type house struct {
	*world
	api
	program *Program
	log     *logBuffer
	conn    *grpc.ClientConn
	orders  hisgatev1.OrderServiceClient
	stock   hisgatev1.StockServiceClient
	locks   hisgatev1.LockServiceClient
	ops     hisgatev1.OpsServiceClient
}

// openHouse opens the program in a new world. tune may change anything first.
func openHouse(t *testing.T, freeze bool, tune ...func(*Config, *settings)) *house {
	t.Helper()
	return newWorld(t, freeze).open(tune...)
}

// open opens the program on free ports. At the end of the test it must close
// cleanly, and its log must keep its secrets.
func (w *world) open(tune ...func(*Config, *settings)) *house {
	t := w.t
	t.Helper()
	h := &house{world: w, log: &logBuffer{}}
	s := h.cfg.settings()
	quick(&s)
	for _, f := range tune {
		f(&h.cfg, &s)
	}
	if err := h.cfg.Validate(nil); err != nil {
		t.Fatal(err)
	}
	var err error
	h.program, err = open(h.cfg, s, slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.program.Close(ctx); err != nil {
			t.Errorf("closing: %v", err)
		}
		h.checkLeaks(h.log.String())
		if t.Failed() {
			t.Logf("hisgate's log:\n%s", h.log.tail(200))
		}
	})
	h.api = api{t: t, base: "http://" + h.program.HTTPAddr}
	h.gate.sendTo("http://" + h.program.WebhookAddr)
	h.conn, err = grpc.NewClient(h.program.GRPCAddr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.conn.Close() })
	h.orders = hisgatev1.NewOrderServiceClient(h.conn)
	h.stock = hisgatev1.NewStockServiceClient(h.conn)
	h.locks = hisgatev1.NewLockServiceClient(h.conn)
	h.ops = hisgatev1.NewOpsServiceClient(h.conn)
	return h
}

// bothKinds runs a test before a HIS that can freeze stock and before one that
// cannot.
func bothKinds(t *testing.T, f func(t *testing.T, freeze bool)) {
	for name, freeze := range map[string]bool{"freeze": true, "no freeze": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, freeze)
		})
	}
}

// logBuffer keeps a log that several goroutines write.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// tail returns the last lines.
func (b *logBuffer) tail(lines int) string {
	all := bytes.Split(bytes.TrimSpace([]byte(b.String())), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// eventually asks again and again until f has nothing to complain of.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: still, after %s: %v", what, patience, err)
		}
	}
}

// want is the complaint that two values differ.
func want[T comparable](what string, got, wanted T) error {
	if got != wanted {
		return fmt.Errorf("%s is %v, want %v", what, got, wanted)
	}
	return nil
}
