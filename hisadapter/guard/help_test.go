package guard_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

const pharmacy = "HLWYF"

func able() hisadapter.Capabilities {
	return hisadapter.Capabilities{
		Freeze: true, Find: true, Cancel: true, List: true, IdempotentByHisNo: true, AtomicItems: true, BatchSize: 128,
	}
}

func drug(i int) string { return fmt.Sprintf("%08d", i) }

func key(i int) hisadapter.Key { return hisadapter.Key{PharmacyID: pharmacy, DrugID: drug(i)} }

func keys(n int) []hisadapter.Key {
	var out []hisadapter.Key
	for i := range n {
		out = append(out, key(i))
	}
	return out
}

// open gives a HIS of 300 drugs and a guard around it.
func open(t *testing.T, cfg simhis.Config, s guard.Settings, deps guard.Deps) (*simhis.HIS, *guard.Guard) {
	t.Helper()
	if cfg.Capabilities.BatchSize == 0 {
		cfg.Capabilities = able()
	}
	for i := range 300 {
		cfg.Catalogue.Drugs = append(cfg.Catalogue.Drugs, simhis.Drug{ID: drug(i)})
		cfg.Catalogue.Stock = append(cfg.Catalogue.Stock, simhis.Stock{Key: key(i), OnHand: 100_000})
	}
	h, err := simhis.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h, wrap(t, h.Driver(), s, deps)
}

func wrap(t *testing.T, d hisadapter.Driver, s guard.Settings, deps guard.Deps) *guard.Guard {
	t.Helper()
	g, err := guard.New(d, s, deps)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func inject(t *testing.T, h *simhis.HIS, f simhis.Fault) {
	t.Helper()
	if _, err := h.Inject(f); err != nil {
		t.Fatal(err)
	}
}

func placing(hisNo string) hisadapter.PlaceOrderRequest {
	return hisadapter.PlaceOrderRequest{
		HisNo: hisNo, PharmacyID: pharmacy, Lines: []hisadapter.Line{{DrugID: drug(0), Quantity: 1}},
	}
}

func place(ctx context.Context, g *guard.Guard, hisNo string) error {
	_, err := g.PlaceOrder(ctx, placing(hisNo))
	return err
}

func query(ctx context.Context, g *guard.Guard) error {
	_, err := g.QueryStock(ctx, keys(1))
	return err
}

func wantOutcome(t *testing.T, err error, want hisadapter.Outcome) {
	t.Helper()
	if got := hisadapter.OutcomeOf(err); got != want {
		t.Fatalf("outcome %v (%v), want %v", got, err, want)
	}
}

// wantRejection is a NotSent of the guard's own, with a hint when to come back.
func wantRejection(t *testing.T, err error, want guard.Cause) {
	t.Helper()
	wantOutcome(t, err, hisadapter.NotSent)
	r, ok := errors.AsType[*guard.Rejection](err)
	if !ok || r.Cause != want {
		t.Fatalf("got %v, want a rejection for %s", err, want)
	}
	if e, _ := errors.AsType[*hisadapter.Error](err); e.RetryAfter <= 0 {
		t.Fatalf("%v has no hint when to come back", err)
	}
}

func calls(h *simhis.HIS, op simhis.Op) int { return h.Counters().Ops[op].Calls }

func class(s guard.State, c guard.Class) guard.ClassState { return s.Classes[c] }

// stub answers PlaceOrder by a function, whatever its context says.
type stub struct {
	hisadapter.Driver
	place func() error
}

func (s stub) PlaceOrder(context.Context, hisadapter.PlaceOrderRequest) (hisadapter.HISOrder, error) {
	return hisadapter.HISOrder{}, s.place()
}

// since is how much simulated time has passed.
func since(start time.Time) time.Duration { return time.Since(start) }
