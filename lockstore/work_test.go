package lockstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore"
)

func (k *kit) wantWork(want ...string) {
	k.Helper()
	var got []string
	for _, l := range k.Work(100) {
		got = append(got, l.OrderNo)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		k.Fatalf("work is %v, want %v", got, want)
	}
}

func TestWorkIsWhatNeedsTheHIS(t *testing.T) {
	k := open(t, netFreeze())
	k.lock("PENDING", 1)
	k.frozen("LOCKED", 1, 0)
	k.frozen("CONFIRMING", 1, 0)
	k.confirm("CONFIRMING")
	k.frozen("RELEASING", 1, 0)
	_, err := k.Release(k.ctx, alice, "RELEASING", lockstore.ByCaller)
	k.must(err)
	k.frozen("CONFIRMED", 1, 0)
	k.confirmed("CONFIRMED")
	l := k.frozen("CASE", 1, 0)
	k.confirm("CASE")
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvCase, Message: "price changed"})
	k.wantWork("PENDING", "CONFIRMING", "RELEASING")
	// A look for an unknown outcome does no harm while a person is asked.
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvUnknown, Op: lockstore.OpPlaceOrder})
	k.wantWork("PENDING", "CONFIRMING", "RELEASING", "CASE")
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvOrderPlaced})
	// A long list is walked through in turns.
	for _, want := range []string{"PENDING", "CONFIRMING", "RELEASING", "PENDING"} {
		if w := k.Work(1); len(w) != 1 || w[0].OrderNo != want {
			t.Fatalf("want %s, got %+v", want, w)
		}
	}
}

func TestChangedSignals(t *testing.T) {
	k := open(t, netFreeze())
	signalled := func() bool {
		select {
		case <-k.Changed():
			return true
		default:
			return false
		}
	}
	if !signalled() {
		t.Fatal("an opening may have work")
	}
	k.lock("RX1", 1)
	k.lock("RX2", 1)
	if !signalled() || signalled() {
		t.Fatal("two new locks are one signal")
	}
	k.must(k.Observe(keyA, k.reading(10)))
	if signalled() {
		t.Fatal("a reading is no work")
	}

	k = open(t, noFreeze())
	signalled()
	for _, tt := range []struct {
		ttl  time.Duration
		want bool
	}{{10 * time.Minute, true}, {20 * time.Minute, false}, {5 * time.Minute, true}} {
		req := k.request(tt.ttl.String(), 1, 100)
		req.TTL = tt.ttl
		_, _, err := k.Lock(k.ctx, req)
		k.must(err)
		if signalled() != tt.want {
			t.Fatalf("a lock for %v: want a signal %v, because it is due earlier than all others", tt.ttl, tt.want)
		}
	}
}

// B4: whatever may have been under way is unknown after an opening.
func TestB4InterruptedCallsAreUnknown(t *testing.T) {
	for name, again := range map[string]func(*kit){"crash": (*kit).crash, "stop": (*kit).reopen} {
		t.Run(name, func(t *testing.T) {
			k := open(t, netFreeze())
			k.lock("PENDING", 1)
			k.frozen("LOCKED", 1, 0)
			k.frozen("CONFIRMING", 1, 0)
			k.confirm("CONFIRMING")
			k.frozen("RELEASING", 1, 0)
			_, err := k.Release(k.ctx, alice, "RELEASING", lockstore.ByCaller)
			k.must(err)
			k.frozen("CONFIRMED", 1, 0)
			k.confirmed("CONFIRMED")
			l := k.frozen("LAPSED", 1, 0)
			k.record(l.ID(), lockstore.Event{Kind: lockstore.EvFreezeLapsed})
			k.clock.advance(time.Minute)
			again(k)
			want := map[string]bool{"PENDING": true, "CONFIRMING": true, "RELEASING": true, "LAPSED": true}
			for _, no := range []string{"PENDING", "LOCKED", "CONFIRMING", "RELEASING", "CONFIRMED", "LAPSED"} {
				l := k.get(no)
				if l.Unknown != want[no] || l.Unknown && !l.UnknownSince.Equal(k.clock.Now()) {
					t.Errorf("%s: unknown %v since %v", no, l.Unknown, l.UnknownSince)
				}
				if l.OrderSent != (no == "CONFIRMING" || no == "CONFIRMED") {
					t.Errorf("%s: order sent %v", no, l.OrderSent)
				}
			}
			k.wantWork("PENDING", "CONFIRMING", "RELEASING", "LAPSED")
			if s := k.Stats(); s.Unknown != 4 {
				t.Fatalf("got %+v", s)
			}
		})
	}
}

