package gateway_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

func TestStockIsReadThroughTheCache(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		s := w.stock("A")
		wantFigures(t, s, 10, 0, 10)
		if s.Source != gateway.SourceLive || s.Facts.Name != "甲硝唑片" || !s.Orderable {
			t.Errorf("got %+v", s)
		}
		w.sell("A", 3)
		s = w.stock("A")
		wantFigures(t, s, 10, 0, 10)
		if s.Source != gateway.SourceCache {
			t.Errorf("source %v", s.Source)
		}
		time.Sleep(10 * time.Second)
		wantFigures(t, w.stock("A"), 7, 0, 7)
	})
}

func TestWithoutJitterAFigureIsAnsweredForItsWholeAge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS, func(w *world) { w.settings.Cache.Jitter = 0 })
		for range 10 {
			w.stock("A")
			calls := w.calls(simhis.OpQueryStock)
			time.Sleep(w.settings.Cache.MaxAge - 100*time.Millisecond)
			w.stock("A")
			if n := w.calls(simhis.OpQueryStock) - calls; n != 0 {
				t.Fatal("asked again before its age was over")
			}
			time.Sleep(w.settings.Cache.MaxAge)
		}
	})
}

func TestLiveStockAsksTheHIS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.stock("A")
		w.sell("A", 3)
		s, err := w.g.GetStock(t.Context(), key("A"), gateway.Live)
		if err != nil {
			t.Fatal(err)
		}
		wantFigures(t, s, 7, 0, 7)
	})
}

func TestAThousandReadersCostOneCallInTenSeconds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				for ctx.Err() == nil {
					if _, err := w.g.GetStock(context.Background(), key("A"), gateway.Cached); err != nil {
						t.Error(err)
						return
					}
					time.Sleep(time.Duration(300+i%100) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if n := w.calls(simhis.OpQueryStock); n > 7 {
			t.Errorf("%d calls in a minute", n)
		}
	})
}

func TestHoldsAndSafetyAreTakenOffTheAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS, func(w *world) {
			w.safety = lockstore.SafetyPolicy{Default: lockstore.SafetyRule{Units: 2}}
		})
		wantFigures(t, w.stock("A"), 10, 0, 8)
		w.mustLock(order("O1", "A", 3))
		s := w.stock("A") // the figure may come from the cache; the hold does not
		wantFigures(t, s, 10, 3, 5)
		if s.Safety != 2 {
			t.Errorf("safety %d", s.Safety)
		}
		if _, err := w.g.Release(t.Context(), "p", "O1"); err != nil {
			t.Fatal(err)
		}
		wantFigures(t, w.stock("A"), 10, 0, 8)
	})
}

func TestAvailableIsFlooredToTheMultiple(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		wantFigures(t, w.stock("B"), 100, 0, 96)
	})
}

func TestSilentHISLeavesTheLastFigureMarked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		read := w.stock("A").AsOf
		w.his.SetDown(true)
		time.Sleep(4 * time.Minute)
		s := w.stock("A")
		if !s.Degraded || s.Source != gateway.SourceStale || !s.AsOf.Equal(read) || s.OnHand != 10 {
			t.Errorf("got %+v", s)
		}
		if len(w.g.Health()) == 0 {
			t.Error("health complains of nothing")
		}
		time.Sleep(2 * time.Minute)
		_, err := w.g.GetStock(t.Context(), key("A"), gateway.Cached)
		if e := wantError[*gateway.HISError](t, err); e.Outcome != hisadapter.NotSent {
			t.Errorf("outcome %v", e.Outcome)
		}
		w.his.SetDown(false)
		if s := w.stock("A"); s.Degraded {
			t.Error("still degraded")
		}
		if h := w.g.Health(); len(h) > 0 {
			t.Errorf("health: %v", h)
		}
	})
}

