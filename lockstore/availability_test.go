package lockstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore"
)

func wantStale(t *testing.T, err error) {
	t.Helper()
	if stale, ok := errors.AsType[*lockstore.StaleReadingError](err); !ok || len(stale.DrugIDs) != 1 || stale.DrugIDs[0] != drugA {
		t.Fatalf("got %v, want a StaleReadingError of %s", err, drugA)
	}
}

// A reading from before a drop would show the deducted stock as free, and the
// hold is no longer there to say otherwise.
func TestA1ReadingsOlderThanADropAreRefused(t *testing.T) {
	k := open(t, noFreeze())
	old := k.reading(10)
	k.lock("RX1", 8)
	k.confirmed("RX1")
	between := k.reading(2)
	k.must(k.Observe(keyA, k.reading(2)))
	for name, r := range map[string]lockstore.Reading{"before the hold": old, "before the drop": between} {
		t.Run(name, func(t *testing.T) {
			_, err := k.Available(keyA, r, nil)
			wantStale(t, err)
			wantStale(t, k.Observe(keyA, r))
			req := k.request("RX2", 1, 0)
			req.Readings[drugA] = r
			_, _, err = k.Lock(k.ctx, req)
			wantStale(t, err)
		})
	}
	k.wantHeld(k.reading(2), 0)
}

func TestA1ReadingsOfAnEarlierOpeningAreRefused(t *testing.T) {
	k := open(t, noFreeze())
	old := k.reading(10)
	k.reopen()
	_, err := k.Available(keyA, old, nil)
	wantStale(t, err)
	wantStale(t, k.Observe(keyA, old))
}

func TestMissingReadingsAreAskedFor(t *testing.T) {
	k := open(t, noFreeze())
	req := k.request("RX1", 1, 10)
	req.Readings = nil
	_, _, err := k.Lock(k.ctx, req)
	wantStale(t, err)
}

// The wall clock may be set between a deduct and a reading; stamps may not.
func TestA2WallClocksOrderNothing(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 8)
	before := k.reading(10)
	k.clock.step(-time.Hour)
	k.confirmed("RX1")
	k.wantHeld(before, 8)
	k.wantHeld(k.reading(2), 0)
}

// A HIS may show the old figure for a while after it acknowledged a deduct.
func TestA4FigureLagCountsFromTheAcknowledgement(t *testing.T) {
	p := noFreeze()
	p.FigureLag = 3 * time.Second
	k := open(t, p)
	k.lock("RX1", 8)
	k.confirmed("RX1")
	k.clock.advance(3*time.Second - 1)
	early := k.reading(10)
	k.wantHeld(early, 8)
	k.must(k.Observe(keyA, early))
	k.clock.advance(1)
	k.wantHeld(early, 8)
	k.wantHeld(k.reading(2), 0)
}

func TestA4FigureLagCountsFromTheOpening(t *testing.T) {
	p := noFreeze()
	p.FigureLag = 3 * time.Second
	k := open(t, p)
	k.lock("RX1", 8)
	k.confirmed("RX1")
	k.clock.advance(time.Hour)
	k.reopen()
	k.clock.advance(3*time.Second - 1)
	k.wantHeld(k.reading(2), 8)
	k.clock.advance(1)
	k.wantHeld(k.reading(2), 0)
}

// A CONFIRMED hold whose drug nobody reads ends all the same, and readings from
// before are refused from then on.
func TestA5ConfirmedHoldsEndWithTheLongestStaleness(t *testing.T) {
	p := noFreeze()
	p.FigureLag = 3 * time.Second
	k := open(t, p)
	k.lock("RX1", 8)
	k.confirmed("RX1")
	young := k.reading(10)
	k.clock.advance(p.MaxStale + p.FigureLag - 1)
	if s := k.Stats(); s.ByStatus[lockstore.Confirmed] != 1 {
		t.Fatalf("dropped too early: %+v", s)
	}
	k.wantHeld(young, 8)
	k.clock.advance(1)
	if s := k.Stats(); s.ByStatus[lockstore.Confirmed] != 0 || s.Outlived != 1 {
		t.Fatalf("not dropped in time: %+v", s)
	}
	_, err := k.Available(keyA, young, nil)
	wantStale(t, err)
	k.wantHeld(k.reading(2), 0)
	k.wantStatus("RX1", lockstore.Confirmed)
}

// A freeze whose figure is not taken off the on-hand counts to the end.
func TestA6FreezesCountWhereFiguresAreNotNet(t *testing.T) {
	p := netFreeze()
	p.NetFigure = false
	k := open(t, p)
	k.frozen("RX1", 8, 0)
	k.must(k.Observe(keyA, k.reading(10)))
	k.wantHeld(k.reading(10), 8)
	k.confirmed("RX1")
	k.wantHeld(k.reading(2), 0)
}

