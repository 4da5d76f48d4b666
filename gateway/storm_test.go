package gateway_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// A storm of changes: so many drugs change ten times a second each.
const (
	stormDrugs = 1000
	stormTime  = 10 * time.Second
	stormEvery = 100 * time.Millisecond // one report
	stormEach  = 1000                   // changes in it: 10,000 a second
	stormRate  = 20                     // calls a second that the HIS bears
)

func stormDrug(i int) string { return fmt.Sprint("D", i%stormDrugs) }

// classes counts the calls that reach the HIS by their class.
type classes struct {
	hisadapter.Driver
	mu    sync.Mutex
	calls map[guard.Class]int
}

func (c *classes) QueryStock(ctx context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	class, _ := guard.ClassOf(ctx)
	c.mu.Lock()
	c.calls[class]++
	c.mu.Unlock()
	return c.Driver.QueryStock(ctx, keys)
}

// storm lets changes rain on a hisgate whose drugs are all read all the time, and
// returns the calls that reached the HIS. each makes the n-th change.
func storm(t *testing.T, each func(n int) gateway.StockChange, meanwhile func(w *world, ctx context.Context)) map[guard.Class]int {
	t.Helper()
	var catalogue simhis.Catalogue
	for i := range stormDrugs {
		catalogue.Drugs = append(catalogue.Drugs, simhis.Drug{ID: stormDrug(i), Facts: hisadapter.Facts{Name: "药", Unit: "片"}})
		catalogue.Stock = append(catalogue.Stock, simhis.Stock{Key: key(stormDrug(i)), OnHand: 100})
	}
	caps := plainHIS
	caps.BatchSize = 20
	his, err := simhis.New(simhis.Config{Capabilities: caps, Catalogue: catalogue, Pace: simhis.Pace{Latency: 50 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	seen := &classes{calls: map[guard.Class]int{}}
	w := newWorld(t, caps, func(w *world) {
		w.his = his
		w.guard.Rate, w.guard.Burst, w.guard.QueueLength = stormRate, 1, 1000
		w.wrap = func(d hisadapter.Driver) hisadapter.Driver { seen.Driver = d; return seen }
	})
	for i := 0; i < stormDrugs; i += 100 { // everything is in the cache when it begins
		keys := make([]hisadapter.Key, 100)
		for k := range keys {
			keys[k] = key(stormDrug(i + k))
		}
		if _, err := w.g.BatchGetStock(t.Context(), keys, gateway.Cached); err != nil {
			t.Fatal(err)
		}
	}
	seen.mu.Lock()
	clear(seen.calls)
	seen.mu.Unlock()

	ctx, cancel := context.WithTimeout(t.Context(), stormTime)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 0))
			for ctx.Err() == nil {
				if _, err := w.g.GetStock(context.Background(), key(stormDrug(r.IntN(stormDrugs))), gateway.Cached); err != nil {
					t.Errorf("a reader: %v", err)
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	wg.Go(func() { meanwhile(w, ctx) })
	for n := 0; ctx.Err() == nil; {
		changes := make([]gateway.StockChange, stormEach)
		for i := range changes {
			changes[i] = each(n)
			n++
		}
		if _, _, err := w.g.ReportStockChange(ctx, changes); err != nil {
			t.Fatal(err)
		}
		if c := w.g.State().Cache; c.Waiting > 101 || c.Keys > stormDrugs {
			t.Fatalf("%d wait, %d kept", c.Waiting, c.Keys)
		}
		time.Sleep(stormEvery)
	}
	wg.Wait()
	seen.mu.Lock()
	defer seen.mu.Unlock()
	return seen.calls
}

// 10,000 times a second "changed, re-read" for 1,000 drugs cost the HIS what the
// refresh class is given, and hold up no lock.
func TestAStormOfRereadsCostsTheRefreshClassAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var slowest time.Duration
		locks := 0
		calls := storm(t, func(n int) gateway.StockChange {
			return gateway.StockChange{Key: key(stormDrug(n)), Source: "mq"}
		}, func(w *world, ctx context.Context) {
			for ctx.Err() == nil {
				began := time.Now()
				if _, err := w.lock(order(fmt.Sprint("O", locks), stormDrug(locks), 1)); err != nil {
					t.Error(err)
				}
				slowest = max(slowest, time.Since(began))
				locks++
				time.Sleep(time.Second)
			}
		})
		t.Logf("calls by class %v, %d locks, the slowest took %v", calls, locks, slowest)
		// A drug that nobody read for ten seconds has aged out, with or without a storm.
		if n, most := calls[guard.ClassQuery], int(stormTime/(10*time.Second))*stormDrugs/20; n > most {
			t.Errorf("%d calls in the class of readers, %d at most without a storm", n, most)
		}
		if most := int(stormTime/time.Second+3) * stormRate; calls[guard.ClassRefresh]+calls[guard.ClassQuery]+calls[guard.ClassFreeze] > most {
			t.Errorf("%v calls, at most %d are allowed", calls, most)
		}
		if calls[guard.ClassRefresh] < 50 {
			t.Errorf("only %d refreshes: the changes were not read", calls[guard.ClassRefresh])
		}
		if slowest > 500*time.Millisecond {
			t.Errorf("a lock took %v", slowest)
		}
	})
}

// 10,000 figures a second are shown at once, and cost the HIS nothing beyond what
// the cache's age costs.
func TestAStormOfFiguresCostsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		calls := storm(t, func(n int) gateway.StockChange {
			onHand, sequence := int64(n), int64(n)
			return gateway.StockChange{Key: key(stormDrug(n)), OnHand: &onHand, Sequence: &sequence, Source: "mq"}
		}, func(w *world, ctx context.Context) {
			for range 25 {
				time.Sleep(110 * time.Millisecond)
				s, err := w.g.GetStock(t.Context(), key("D7"), gateway.Cached)
				if err != nil {
					t.Error(err)
					return
				}
				// D7 is the eighth of each thousand, which come every 100 ms.
				if behind := time.Since(s.AsOf); s.Source == gateway.SourcePushed && (s.OnHand%stormDrugs != 7 || behind > 110*time.Millisecond) {
					t.Errorf("%d of %v ago", s.OnHand, behind)
				}
			}
		})
		t.Logf("calls by class %v", calls)
		all := 0
		for _, n := range calls {
			all += n
		}
		if most := 3 * stormDrugs / 20; all > most {
			t.Errorf("%d calls in %v, %d would do without the storm", all, stormTime, most)
		}
	})
}

// What is remembered of changes is bounded, whoever sends them.
func TestChangesOfManyKeysTakeBoundedMemory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS, func(w *world) { w.settings.Cache.MaxKeys = 1000 })
		push := func(from, to int) {
			for n := from; n < to; n++ {
				onHand := int64(n)
				_, _, err := w.g.ReportStockChange(t.Context(), []gateway.StockChange{{Key: key(fmt.Sprint("X", n)), OnHand: &onHand, Sequence: &onHand, Source: "mq"}})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		heap := func() uint64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		push(0, 5000)
		before := heap()
		push(5000, 105_000)
		if after := heap(); after > before+2<<20 {
			t.Errorf("100,000 more keys took %d KiB", (after-before)>>10)
		}
	})
}