func TestUnknownDrugs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		_, err := w.g.GetStock(t.Context(), key("X"), gateway.Cached)
		if e := wantError[*gateway.UnknownDrugError](t, err); e.Key != key("X") {
			t.Errorf("key %v", e.Key)
		}
		_, _ = w.g.GetStock(t.Context(), key("X"), gateway.Cached)
		if n := w.calls(simhis.OpQueryStock); n != 1 {
			t.Errorf("%d calls for an unknown drug", n)
		}
	})
}

// [C6] One drug that the HIS refuses to read does not fail the others.
func TestABadDrugDoesNotFailItsBatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.inject(simhis.Fault{Op: simhis.OpQueryStock, What: simhis.Refuse, DrugID: "C"})
		got, err := w.g.BatchGetStock(t.Context(), []hisadapter.Key{key("A"), key("C"), key("B"), key("X")}, gateway.Cached)
		if err != nil {
			t.Fatal(err)
		}
		if got[0].Err != nil || got[0].Stock.OnHand != 10 || got[2].Err != nil || got[2].Stock.OnHand != 100 {
			t.Errorf("got %+v", got)
		}
		wantError[*gateway.HISRefusedError](t, got[1].Err)
		wantError[*gateway.UnknownDrugError](t, got[3].Err)
	})
}

// stopping is a HIS that answers nothing about drug "A" from a moment on but that
// it is stopped.
type stopping struct {
	hisadapter.Driver
	on *bool
}

func (d stopping) QueryStock(ctx context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	if *d.on && slices.Contains(keys, key("A")) {
		return nil, &hisadapter.Error{Op: "QueryStock", Outcome: hisadapter.Refused, Kind: hisadapter.Stopped, Code: "9", Message: "停用"}
	}
	return d.Driver.QueryStock(ctx, keys)
}

// "Stopped" is an answer: no last figure stands in for it, and it is remembered
// as long as one.
func TestTheHISSaysNoMoreOfADrugThanThatItIsStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		on := new(bool)
		w := newWorld(t, plainHIS, func(w *world) {
			w.wrap = func(d hisadapter.Driver) hisadapter.Driver { return stopping{d, on} }
			w.safety = lockstore.SafetyPolicy{Default: lockstore.SafetyRule{Percent: 50}}
		})
		w.stock("B")
		*on = true
		s := w.stock("A")
		if s.Orderable || !s.Facts.Stopped || s.Available != 0 {
			t.Errorf("without a last figure: %+v", s)
		}
		*on = false
		time.Sleep(time.Minute)
		if s := w.stock("A"); !s.Orderable || s.Available != 5 {
			t.Errorf("sold again, half of it kept: %+v", s)
		}
		*on = true
		time.Sleep(time.Minute)
		s = w.stock("A")
		if s.Orderable || !s.Facts.Stopped || s.Degraded || s.Facts.Name != "甲硝唑片" || time.Since(s.AsOf) > time.Second {
			t.Errorf("stopped: %+v", s)
		}
		for _, live := range []bool{false, true} {
			lines, err := w.g.Check(t.Context(), gateway.CheckRequest{
				PharmacyID: pharmacy, Live: live, Items: []lockstore.Item{{DrugID: "A", Quantity: 1}, {DrugID: "B", Quantity: 24}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if a := lines[0]; !a.Checked || !a.Stopped || a.Stale {
				t.Errorf("checked, live %v: %+v", live, a)
			}
			if b := lines[1]; !b.Checked || b.Stopped || b.Available == 0 {
				t.Errorf("the other, live %v: %+v", live, b)
			}
		}
		_, err := w.lock(order("O1", "A", 1))
		if e := wantError[*gateway.HISRefusedError](t, err); e.Kind != hisadapter.Stopped || !e.ForGood {
			t.Errorf("locked: %v", err)
		}
		w.stock("A")
		calls := w.calls(simhis.OpQueryStock)
		for range 10 {
			w.stock("A")
		}
		if n := w.calls(simhis.OpQueryStock); n != calls {
			t.Errorf("%d calls for what was told", n-calls)
		}
	})
}