// What is being given back is not there until the HIS has said so.
func TestA6HoldsOnTheirWayOutCount(t *testing.T) {
	p := netFreeze()
	p.NetFigure = false
	k := open(t, p)
	l := k.frozen("RX1", 3, 0)
	_, err := k.Release(k.ctx, alice, "RX1", lockstore.ByCaller)
	k.must(err)
	k.wantStatus("RX1", lockstore.Releasing)
	k.wantHeld(k.reading(10), 3)
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvUnfreezeDone, Op: lockstore.OpUnfreeze})
	k.wantHeld(k.reading(10), 0)
}

func TestA6FreezesAreKnownWhereFiguresAreNet(t *testing.T) {
	k := open(t, netFreeze())
	before := k.reading(10)
	k.lock("RX1", 8)
	pending := k.reading(10)
	k.wantHeld(pending, 8)
	l := k.get("RX1")
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvFreezeDone})
	k.wantHeld(before, 8)
	k.wantHeld(pending, 8)
	k.wantHeld(k.reading(2), 0)
}

// When a freeze runs out the HIS gives the stock to others: it counts again a
// margin before, and the freeze is to be taken again.
func TestA7LapsingFreezesCountAgain(t *testing.T) {
	k := open(t, netFreeze())
	k.frozen("RX1", 8, 10*time.Minute)
	k.must(k.Observe(keyA, k.reading(2)))
	k.wantHeld(k.reading(2), 0)
	if w := k.Work(10); len(w) != 0 {
		t.Fatalf("nothing is to be done, got %s", story(w[0]))
	}
	k.clock.advance(9*time.Minute - 1)
	k.wantHeld(k.reading(2), 0)
	if d, ok := k.NextDue(); !ok || d != 1 {
		t.Fatalf("NextDue is %v, %v", d, ok)
	}
	k.clock.advance(1)
	k.wantHeld(k.reading(10), 8)
	w := k.Work(10)
	if len(w) != 1 || w[0].OrderNo != "RX1" {
		t.Fatalf("the freeze must be taken again, got %d locks", len(w))
	}
	after := k.reading(10)
	k.record(w[0].ID(), lockstore.Event{Kind: lockstore.EvFreezeDone, HISLockID: "DJ2", FreezeExpires: k.clock.Now().Add(time.Hour)})
	k.wantHeld(after, 8)
	k.wantHeld(k.reading(2), 0)
	if w := k.Work(10); len(w) != 0 {
		t.Fatal("the freeze was taken again")
	}
}

// A freeze that is taken again before it lapsed may leave a moment between the
// two, in which the HIS shows the stock as free.
func TestA7AFreezeTakenAgainCountsUntilItIsReadAgain(t *testing.T) {
	k := open(t, netFreeze())
	l := k.frozen("RX1", 8, 0)
	k.must(k.Observe(keyA, k.reading(2)))
	between := k.reading(10)
	k.wantHeld(between, 0)
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvFreezeDone, HISLockID: "DJ2"})
	k.wantHeld(between, 8)
	k.wantHeld(k.reading(2), 0)
}

func TestA7LapsedByTheHISsWord(t *testing.T) {
	k := open(t, netFreeze())
	l := k.frozen("RX1", 8, 0)
	k.must(k.Observe(keyA, k.reading(2)))
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvFreezeLapsed})
	k.wantHeld(k.reading(10), 8)
	if len(k.Work(1)) != 1 {
		t.Fatal("the freeze must be taken again")
	}
	// A lapse does not hide the order: it counts until a reading after the
	// order's acknowledgement, not after the lapsed freeze's.
	k.confirm("RX1")
	before := k.reading(10)
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvOrderPlaced})
	k.wantHeld(before, 8)
	k.wantHeld(k.reading(2), 0)
}

func TestA8SafetyStockLimitsNewUnpaidLocksOnly(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) {
		o.Safety.Default = lockstore.SafetyRule{Units: 5}
		o.Safety.PerKey = map[lockstore.Key]lockstore.SafetyRule{{PharmacyID: pharmacy, DrugID: drugB}: {}}
	})
	r := k.reading(10)
	if a, err := k.Available(keyA, r, nil); err != nil || a != (lockstore.Availability{Safety: 5, Available: 5}) {
		t.Fatalf("got %+v, %v", a, err)
	}
	_, _, err := k.Lock(k.ctx, k.request("RX1", 6, 10))
	if short, ok := errors.AsType[*lockstore.ShortageError](err); !ok || short.Shortages[0].Available != 5 {
		t.Fatalf("got %v", err)
	}
	paid := k.request("RX1", 6, 10)
	paid.Paid = true
	if _, _, err := k.Lock(k.ctx, paid); err != nil {
		t.Fatalf("a paid order: %v", err)
	}
	k.confirm("RX1")
	if a, err := k.Available(lockstore.Key{PharmacyID: pharmacy, DrugID: drugB}, r, nil); err != nil || a.Available != 10 {
		t.Fatalf("a key of its own: %+v, %v", a, err)
	}
}

