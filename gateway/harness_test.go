package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

const pharmacy = "HLWYF"

func key(drug string) hisadapter.Key { return hisadapter.Key{PharmacyID: pharmacy, DrugID: drug} }

// The kinds of HIS that the tests go through.
var (
	plainHIS = hisadapter.Capabilities{
		Find: true, IdempotentByHisNo: true, AtomicItems: true, BatchSize: 100,
	}
	freezingHIS = hisadapter.Capabilities{
		Freeze: true, FreezeTTL: time.Hour, NetFigure: true, DeductNeedsFreeze: true,
		Find: true, Cancel: true, IdempotentByHisNo: true, AtomicItems: true, BatchSize: 100,
	}
)

// world is a HIS, a disk, and a hisgate between them that can be restarted.
type world struct {
	t        *testing.T
	his      *simhis.HIS
	settings gateway.Settings
	guard    guard.Settings
	safety   lockstore.SafetyPolicy
	owner    gateway.Owner
	clock    lockstore.Clock
	now      func() time.Time                          // the gateway's, nil = the bubble's
	wrap     func(hisadapter.Driver) hisadapter.Driver // around the HIS, below the guard
	disk     *memengine.Engine

	g      *gateway.Gateway
	ledger *lockstore.Ledger
	stop   func()

	mu     sync.Mutex
	alerts []gateway.Alert
}

// gateway is the one that runs now, for those who live through a restart.
func (w *world) gateway() *gateway.Gateway {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.g
}