func TestB4AnOrderThatStillNeededItsFreezeWasNotSent(t *testing.T) {
	p := noFreeze()
	p.DeductNeedsFreeze = true
	k := open(t, p)
	for _, no := range []string{"RX1", "RX2"} {
		k.lock(no, 1)
		k.confirm(no)
	}
	k.record(lockstore.ID{OrderNo: "RX2", Attempt: 1}, lockstore.Event{Kind: lockstore.EvFreezeDone, Op: lockstore.OpFreeze})
	k.crash()
	if l := k.get("RX1"); l.OrderSent || !l.Unknown {
		t.Fatalf("got %+v", l)
	}
	if l := k.get("RX2"); !l.OrderSent || !l.Unknown {
		t.Fatalf("got %+v", l)
	}
}

// A "none" that comes before the grace time is over may be overtaken by the call
// itself; the ledger does not believe it.
func TestC1NoneIsBelievedAfterTheGraceTime(t *testing.T) {
	k := open(t, netFreeze())
	l := k.lock("RX1", 1)
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvUnknown, Op: lockstore.OpFreeze})
	none := lockstore.Event{Kind: lockstore.EvFreezeNone, Op: lockstore.OpFindOrder}
	k.clock.advance(20*time.Second - 1)
	k.clock.step(time.Hour) // by elapsed time
	if l = k.record(l.ID(), none); !l.Unknown {
		t.Fatal("believed too early")
	}
	k.clock.advance(1)
	if s := k.Stats(); s.OldestUnknown != 20*time.Second {
		t.Fatalf("got %+v", s)
	}
	if l = k.record(l.ID(), none); l.Unknown || l.Status != lockstore.Pending {
		t.Fatalf("got %s", story(l))
	}
	// A second unknown call begins the time again, an unknown look does not.
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvUnknown, Op: lockstore.OpFreeze})
	k.clock.advance(19 * time.Second)
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvUnknown, Op: lockstore.OpFreeze})
	k.clock.advance(19 * time.Second)
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvUnknown, Op: lockstore.OpFindOrder})
	if l = k.record(l.ID(), none); !l.Unknown {
		t.Fatal("believed too early")
	}
	k.clock.advance(time.Second)
	if l = k.record(l.ID(), none); l.Unknown {
		t.Fatal("not believed in time")
	}
	// After an opening it counts from there.
	k.crash()
	k.clock.advance(20*time.Second - 1)
	if l = k.record(l.ID(), none); !l.Unknown {
		t.Fatal("believed too early after an opening")
	}
}

// A freeze that was given up on a "none" is looked at again, over openings.
func TestGivenUpFreezesAreWatched(t *testing.T) {
	k := open(t, netFreeze())
	l := k.lock("RX1", 1)
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvUnknown, Op: lockstore.OpFreeze})
	_, err := k.Release(k.ctx, alice, "RX1", lockstore.ByCaller)
	k.must(err)
	k.clock.advance(time.Minute)
	l = k.record(l.ID(), lockstore.Event{Kind: lockstore.EvFreezeNone})
	if l.Status != lockstore.Released || l.Watch != 3 || !l.Settled() {
		t.Fatalf("got %s", story(l))
	}
	for _, wait := range []time.Duration{10 * time.Minute, time.Hour, 24 * time.Hour} {
		k.wantWork()
		k.wantNext(wait)
		k.reopen()
		k.clock.advance(wait)
		k.wantWork("RX1")
		l = k.record(l.ID(), lockstore.Event{Kind: lockstore.EvWatchClear})
	}
	k.wantWork()
	if s := k.Stats(); s.ByStatus[lockstore.Released] != 0 || l.Watch != 0 {
		t.Fatalf("it must have left the memory: %+v", s)
	}
}

