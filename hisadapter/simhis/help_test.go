package simhis_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

const (
	pharmacy = "HLWYF"
	drugA    = "00010041" // any number, 3.3330 for 100
	drugB    = "00010042" // in 24s, 12.96 for 24
	bigID    = "9007199254740993"
)

var (
	keyA = hisadapter.Key{PharmacyID: pharmacy, DrugID: drugA}
	keyB = hisadapter.Key{PharmacyID: pharmacy, DrugID: drugB}
)

// able is a HIS that can do everything.
func able() hisadapter.Capabilities {
	return hisadapter.Capabilities{
		Freeze: true, FreezeTTL: 30 * time.Minute, NetFigure: true, Find: true, Cancel: true, List: true,
		IdempotentByHisNo: true, AtomicItems: true, BatchSize: 10, HisNoMax: 32,
	}
}

func open(t *testing.T, cfg simhis.Config) *simhis.HIS {
	t.Helper()
	if cfg.Catalogue.Drugs == nil {
		cfg.Catalogue = simhis.DemoCatalogue()
	}
	h, err := simhis.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Books().Check(); err != nil {
			t.Errorf("the books do not agree: %v", err)
		}
	})
	return h
}

func placing(hisNo string, l ...hisadapter.Line) hisadapter.PlaceOrderRequest {
	return hisadapter.PlaceOrderRequest{HisNo: hisNo, PharmacyID: pharmacy, Lines: l}
}

func freezing(hisNo string, l ...hisadapter.Line) hisadapter.FreezeRequest {
	return hisadapter.FreezeRequest{HisNo: hisNo, PharmacyID: pharmacy, Lines: l}
}

func line(drugID string, n int64) hisadapter.Line {
	return hisadapter.Line{DrugID: drugID, Quantity: n}
}

func onHand(t *testing.T, d hisadapter.Driver, key hisadapter.Key) int64 {
	t.Helper()
	r, err := d.QueryStock(t.Context(), []hisadapter.Key{key})
	if err != nil {
		t.Fatal(err)
	}
	return r[0].OnHand
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantOutcome(t *testing.T, err error, want hisadapter.Outcome) {
	t.Helper()
	if got := hisadapter.OutcomeOf(err); got != want {
		t.Fatalf("outcome %v (%v), want %v", got, err, want)
	}
}

func wantState(t *testing.T, d hisadapter.Driver, hisNo string, want hisadapter.State) hisadapter.Found {
	t.Helper()
	f, err := d.FindOrder(t.Context(), hisNo)
	if err != nil {
		t.Fatal(err)
	}
	if f.State != want {
		t.Fatalf("state of %s is %v, want %v", hisNo, f.State, want)
	}
	return f
}