func push(w *world, drug string, onHand *int64, sequence *int64) (applied, dropped int) {
	w.t.Helper()
	applied, dropped, err := w.g.ReportStockChange(w.t.Context(), []gateway.StockChange{
		{Key: key(drug), OnHand: onHand, Sequence: sequence, Source: "mq"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return applied, dropped
}

func ptr(n int64) *int64 { return &n }

func TestPushesAreShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.stock("A")
		if a, d := push(w, "A", ptr(4), ptr(7)); a != 1 || d != 0 {
			t.Errorf("applied %d, dropped %d", a, d)
		}
		s := w.stock("A")
		wantFigures(t, s, 4, 0, 4)
		if s.Source != gateway.SourcePushed || s.Facts.Name == "" {
			t.Errorf("got %+v", s)
		}
		if a, d := push(w, "A", ptr(9), ptr(6)); a != 0 || d != 1 {
			t.Errorf("an older push: applied %d, dropped %d", a, d)
		}
		w.sell("A", 1)
		push(w, "A", nil, ptr(8))
		wantFigures(t, w.stock("A"), 9, 0, 9)
	})
}

// [A3] A push neither feeds a lock nor drops a hold.
func TestPushesFeedNoLock(t *testing.T) {
	for _, freshness := range []gateway.Freshness{gateway.Live, gateway.Cached} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, plainHIS, func(w *world) { w.settings.Lock.Freshness = freshness })
			w.stock("A")
			push(w, "A", ptr(1000), nil)
			_, err := w.lock(order("O1", "A", 11))
			wantError[*lockstore.ShortageError](t, err)
			push(w, "A", ptr(0), nil)
			w.mustLock(order("O2", "A", 10))
		})
	}
}

func TestPushesDropNoHold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.stock("A")
		w.mustLock(order("O1", "A", 4))
		w.mustConfirm("O1")
		push(w, "A", ptr(6), nil)
		wantFigures(t, w.stock("A"), 6, 4, 2) // too low rather than too high
		time.Sleep(10 * time.Second)
		wantFigures(t, w.stock("A"), 6, 0, 6)
	})
}

func TestBadPushesAreRefusedWhole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.stock("A")
		_, _, err := w.g.ReportStockChange(t.Context(), []gateway.StockChange{
			{Key: key("A"), OnHand: ptr(1)}, {Key: hisadapter.Key{PharmacyID: pharmacy}},
		})
		if e := wantError[*lockstore.InvalidError](t, err); e.Field != "drug_id" {
			t.Errorf("field %q", e.Field)
		}
		wantFigures(t, w.stock("A"), 10, 0, 10)
	})
}

func TestWatchStock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var got []int64
		seen := func() []int64 {
			mu.Lock()
			defer mu.Unlock()
			return got
		}
		done := make(chan error)
		go func() {
			done <- w.g.WatchStock(ctx, key("A"), func(s gateway.Stock) error {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, s.Available)
				return nil
			})
		}()
		time.Sleep(time.Second)
		w.mustLock(order("O1", "A", 3)) // a hold
		synctest.Wait()
		push(w, "A", ptr(8), nil) // a push
		synctest.Wait()
		w.sell("A", 4) // nobody told us; the next reading shows it
		time.Sleep(21 * time.Second)
		want := []int64{10, 7, 5, 3}
		if g := seen(); len(g) != len(want) || g[0] != want[0] || g[1] != want[1] || g[2] != want[2] || g[3] != want[3] {
			t.Errorf("saw %v, want %v", g, want)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("after the watcher left: %v", err)
		}
		if w.g.State().Watchers != 0 {
			t.Error("the watcher is still there")
		}
	})
}

func TestWatchersAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS, func(w *world) { w.settings.MaxWatchers = 1 })
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go w.g.WatchStock(ctx, key("A"), func(gateway.Stock) error { return nil })
		synctest.Wait()
		err := w.g.WatchStock(ctx, key("B"), func(gateway.Stock) error { return nil })
		if !errors.Is(err, gateway.ErrTooManyWatchers) {
			t.Errorf("error %v", err)
		}
	})
}

