package lockstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore"
)

func (k *kit) due() (orders []string) {
	for _, l := range k.Due(100) {
		orders = append(orders, l.OrderNo)
	}
	return orders
}

func (k *kit) wantDue(want ...string) {
	k.Helper()
	if got := k.due(); fmt.Sprint(got) != fmt.Sprint(want) {
		k.Fatalf("due are %v, want %v", got, want)
	}
}

func (k *kit) wantNext(want time.Duration) {
	k.Helper()
	if got, ok := k.NextDue(); !ok || got != want {
		k.Fatalf("the next is due in %v (%v), want %v", got, ok, want)
	}
}

var clockEvent = lockstore.Event{Kind: lockstore.EvClock}

func TestLocksExpire(t *testing.T) {
	k := open(t, noFreeze())
	if _, ok := k.NextDue(); ok {
		t.Fatal("nothing waits for the clock")
	}
	k.lock("RX1", 1)
	k.clock.advance(time.Minute)
	short := k.request("RX2", 1, 10)
	short.TTL = 5 * time.Minute
	_, _, err := k.Lock(k.ctx, short)
	k.must(err)
	k.wantDue()
	k.wantNext(5 * time.Minute)
	if l := k.record(lockstore.ID{OrderNo: "RX2", Attempt: 1}, clockEvent); l.Status != lockstore.Locked {
		t.Fatal("the clock released a lock before its time")
	}
	k.clock.advance(5 * time.Minute)
	k.wantDue("RX2")
	k.wantDue("RX2") // until an event moves it
	k.wantNext(0)
	l := k.record(lockstore.ID{OrderNo: "RX2", Attempt: 1}, clockEvent)
	if l.Status != lockstore.Released || l.Cause != lockstore.ByClock {
		t.Fatalf("got %s", story(l))
	}
	k.wantDue()
	k.clock.advance(time.Hour)
	k.wantDue("RX1")
	k.wantHeld(k.reading(10), 1) // until it is released
}

func TestExpiryGoesOnAfterAnOpening(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 1)
	k.clock.advance(10 * time.Minute)
	k.reopen()
	k.wantNext(5 * time.Minute)
	k.clock.advance(5 * time.Minute)
	k.wantDue("RX1")
	k.crash()
	k.wantDue("RX1")
}

func TestAConfirmBeforeTheReleaseWins(t *testing.T) {
	k := open(t, noFreeze())
	l := k.lock("RX1", 1)
	k.clock.advance(time.Hour)
	k.wantDue("RX1")
	k.confirm("RX1")
	if l = k.record(l.ID(), clockEvent); l.Status != lockstore.Confirming {
		t.Fatalf("got %s", story(l))
	}
}

func TestB3TheClockNeverReleasesConfirming(t *testing.T) {
	k := open(t, noFreeze())
	l := k.lock("RX1", 1)
	k.confirm("RX1")
	k.clock.advance(48 * time.Hour)
	k.wantDue()
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvNotDone, Op: lockstore.OpPlaceOrder})
	k.reopen()
	k.wantDue()
	k.wantStatus("RX1", lockstore.Confirming)
	k.wantHeld(k.reading(10), 1)
}

func TestB6OwnersAreAskedUntilTheyAnswer(t *testing.T) {
	k := open(t, noFreeze())
	req := k.request("RX1", 1, 10)
	req.Owner = true
	l, _, err := k.Lock(k.ctx, req)
	k.must(err)
	k.clock.advance(time.Hour)
	k.wantDue("RX1")
	if _, err := k.Record(k.ctx, l.ID(), clockEvent); err == nil {
		t.Fatal("the clock released a lock that has an owner")
	}
	k.Postpone(l.ID(), time.Minute)
	k.wantDue()
	k.wantNext(time.Minute)
	k.clock.advance(time.Minute)
	k.wantDue("RX1")
	until := k.clock.Now().Add(20 * time.Minute)
	l = k.record(l.ID(), lockstore.Event{Kind: lockstore.EvOwnerKeep, Until: until})
	if !l.ExpireTime.Equal(until) {
		t.Fatalf("got %v", l.ExpireTime)
	}
	k.wantNext(20 * time.Minute)
	k.reopen()
	k.wantNext(20 * time.Minute)
	k.clock.advance(20 * time.Minute)
	k.wantDue("RX1")
	if l = k.record(l.ID(), lockstore.Event{Kind: lockstore.EvOwnerRelease}); l.Status != lockstore.Released || l.Cause != lockstore.ByOwner {
		t.Fatalf("got %s", story(l))
	}
}

func TestPostponeIsForgottenByAnOpening(t *testing.T) {
	k := open(t, noFreeze())
	l := k.lock("RX1", 1)
	k.clock.advance(time.Hour)
	k.Postpone(l.ID(), time.Hour)
	k.wantDue()
	k.reopen()
	k.wantDue("RX1")
}

func TestB7ReleasesPauseWhileTheClocksDisagree(t *testing.T) {
	for _, step := range []time.Duration{5*time.Second + 1, time.Hour, -5*time.Second - 1, -time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			k := open(t, noFreeze())
			l := k.lock("RX1", 1)
			k.clock.advance(15 * time.Minute)
			k.wantDue("RX1")
			k.clock.step(step)
			k.wantDue()
			if k.Health() == nil || !k.Stats().ClockDoubt {
				t.Fatal("health and figures must say so")
			}
			k.clock.advance(time.Minute)
			if due := k.Stats().OldestDue; due != time.Minute {
				t.Errorf("nobody took it up for %v", due)
			}
			if l = k.record(l.ID(), clockEvent); l.Status != lockstore.Locked {
				t.Fatal("released while the clock is in doubt")
			}
			if d, ok := k.NextDue(); !ok || d < time.Second {
				t.Fatalf("asking again in %v would be a busy loop", d)
			}
			k.clock.step(-step)
			k.must(k.Health())
			k.wantDue("RX1")
		})
	}
}

