package lockstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore"
)

// The life of a lock at a HIS that cannot freeze.
func TestLockConfirmWithoutFreeze(t *testing.T) {
	k := open(t, noFreeze())
	l := k.lock("RX1", 30)
	if l.Status != lockstore.Locked || l.Attempt != 1 || l.HISNo != "RX1" || l.Version != 1 {
		t.Fatalf("got %+v", l)
	}
	k.wantHeld(k.reading(100), 30)
	if l = k.confirm("RX1"); l.Status != lockstore.Confirming || l.Reference.TransactionID != "T-RX1" {
		t.Fatalf("got %+v", l)
	}
	k.wantHeld(k.reading(100), 30)
	l = k.record(l.ID(), lockstore.Event{Kind: lockstore.EvOrderPlaced, HISOrderNo: "H1"})
	if l.Status != lockstore.Confirmed || l.HISOrderNo != "H1" {
		t.Fatalf("got %+v", l)
	}
	k.must(k.Observe(keyA, k.reading(70)))
	k.wantHeld(k.reading(70), 0)
	if got := k.Stats().ByStatus; got != [lockstore.Released + 1]int{} {
		t.Fatalf("the lock must have left the memory, got %v", got)
	}
	if l = k.wantStatus("RX1", lockstore.Confirmed); l.HISOrderNo != "H1" || len(l.History) != 3 {
		t.Fatalf("read from the disk: %s", story(l))
	}
}

// The life of a lock at a HIS that freezes and whose figures show it.
func TestLockConfirmWithFreeze(t *testing.T) {
	k := open(t, netFreeze())
	l := k.lock("RX1", 30)
	if l.Status != lockstore.Pending || !l.Freeze {
		t.Fatalf("got %+v", l)
	}
	k.wantHeld(k.reading(100), 30)
	if _, _, err := k.Confirm(k.ctx, alice, "RX1", lockstore.Reference{}); !errors.Is(err, lockstore.ErrLockPending) {
		t.Fatalf("Confirm of a PENDING lock: %v", err)
	}
	l = k.record(l.ID(), lockstore.Event{Kind: lockstore.EvFreezeDone, HISLockID: "DJ1", FreezeExpires: k.clock.Now().Add(40 * time.Minute)})
	if l.Status != lockstore.Locked || l.HISLockID != "DJ1" {
		t.Fatalf("got %+v", l)
	}
	k.must(k.Observe(keyA, k.reading(70)))
	k.wantHeld(k.reading(70), 0)
	k.confirm("RX1")
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvOrderPlaced, HISOrderNo: "H1"})
	k.wantHeld(k.reading(70), 0)
	k.wantStatus("RX1", lockstore.Confirmed)
}

func TestShortageLeavesNoTrace(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 8)
	_, _, err := k.Lock(k.ctx, k.request("RX2", 3, 10))
	short, ok := errors.AsType[*lockstore.ShortageError](err)
	if !ok || len(short.Shortages) != 1 || short.Shortages[0] != (lockstore.Shortage{DrugID: drugA, Requested: 3, Available: 2}) {
		t.Fatalf("got %v", err)
	}
	if _, err := k.Get(k.ctx, alice, "RX2"); !errors.Is(err, lockstore.ErrNotFound) {
		t.Fatalf("a refused lock was stored: %v", err)
	}
	if _, created, err := k.Lock(k.ctx, k.request("RX2", 2, 10)); err != nil || !created {
		t.Fatalf("the same order_no may be tried again: %v", err)
	}
}