// The order may be tried again meanwhile; when the given-up freeze turns up
// after all, it is undone beside the new attempt.
func TestAWatchedFreezeTurnsUpBesideTheNextAttempt(t *testing.T) {
	p := netFreeze()
	p.IdempotentByHisNo = false
	k := open(t, p)
	first := k.lock("RX1", 8)
	k.record(first.ID(), lockstore.Event{Kind: lockstore.EvUnknown, Op: lockstore.OpFreeze})
	k.record(first.ID(), lockstore.Event{Kind: lockstore.EvFreezeRefused, Shortages: []lockstore.Shortage{{DrugID: drugA, Requested: 8}}})
	second := k.frozen("RX1", 8, 0)
	if second.Attempt != 2 {
		t.Fatalf("got %+v", second)
	}
	k.confirmed("RX1")
	k.must(k.Observe(keyA, k.reading(2)))
	if l := k.wantStatus("RX1", lockstore.Confirmed); l.Attempt != 2 {
		t.Fatalf("the newest attempt has ended, the first is watched; got %+v", l)
	}
	k.reopen()
	if l := k.wantStatus("RX1", lockstore.Confirmed); l.Attempt != 2 {
		t.Fatalf("the newest attempt is on the disk alone; got %+v", l)
	}
	if l, created, err := k.Lock(k.ctx, k.request("RX1", 8, 100)); err != nil || created || l.Attempt != 2 {
		t.Fatalf("a repeat of the newest attempt: %+v, %v, %v", l, created, err)
	}
	k.clock.advance(10 * time.Minute)
	k.wantWork("RX1")
	l := k.record(first.ID(), lockstore.Event{Kind: lockstore.EvWatchFrozen, HISLockID: "DJ1"})
	if l.Status != lockstore.Released || l.Settled() {
		t.Fatalf("got %s", story(l))
	}
	k.wantWork("RX1")
	k.reopen()
	k.wantWork("RX1")
	if l = k.record(first.ID(), lockstore.Event{Kind: lockstore.EvUnfreezeDone}); !l.Settled() {
		t.Fatalf("got %s", story(l))
	}
	k.wantWork()
	if all, err := k.Attempts(k.ctx, "RX1"); err != nil || len(all) != 2 || all[1].Status != lockstore.Confirmed {
		t.Fatalf("got %+v, %v", all, err)
	}
}

func TestEndedLocksComeBackToLife(t *testing.T) {
	k := open(t, noFreeze())
	l := k.lock("RX1", 3)
	_, err := k.Release(k.ctx, alice, "RX1", lockstore.ByCaller)
	k.must(err)
	k.reopen()
	// Reconciliation finds an order at the HIS.
	l = k.record(l.ID(), lockstore.Event{Kind: lockstore.EvOrderPlaced, HISOrderNo: "H1"})
	if l.CaseReason == "" || l.Settled() || len(k.cases) != 1 || k.Stats().Cases != 1 {
		t.Fatalf("got %s", story(l))
	}
	k.crash()
	if l = k.get("RX1"); l.CaseReason == "" || k.Stats().Cases != 1 {
		t.Fatalf("got %s", story(l))
	}
	before := k.reading(3)
	l = k.record(l.ID(), lockstore.Event{Kind: lockstore.EvApplied, HISOrderNo: "H1", Actor: "pharmacist"})
	if l.Status != lockstore.Confirmed || l.CaseReason != "" {
		t.Fatalf("got %s", story(l))
	}
	k.wantHeld(before, 3)
	k.must(k.Observe(keyA, k.reading(0)))
	k.reopen()
	if s := k.Stats(); s.ByStatus != [lockstore.Released + 1]int{} {
		t.Fatalf("got %+v", s)
	}
	// The HIS cancels what it had confirmed: noted where it rests.
	if l = k.record(l.ID(), lockstore.Event{Kind: lockstore.EvCancelled}); l.CancelledAt.IsZero() || !l.Settled() {
		t.Fatalf("got %s", story(l))
	}
	if l = k.get("RX1"); !l.Settled() {
		t.Fatal("read again before it was on the disk")
	}
	k.reopen()
	if l = k.get("RX1"); !l.Settled() || k.Stats().ByStatus != [lockstore.Released + 1]int{} {
		t.Fatalf("got %s", story(l))
	}
}