func TestB7SmallStepsAreNoDoubtAndExpiryIsByElapsedTime(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 1)
	k.clock.step(5 * time.Second)
	k.must(k.Health())
	k.clock.advance(15*time.Minute - 1)
	k.wantDue()
	k.clock.advance(1)
	k.wantDue("RX1")
	// Many small steps over months are not one large one.
	for range 10 {
		k.clock.advance(time.Hour)
		k.clock.step(-4 * time.Second)
		k.must(k.Health())
	}
}

func TestB7AnEvenClockIsTrustedAgain(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 1)
	k.clock.advance(time.Hour)
	k.clock.step(time.Minute)
	k.wantDue()
	k.clock.advance(9 * time.Minute)
	k.wantDue()
	k.clock.step(time.Minute) // another step begins the wait again
	k.wantDue()
	k.clock.advance(10*time.Minute - 1)
	k.wantDue()
	k.clock.advance(1)
	k.wantDue("RX1")
	k.must(k.Health())
}

func TestB7AnEarlyClockWaitsForTheLastRecord(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 1)
	k.clock.advance(20 * time.Minute)
	k.lock("RX2", 1)
	k.clock.step(-time.Hour)
	k.reopen()
	if k.Health() == nil {
		t.Fatal("health must say so")
	}
	k.clock.advance(time.Hour - time.Second)
	k.wantDue()
	k.clock.advance(time.Second)
	k.must(k.Health())
	k.wantDue("RX1") // by the wall clock, which is right only now
	k.wantNext(0)
	k.record(lockstore.ID{OrderNo: "RX1", Attempt: 1}, clockEvent)
	k.wantNext(15 * time.Minute)
}

func TestB7TheClockIsStoredEvenWhenNothingIsActive(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 1)
	_, err := k.Release(k.ctx, alice, "RX1", lockstore.ByCaller)
	k.must(err)
	k.clock.advance(time.Hour)
	_, err = k.Release(k.ctx, alice, "TOMB", lockstore.ByCaller)
	k.must(err)
	k.clock.step(-2 * time.Hour)
	k.reopen()
	if k.Health() == nil {
		t.Fatal("the clock is earlier than the last record")
	}
	// The order of creation is kept all the same.
	k.lock("RX2", 1)
	if all := k.listAll(lockstore.Query{}); len(all) != 2 || all[1].OrderNo != "RX2" {
		t.Fatalf("got %+v", all)
	}
}

// A clock that was a day ahead for a minute, in which the clock was stored and a
// lock was made, keeps nothing waiting for that day to pass.
func TestB7AJumpThatWasTakenBackHoldsUpNoOpening(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 1)
	k.clock.advance(time.Minute)
	k.clock.step(24 * time.Hour)
	k.lock("RX2", 1)
	k.clock.advance(time.Minute)
	k.clock.step(-24 * time.Hour)
	k.must(k.Health())
	k.reopen()
	k.must(k.Health())
	k.clock.advance(13*time.Minute - 1)
	k.wantDue()
	k.clock.advance(1)
	k.wantDue("RX1")
	k.clock.advance(time.Minute - 1)
	k.wantDue("RX1")
	k.clock.advance(1)
	k.wantDue("RX1", "RX2")
}

// Nor does one that was a day ahead all along, and was set right.
func TestB7AClockThatWasSetBackHoldsUpNoOpening(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 1)
	k.clock.step(-24 * time.Hour)
	if k.Health() == nil {
		t.Fatal("the clock was set")
	}
	k.clock.advance(10 * time.Minute)
	k.must(k.Health())
	k.lock("RX2", 1)
	k.crash()
	k.must(k.Health())
	k.wantDue()
	k.clock.advance(15 * time.Minute)
	k.wantDue("RX1", "RX2")
}

func TestPendingLocksExpireIntoAWish(t *testing.T) {
	k := open(t, netFreeze())
	l := k.lock("RX1", 1)
	k.clock.advance(time.Hour)
	k.wantDue("RX1")
	l = k.record(l.ID(), clockEvent)
	if l.Status != lockstore.Pending || !l.ReleaseWanted {
		t.Fatalf("got %s", story(l))
	}
	k.wantDue()
	if l = k.record(l.ID(), lockstore.Event{Kind: lockstore.EvFreezeDone}); l.Status != lockstore.Releasing {
		t.Fatalf("got %s", story(l))
	}
	if l = k.record(l.ID(), lockstore.Event{Kind: lockstore.EvUnfreezeDone}); l.Status != lockstore.Released || l.Cause != lockstore.ByClock {
		t.Fatalf("got %s", story(l))
	}
}

func TestDueIsOrderedAndLimited(t *testing.T) {
	k := open(t, noFreeze())
	for i := range 5 {
		req := k.request(fmt.Sprint("RX", i), 1, 100)
		req.TTL = time.Duration(10-i) * time.Minute
		_, _, err := k.Lock(k.ctx, req)
		k.must(err)
	}
	k.clock.advance(8 * time.Minute)
	k.wantDue("RX4", "RX3", "RX2")
	if two := k.Due(2); len(two) != 2 || two[0].OrderNo != "RX4" {
		t.Fatalf("got %d", len(two))
	}
}
