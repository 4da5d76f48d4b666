package guard_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

func impatient(t *testing.T, g *guard.Guard) error {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	return query(ctx, g)
}

func TestBatchesAreSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caps := able()
		caps.BatchSize = 7
		h, g := open(t, simhis.Config{Capabilities: caps, Pace: simhis.Pace{Latency: time.Second}}, guard.DefaultSettings(), guard.Deps{})
		ask := append(keys(50), key(999), key(3))
		got, err := g.QueryStock(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range got {
			if r.Key != ask[i] || r.Unknown != (i == 50) {
				t.Errorf("reading %d is %+v", i, r)
			}
		}
		if n := calls(h, simhis.OpQueryStock); n != 8 {
			t.Errorf("%d calls for 52 keys of 7 each", n)
		}
		if n := h.Counters().MaxInFlight; n != 3 {
			t.Errorf("%d at once, 3 are there for queries", n)
		}
		if got, err := g.QueryStock(t.Context(), nil); len(got) != 0 || err != nil {
			t.Errorf("no keys: %v, %v", got, err)
		}
	})
}

// [C6] One bad drug does not fail the others.
func TestOneBadDrugDoesNotFailTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(t, simhis.Config{}, guard.DefaultSettings(), guard.Deps{})
		bad := key(61)
		inject(t, h, simhis.Fault{Op: simhis.OpQueryStock, DrugID: bad.DrugID, What: simhis.Refuse, Message: "药品档案损坏"})
		ask := keys(100)
		for round, most := range []int{2*7 + 1, 2, 2} {
			before := calls(h, simhis.OpQueryStock)
			readings, err := g.QueryStock(t.Context(), ask)
			e, ok := errors.AsType[*guard.BatchError](err)
			if !ok || readings != nil {
				t.Fatalf("got %v, %v", readings, err)
			}
			if len(e.Readings) != 99 || len(e.Failed) != 1 || hisadapter.OutcomeOf(e.Failed[bad]) != hisadapter.Refused {
				t.Fatalf("%d read, failed %v", len(e.Readings), e.Failed)
			}
			for i, r := range e.Readings {
				want := i
				if i >= 61 {
					want++
				}
				if r.Key != key(want) {
					t.Fatalf("reading %d is of %v", i, r.Key)
				}
			}
			wantOutcome(t, err, hisadapter.Refused)
			// Found once, it is asked alone afterwards.
			if n := calls(h, simhis.OpQueryStock) - before; n > most {
				t.Errorf("round %d took %d calls, want at most %d", round, n, most)
			}
		}
		h.ClearFaults()
		if _, err := g.QueryStock(t.Context(), ask); err != nil {
			t.Fatal(err)
		}
		if n := g.State().Suspects; n != 0 {
			t.Errorf("%d suspects after the drug was mended", n)
		}
		// A refusal of one key alone is just that.
		inject(t, h, simhis.Fault{DrugID: bad.DrugID, What: simhis.Refuse})
		_, err := g.QueryStock(t.Context(), []hisadapter.Key{bad})
		if _, ok := errors.AsType[*guard.BatchError](err); ok || hisadapter.OutcomeOf(err) != hisadapter.Refused {
			t.Errorf("got %v", err)
		}
	})
}

// A HIS that refuses everything is not asked for each key.
func TestHalvingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(t, simhis.Config{}, guard.DefaultSettings(), guard.Deps{})
		inject(t, h, simhis.Fault{Op: simhis.OpQueryStock, What: simhis.Refuse, Message: "日结中"})
		_, err := g.QueryStock(t.Context(), keys(100))
		wantOutcome(t, err, hisadapter.Refused)
		if n := calls(h, simhis.OpQueryStock); n > 29 {
			t.Errorf("%d calls", n)
		}
	})
}

// picky is a HIS that refuses a batch for each drug in it that it does not know.
type picky struct {
	hisadapter.Driver
	unknown func(hisadapter.Key) bool
}

func (p picky) QueryStock(ctx context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	if slices.ContainsFunc(keys, p.unknown) {
		return nil, &hisadapter.Error{Op: "QueryStock", Outcome: hisadapter.Refused, Kind: hisadapter.UnknownDrug, Code: "-1"}
	}
	return p.Driver.QueryStock(ctx, keys)
}