func TestCheck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		items := []lockstore.Item{
			{DrugID: "A", Quantity: 6},
			{DrugID: "B", Quantity: 24},
			{DrugID: "C", Quantity: 1},
			{DrugID: "X", Quantity: 1},
			{DrugID: "A", Quantity: 5},
		}
		lines, err := w.g.Check(t.Context(), gateway.CheckRequest{PharmacyID: pharmacy, Items: items, Live: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) != 4 {
			t.Fatalf("%d lines: %+v", len(lines), lines)
		}
		if a := lines[0]; a.Requested != 11 || a.Available != 10 || !a.Checked || a.Price != "3.3330" || a.PricePer != 100 {
			t.Errorf("A: %+v", a)
		}
		if b := lines[1]; b.Available != 96 || b.Multiple != 24 {
			t.Errorf("B: %+v", b)
		}
		if !lines[2].Stopped || !lines[3].Unknown {
			t.Errorf("C: %+v, X: %+v", lines[2], lines[3])
		}
	})
}

// A HIS that tells the price of one smallest unit names no number of units.
func TestCheckTellsThePriceOfOneUnitAsSuch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		if err := w.his.SetDrug(simhis.Drug{ID: "A", Facts: hisadapter.Facts{Name: "甲硝唑片", Unit: "片", Price: "0.85"}}); err != nil {
			t.Fatal(err)
		}
		lines, err := w.g.Check(t.Context(), gateway.CheckRequest{PharmacyID: pharmacy, Items: []lockstore.Item{{DrugID: "A", Quantity: 2}}, Live: true})
		if err != nil {
			t.Fatal(err)
		}
		if l := lines[0]; l.Price != "0.85" || l.PricePer != 1 {
			t.Errorf("%q for %d units, want 0.85 for one", l.Price, l.PricePer)
		}
	})
}

// [A9] An order's own hold is not in its way, and neither are later ones.
func TestCheckOfAnOrderCountsOlderHoldsOnly(t *testing.T) {
	for name, caps := range map[string]hisadapter.Capabilities{"plain": plainHIS, "freezing": freezingHIS} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, caps)
				w.mustLock(order("O1", "A", 3))
				w.mustLock(order("O2", "A", 4))
				w.mustLock(order("O3", "A", 3))
				for no, want := range map[string]int64{"O1": 10, "O2": 7, "O3": 3, "": 0} {
					lines, err := w.g.Check(t.Context(), gateway.CheckRequest{
						OrderNo: no, PharmacyID: pharmacy, Items: []lockstore.Item{{DrugID: "A", Quantity: 1}}, Live: true,
					})
					if err != nil {
						t.Fatal(err)
					}
					// A HIS that shows net figures has taken later freezes off too.
					if got := lines[0].Available; got != want && (name == "plain" || got < 1 && no != "") {
						t.Errorf("for %q %d are available, want %d", no, got, want)
					}
				}
			})
		})
	}
}

func TestCheckWhileTheHISIsSilent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.stock("A")
		w.his.SetDown(true)
		time.Sleep(time.Minute)
		lines, err := w.g.Check(t.Context(), gateway.CheckRequest{
			PharmacyID: pharmacy, Live: true,
			Items: []lockstore.Item{{DrugID: "A", Quantity: 1}, {DrugID: "B", Quantity: 24}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if !lines[0].Checked || !lines[0].Stale || lines[1].Checked {
			t.Errorf("got %+v", lines)
		}
		time.Sleep(time.Hour)
		_, err = w.g.Check(t.Context(), gateway.CheckRequest{PharmacyID: pharmacy, Items: []lockstore.Item{{DrugID: "A", Quantity: 1}}})
		wantError[*gateway.HISError](t, err)
	})
}