func TestA8SafetyStockOfTheDaysFirstFigure(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) {
		o.Safety.Default = lockstore.SafetyRule{Units: 2, Percent: 10}
	})
	want := func(safety int64) {
		t.Helper()
		if a, err := k.Available(keyA, k.reading(95), nil); err != nil || a.Safety != safety {
			t.Fatalf("safety is %d, want %d (%v)", a.Safety, safety, err)
		}
	}
	want(2) // no figure yet: the number alone
	k.must(k.Observe(keyA, k.reading(95)))
	want(10) // rounded up
	k.must(k.Observe(keyA, k.reading(500)))
	want(10) // the first one of the day stays
	k.reopen()
	want(10)                        // durable
	k.clock.advance(15 * time.Hour) // 01:00 UTC is 09:00 in China; now it is midnight there
	want(2)
	k.must(k.Observe(keyA, k.reading(50)))
	want(5)
}

// What a younger order holds must not block the payment of an older one.
func TestA9AChecksOwnAndYoungerHoldsDoNotCount(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 3)
	mine := k.lock("RX2", 4)
	k.lock("RX3", 50)
	k.confirmed("RX1")
	id := mine.ID()
	check := func(r lockstore.Reading, held, available int64) {
		t.Helper()
		a, err := k.Available(keyA, r, &id)
		if err != nil || a.Held != held || a.Available != available {
			t.Fatalf("got %+v, %v; want held %d, available %d", a, err, held, available)
		}
	}
	check(k.reading(10), 0, 10)
	k.lock("RX4", 1)
	check(k.reading(10), 0, 10)
	k.reopen()
	check(k.reading(2), 0, 2)
	k.confirm("RX2")
	check(k.reading(10), 0, 10)
	stranger := lockstore.ID{OrderNo: "RX9", Attempt: 1}
	if a, err := k.Available(keyA, k.reading(100), &stranger); err != nil || a.Held != 55 {
		t.Fatalf("an order without a lock: all holds count, got %+v, %v", a, err)
	}
}

func TestA9OlderHoldsCount(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 3)
	id := k.lock("RX2", 4)
	own := id.ID()
	r := k.reading(10)
	if a, err := k.Available(keyA, r, &own); err != nil || a.Held != 3 || a.Available != 7 {
		t.Fatalf("got %+v, %v", a, err)
	}
}

// Where figures are net, the order's own stock is gone from them, and there for
// the order all the same.
func TestA9OwnFreezeIsThereForItsOrder(t *testing.T) {
	k := open(t, netFreeze())
	l := k.frozen("RX1", 8, 0)
	id := l.ID()
	if a, err := k.Available(keyA, k.reading(2), &id); err != nil || a.Available != 10 {
		t.Fatalf("got %+v, %v", a, err)
	}
	k.must(k.Observe(keyA, k.reading(2)))
	if a, err := k.Available(keyA, k.reading(2), &id); err != nil || a.Available != 10 {
		t.Fatalf("after the drop: %+v, %v", a, err)
	}
}

func TestQuantitiesComeInMultiples(t *testing.T) {
	k := open(t, noFreeze())
	req := k.request("RX1", 30, 100)
	r := req.Readings[drugA]
	r.Multiple = 24
	req.Readings[drugA] = r
	_, _, err := k.Lock(k.ctx, req)
	if odd, ok := errors.AsType[*lockstore.NotDivisibleError](err); !ok || *odd != (lockstore.NotDivisibleError{DrugID: drugA, Quantity: 30, Multiple: 24}) {
		t.Fatalf("got %v", err)
	}
	req.Items[0].Quantity = 48
	if _, _, err := k.Lock(k.ctx, req); err != nil {
		t.Fatal(err)
	}
	r = k.reading(100)
	r.Multiple = 24
	if a, err := k.Available(keyA, r, nil); err != nil || a.Available != 48 {
		t.Fatalf("52 are left in boxes of 24: %+v, %v", a, err)
	}
}

// A drug that everybody wants: thousands of holds in every state, judged right
// against readings of any age.
func TestHotKey(t *testing.T) {
	const n = 3000
	k := open(t, noFreeze())
	readings := make([]lockstore.Reading, 0, n)
	for i := range n {
		no := fmt.Sprintf("RX%d", i)
		req := k.request(no, 2, 1<<20)
		if _, _, err := k.Lock(k.ctx, req); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			k.confirmed(no)
		}
		readings = append(readings, k.reading(1<<20))
	}
	for i := 0; i < n; i += 250 {
		confirmed := i/3 + 1 // that the reading knows of
		k.wantHeld(readings[i], int64(2*n-2*confirmed))
	}
	k.must(k.Observe(keyA, readings[n/2]))
	k.wantHeld(readings[n-1], 2*(n-n/3))
	if s := k.Stats(); s.Dropped != n/6+1 || s.ByStatus[lockstore.Confirmed] != n/3-n/6-1 {
		t.Fatalf("got %+v", s)
	}
}