// newWorld opens a world in which drug "A" has 10 units. It must be called in a
// synctest bubble.
func newWorld(t *testing.T, caps hisadapter.Capabilities, edit ...func(*world)) *world {
	t.Helper()
	his, err := simhis.New(simhis.Config{
		Capabilities: caps,
		Pace:         simhis.Pace{Latency: 50 * time.Millisecond},
		Catalogue: simhis.Catalogue{
			Drugs: []simhis.Drug{
				{ID: "A", Facts: hisadapter.Facts{Name: "甲硝唑片", Unit: "片", Price: "3.3330", PricePer: 100}},
				{ID: "B", Facts: hisadapter.Facts{Name: "阿莫西林", Unit: "粒", Multiple: 24}},
				{ID: "C", Facts: hisadapter.Facts{Name: "停售药", Unit: "支", Stopped: true}},
			},
			Stock: []simhis.Stock{
				{Key: key("A"), OnHand: 10}, {Key: key("B"), OnHand: 100}, {Key: key("C"), OnHand: 5},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, his: his, settings: gateway.DefaultSettings(), guard: guard.DefaultSettings(),
		disk: memengine.New(memengine.Options{}),
	}
	// One attempt and no breaker: a test that injects one fault means one call.
	w.guard.Retry.Attempts = 1
	w.guard.Breaker.MinCalls = 1_000_000
	w.guard.Rate = 0
	w.guard.MisconfiguredAfter = 1_000_000
	for _, f := range edit {
		f(w)
	}
	w.open()
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	caps := w.his.Capabilities()
	committer := engine.NewCommitter(w.disk, engine.CommitterOptions{})
	ledger, err := lockstore.Open(w.t.Context(), lockstore.Options{
		Committer: committer, Policy: gateway.Policy(caps, w.settings), Safety: w.safety, Clock: w.clock,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	inner := w.his.Driver()
	if w.wrap != nil {
		inner = w.wrap(inner)
	}
	driver, err := guard.New(inner, w.guard, guard.Deps{})
	if err != nil {
		w.t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		logger = slog.New(slog.NewTextHandler(w.t.Output(), nil))
	}
	g, err := gateway.Open(gateway.Options{
		HIS: driver, Ledger: ledger, Settings: w.settings, Owner: w.owner, Logger: logger, Now: w.now,
		OnAlert: func(a gateway.Alert) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.alerts = append(w.alerts, a)
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := g.Run(ctx); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}()
	w.mu.Lock()
	w.g, w.ledger = g, ledger
	w.mu.Unlock()
	w.stop = func() {
		over, overNow := context.WithCancel(context.Background())
		overNow()
		cancel()
		<-done
		g.Close(over)
		_ = ledger.Close()
		_ = committer.Close()
		w.stop = func() {}
	}
}

// crash pulls the plug and starts again: what was under way at the HIS goes on
// there, and what was not durable is gone.
func (w *world) crash() {
	w.t.Helper()
	next := w.disk.Crash()
	w.stop()
	w.disk = next
	w.open()
}

// restart closes properly and starts again.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.disk = w.disk.Reopen()
	w.open()
}

func (w *world) inject(f simhis.Fault) {
	w.t.Helper()
	if _, err := w.his.Inject(f); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) sell(drug string, n int64) int64 {
	w.t.Helper()
	sold, err := w.his.Counter().Sell(key(drug), n)
	if err != nil {
		w.t.Fatal(err)
	}
	return sold
}

func order(no, drug string, quantity int64) gateway.LockRequest {
	return gateway.LockRequest{
		Principal: "p", OrderNo: no, PharmacyID: pharmacy,
		Items: []lockstore.Item{{DrugID: drug, Quantity: quantity}},
	}
}

func (w *world) lock(r gateway.LockRequest) (lockstore.Lock, error) {
	return w.g.Lock(w.t.Context(), r)
}

func (w *world) mustLock(r gateway.LockRequest) lockstore.Lock {
	w.t.Helper()
	l, err := w.lock(r)
	if err != nil {
		w.t.Fatalf("Lock of %s: %v", r.OrderNo, err)
	}
	return l
}

func (w *world) confirm(no string) (lockstore.Lock, error) {
	return w.g.Confirm(w.t.Context(), "p", no, lockstore.Reference{TransactionID: "T" + no})
}

func (w *world) mustConfirm(no string) lockstore.Lock {
	w.t.Helper()
	l, err := w.confirm(no)
	if err != nil {
		w.t.Fatalf("Confirm of %s: %v", no, err)
	}
	return l
}

func (w *world) get(no string) lockstore.Lock {
	w.t.Helper()
	l, err := w.g.GetLock(w.t.Context(), "p", no)
	if err != nil {
		w.t.Fatalf("GetLock of %s: %v", no, err)
	}
	return l
}

func (w *world) wantStatus(no string, want lockstore.Status) lockstore.Lock {
	w.t.Helper()
	l := w.get(no)
	if l.Status != want {
		w.t.Fatalf("%s is %v (unknown %v, case %q), want %v; history %+v", no, l.Status, l.Unknown, l.CaseReason, want, l.History)
	}
	return l
}

func (w *world) calls(op simhis.Op) int { return w.his.Counters().Ops[op].Calls }

// settle lets time pass until nothing is left to do at the HIS, or gives up.
func (w *world) settle() {
	w.t.Helper()
	w.until(func(s gateway.State) bool {
		return s.Ledger.Work == 0 && s.Ledger.Unknown == 0 && s.Jobs == 0
	})
}

// runDown lets time pass until every lock has expired, and what is left to do is
// a person's.
func (w *world) runDown() {
	w.t.Helper()
	w.until(func(s gateway.State) bool {
		// What is unknown and a case is looked for all the same.
		work, unknown := s.Ledger.Work, s.Ledger.Unknown
		looked := (work == 0 || work == unknown) && unknown <= s.Ledger.Cases
		return looked && s.Ledger.Waiting == 0 && s.Jobs == 0
	})
}

func (w *world) until(done func(gateway.State) bool) {
	w.t.Helper()
	for range 200 {
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if done(w.g.State()) {
			return
		}
	}
	w.t.Errorf("not settled: %+v", w.g.State())
}

// wantOrder holds the HIS's own account of a his_no against what it should be.
func (w *world) wantOrder(hisNo string, want hisadapter.State) {
	w.t.Helper()
	got := hisadapter.None
	applied := 0
	if b, ok := w.his.Books().Order(hisNo); ok {
		got, applied = b.State, b.Applications()
	}
	if got != want {
		w.t.Errorf("at the HIS %s is %v, want %v", hisNo, got, want)
	}
	if applied > 1 {
		w.t.Errorf("at the HIS %s was deducted %d times", hisNo, applied)
	}
}

// wantSoundBooks checks I1 and that nothing stays frozen for nothing.
func (w *world) wantSoundBooks() {
	w.t.Helper()
	books := w.his.Books()
	if err := books.Check(); err != nil {
		w.t.Error(err)
	}
	if over := books.Oversold(); len(over) > 0 {
		w.t.Errorf("oversold: %+v", over)
	}
}

func (w *world) stock(drug string) gateway.Stock {
	w.t.Helper()
	s, err := w.g.GetStock(w.t.Context(), key(drug), gateway.Cached)
	if err != nil {
		w.t.Fatalf("GetStock of %s: %v", drug, err)
	}
	return s
}

func wantFigures(t *testing.T, s gateway.Stock, onHand, held, available int64) {
	t.Helper()
	if s.OnHand != onHand || s.Held != held || s.Available != available {
		t.Errorf("on hand %d, held %d, available %d; want %d, %d, %d", s.OnHand, s.Held, s.Available, onHand, held, available)
	}
}

func wantError[T error](t *testing.T, err error) T {
	t.Helper()
	e, ok := errors.AsType[T](err)
	if !ok {
		t.Fatalf("error %v (%T), want a %T", err, err, e)
	}
	return e
}

// bubble runs a test in a synctest bubble.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// seeds runs f with n seeds, each of which a failure names.
func seeds(t *testing.T, n int, f func(t *testing.T, r *rand.Rand)) {
	first := uint64(time.Now().UnixNano())
	for i := range uint64(n) {
		t.Run(fmt.Sprintf("seed=%d", first+i), func(t *testing.T) {
			bubble(t, func(t *testing.T) { f(t, rand.New(rand.NewPCG(first+i, 0))) })
		})
	}
}