// What a HIS says of a batch it says of one drug in it, and not of the others:
// where the halving comes to its bound, those that were never asked for alone are
// neither unknown nor stopped. Asked for again, they come to be read.
func TestARefusedBatchSaysNothingOfItsDrugs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := open(t, simhis.Config{}, guard.DefaultSettings(), guard.Deps{})
		unknown := func(k hisadapter.Key) bool { return k.DrugID[len(k.DrugID)-1]%2 == 1 }
		g := wrap(t, picky{h.Driver(), unknown}, guard.DefaultSettings(), guard.Deps{})
		for round, left := 0, 1; left > 0; round++ {
			_, err := g.QueryStock(t.Context(), keys(64))
			e, ok := errors.AsType[*guard.BatchError](err)
			if !ok {
				t.Fatalf("nothing was read: %v", err)
			}
			left = 0
			for k, err := range e.Failed {
				if unknown(k) {
					continue
				}
				left++
				if h, _ := errors.AsType[*hisadapter.Error](err); h.Kind.ForGood() || h.Code != "-1" {
					t.Fatalf("round %d: drug %s is known: %v", round, k.DrugID, err)
				}
			}
			if round == 20 {
				t.Fatalf("%d drugs are still not read", left)
			}
		}
	})
}

// A batch that was lost does not take the others with it.
func TestLostBatchAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caps := able()
		caps.BatchSize = 10
		h, g := open(t, simhis.Config{Capabilities: caps}, guard.DefaultSettings(), guard.Deps{})
		inject(t, h, simhis.Fault{DrugID: drug(5), What: simhis.HTTP500})
		_, err := g.QueryStock(t.Context(), keys(20))
		e, ok := errors.AsType[*guard.BatchError](err)
		if !ok || len(e.Readings) != 10 || len(e.Failed) != 10 {
			t.Fatalf("got %v", err)
		}
		wantOutcome(t, err, hisadapter.Unknown)
	})
}

// swapped is a driver that mixes up its readings.
type swapped struct{ hisadapter.Driver }

func (s swapped) QueryStock(ctx context.Context, k []hisadapter.Key) ([]hisadapter.Reading, error) {
	r, err := s.Driver.QueryStock(ctx, k)
	r[0], r[1] = r[1], r[0]
	return r, err
}

func TestMixedUpReadingsAreNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := open(t, simhis.Config{}, guard.DefaultSettings(), guard.Deps{})
		g := wrap(t, swapped{h.Driver()}, guard.DefaultSettings(), guard.Deps{})
		_, err := g.QueryStock(t.Context(), keys(2))
		wantOutcome(t, err, hisadapter.Unknown)
	})
}

// halfRead is a HIS of which what it says of one drug cannot be read.
type halfRead struct {
	hisadapter.Driver
	bad   hisadapter.Key
	calls int
}

func (h *halfRead) Capabilities() hisadapter.Capabilities { return able() }

func (h *halfRead) QueryStock(_ context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	h.calls++
	var out []hisadapter.Reading
	for _, k := range keys {
		r := hisadapter.Reading{Key: k, OnHand: 5}
		if k == h.bad {
			r = hisadapter.Reading{Key: k, Err: &hisadapter.Error{Op: "QueryStock", Outcome: hisadapter.Unknown}}
		}
		out = append(out, r)
	}
	return hisadapter.Readable(out)
}

// [C6] It fails alone, is not asked for again because of it, and says nothing
// against the HIS.
func TestUnreadableDrugFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &halfRead{bad: key(3)}
		g := wrap(t, h, guard.DefaultSettings(), guard.Deps{})
		for range 50 {
			_, err := g.QueryStock(t.Context(), keys(6))
			e, ok := errors.AsType[*guard.BatchError](err)
			if !ok {
				t.Fatal(err)
			}
			if len(e.Readings) != 5 || len(e.Failed) != 1 || hisadapter.OutcomeOf(e.Failed[key(3)]) != hisadapter.Unknown {
				t.Fatalf("read %+v, failed %+v", e.Readings, e.Failed)
			}
			time.Sleep(time.Second)
		}
		if h.calls != 50 {
			t.Errorf("%d calls for 50 queries", h.calls)
		}
	})
}
