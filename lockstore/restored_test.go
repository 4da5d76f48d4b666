package lockstore_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

func TestB9TheMarkOfARestore(t *testing.T) {
	disk := memengine.New(memengine.Options{})
	none, err := lockstore.ReadRestore(disk)
	if err != nil || !none.At.IsZero() || none.Recovering() || none.AskFirst(time.Now()) {
		t.Fatalf("a folder that was never restored: %+v, %v", none, err)
	}
	if err := lockstore.MarkRestored(disk, time.Time{}); err == nil {
		t.Error("a mark without a time was taken")
	}
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{at.Add(-time.Hour), at} { // the second takes the place of the first
		if err := lockstore.MarkRestored(disk, at); err != nil {
			t.Fatal(err)
		}
	}
	r, err := lockstore.ReadRestore(disk.Reopen())
	if err != nil || !r.At.Equal(at) || !r.Recovering() || !r.AskFirst(at.Add(1000*time.Hour)) {
		t.Errorf("after the restore: %+v, %v", r, err)
	}
}

// restored ends the process, marks the folder as restored, and opens it.
func (k *kit) restored() {
	k.Helper()
	old := k.opts.Committer
	k.disk = k.disk.Crash()
	_ = old.Close()
	k.must(lockstore.MarkRestored(k.disk, k.clock.Now()))
	k.disk = k.disk.Reopen()
	k.start()
}

func (k *kit) recall(orderNo string, w lockstore.HISWord) lockstore.Lock {
	k.Helper()
	return k.record(lockstore.ID{OrderNo: orderNo, Attempt: 1}, lockstore.Event{
		Kind: lockstore.EvRecalled, Op: lockstore.OpFindOrder, Word: w, HISOrderNo: "H-" + orderNo,
	})
}

func TestB9ARestoredLedgerAsksTheHISFirst(t *testing.T) {
	k := open(t, noFreeze())
	for _, no := range []string{"CONFIRMED-SINCE", "HELD", "RELEASED-SINCE"} {
		k.lock(no, 1)
	}
	k.lock("ENDED", 1)
	if _, err := k.Release(k.ctx, alice, "ENDED", lockstore.ByCaller); err != nil {
		t.Fatal(err)
	}
	k.restored()
	if s := k.Stats(); s.Asking != 3 || s.Work != 3 {
		t.Fatalf("%d locks are to be asked about, %d are worked on", s.Asking, s.Work)
	}

	_, _, err := k.Lock(k.ctx, k.request("NEW", 1, 100))
	wantErr(t, err, lockstore.ErrRecovering)
	_, _, err = k.Confirm(k.ctx, alice, "HELD", lockstore.Reference{})
	wantErr(t, err, lockstore.ErrRecovering)
	_, err = k.Release(k.ctx, alice, "HELD", lockstore.ByCaller)
	wantErr(t, err, lockstore.ErrRecovering)
	wantErr(t, k.Recovered(k.ctx), lockstore.ErrRecovering)
	k.clock.advance(time.Hour)
	for _, l := range k.Due(10) {
		if l := k.record(l.ID(), lockstore.Event{Kind: lockstore.EvClock}); l.Status != lockstore.Locked {
			t.Errorf("the clock released %s, of which the HIS may know more", l.OrderNo)
		}
	}

	if l := k.recall("CONFIRMED-SINCE", lockstore.WordDeducted); l.Status != lockstore.Confirmed || l.HISOrderNo != "H-CONFIRMED-SINCE" {
		t.Errorf("confirmed since the backup: %s %q", l.Status, l.HISOrderNo)
	}
	if l := k.recall("RELEASED-SINCE", lockstore.WordReleased); l.Status != lockstore.Released || !l.Settled() {
		t.Errorf("released since the backup: %s, settled %v", l.Status, l.Settled())
	}
	k.crash() // what was found is not asked for again
	if s := k.Stats(); s.Asking != 1 {
		t.Errorf("after a restart %d locks are to be asked about", s.Asking)
	}
	k.recall("HELD", lockstore.WordNone)
	k.must(k.Recovered(k.ctx))
	k.crash()
	if k.Restore().Recovering() || k.Stats().Asking != 0 {
		t.Fatalf("the recovery was done: %+v", k.Restore())
	}
	k.confirmed("HELD")
}

// Attempts that begin after the recovery may have been made between the backup
// and its restore: the HIS is asked about their numbers, for a while.
func TestB9NewNumbersAreAskedAboutForAWhile(t *testing.T) {
	k := open(t, netFreeze())
	k.restored()
	k.must(k.Recovered(k.ctx))
	for i, tc := range []struct {
		word lockstore.HISWord
		want lockstore.Status
	}{
		{lockstore.WordNone, lockstore.Pending},
		{lockstore.WordFrozen, lockstore.Locked},
		{lockstore.WordDeducted, lockstore.Confirmed},
		{lockstore.WordReleased, lockstore.Released},
	} {
		no := "NEW-" + string(rune('A'+i))
		if l := k.lock(no, 1); !l.AskFirst {
			t.Fatalf("%s may be used before the HIS was asked", no)
		}
		if l := k.recall(no, tc.word); l.Status != tc.want || l.AskFirst {
			t.Errorf("%v: the lock is %s", tc.word, l.Status)
		}
	}
	if _, err := k.Release(k.ctx, alice, "NEW-A", lockstore.ByCaller); err != nil {
		t.Error(err)
	}
	k.clock.advance(lockstore.AskFirstFor)
	if k.Forgetful() || k.lock("LATER", 1).AskFirst {
		t.Error("numbers are asked about for ever")
	}
}

// Where the HIS cannot be asked, held locks wait for a person, not for a write.
func TestB9WithoutFindAPersonIsAsked(t *testing.T) {
	p := noFreeze()
	p.Find, p.IdempotentByHisNo = false, false
	k := open(t, p)
	k.lock("MADE-SINCE", 1)
	k.lock("HELD", 1)
	k.restored()
	if len(k.cases) != 2 {
		t.Fatalf("%d cases", len(k.cases))
	}
	k.must(k.Recovered(k.ctx)) // persons may take their time
	_, _, err := k.Confirm(k.ctx, alice, "HELD", lockstore.Reference{})
	wantErr(t, err, lockstore.ErrRecovering)
	l := k.record(lockstore.ID{OrderNo: "MADE-SINCE", Attempt: 1}, lockstore.Event{Kind: lockstore.EvApplied, HISOrderNo: "H1", Actor: "p"})
	if l.Status != lockstore.Confirmed {
		t.Errorf("what the HIS has made is %s", l.Status)
	}
	l = k.record(lockstore.ID{OrderNo: "HELD", Attempt: 1}, lockstore.Event{Kind: lockstore.EvNotApplied, Actor: "p"})
	if l.Status != lockstore.Locked || l.CaseReason != "" {
		t.Errorf("what the HIS has not made is %s, case %q", l.Status, l.CaseReason)
	}
	k.crash()
	k.confirm("HELD")

	k.lock("NEW", 1) // holds, but is not confirmed before somebody has looked
	_, _, err = k.Confirm(k.ctx, alice, "NEW", lockstore.Reference{})
	wantErr(t, err, lockstore.ErrRecovering)
	if _, err := k.Release(k.ctx, alice, "NEW", lockstore.ByCaller); err != nil {
		t.Error(err)
	}
}

// What waits for a person waits for them after the next restarts too, also where the
// HIS takes no number twice: the clock does not give it back.
func TestB9WhatWaitsForAPersonOutlivesRestarts(t *testing.T) {
	p := noFreeze()
	p.Find, p.IdempotentByHisNo = false, true
	k := open(t, p)
	k.lock("HELD", 1)
	k.restored()
	k.must(k.Recovered(k.ctx))
	for range 2 {
		k.crash()
		k.clock.advance(time.Hour)
		for _, l := range k.Due(10) {
			k.record(l.ID(), lockstore.Event{Kind: lockstore.EvClock})
		}
		if l := k.get("HELD"); l.Status != lockstore.Locked || l.CaseReason == "" {
			t.Fatalf("it is %s, case %q", l.Status, l.CaseReason)
		}
	}
}

// A paid order whose HIS order was never made goes back to its owner, who may
// have given the money back since; one without an owner is carried through.
func TestB9AnOrderNeverPlacedIsItsOwnersAgain(t *testing.T) {
	k := open(t, noFreeze())
	for _, owner := range []bool{true, false} {
		r := k.request("OWNED", 1, 100)
		if r.Owner = owner; !owner {
			r.OrderNo = "FREE"
		}
		if _, _, err := k.Lock(k.ctx, r); err != nil {
			t.Fatal(err)
		}
		k.confirm(r.OrderNo)
	}
	k.restored()
	if l := k.recall("OWNED", lockstore.WordNone); l.Status != lockstore.Locked || l.Unknown || l.OrderSent {
		t.Errorf("with an owner: %+v", l)
	}
	if l := k.recall("FREE", lockstore.WordNone); l.Status != lockstore.Confirming || !l.Unknown {
		t.Errorf("without an owner: %+v", l)
	}
}

// That a process once ended in order says nothing about the one whose ledger a
// backup holds, even where its epoch comes again.
func TestB9ARestoreForgetsThatAProcessEndedInOrder(t *testing.T) {
	k := open(t, noFreeze())
	l := k.lock("RX1", 1)
	k.confirm("RX1")
	k.must(k.Rest(k.ctx))
	backup := k.disk.Crash()
	k.must(lockstore.MarkRestored(backup, k.clock.Now()))
	old := k.opts.Committer
	k.disk = backup
	_ = old.Close()
	k.start()
	if l = k.recall("RX1", lockstore.WordNone); !l.OrderSent {
		t.Error("no call can have been lost, says an opening of before the restore")
	}
}

func TestB4AnEndInOrderLeavesNoDoubt(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 1)
	k.confirm("RX1")
	for _, inOrder := range []bool{true, false} {
		if inOrder {
			k.must(k.Rest(k.ctx))
		}
		k.reopen()
		l, err := k.Get(k.ctx, alice, "RX1")
		if err != nil || !l.Unknown || l.OrderSent == inOrder {
			t.Errorf("in order %v: unknown %v, doubted %v, %v", inOrder, l.Unknown, l.OrderSent, err)
		}
	}
}

// What one process lost stays in doubt however well the next one ended: the doubt
// was noticed at its opening, and stood in its memory alone.
func TestB4AnEndInOrderForgetsNoDoubtOfBefore(t *testing.T) {
	for _, find := range []bool{true, false} {
		p := noFreeze()
		p.Find, p.IdempotentByHisNo = find, false
		k := open(t, p)
		k.lock("RX1", 1)
		k.confirm("RX1")
		k.crash() // while the order was on its way
		k.must(k.Rest(k.ctx))
		k.reopen()
		l, err := k.Get(k.ctx, alice, "RX1")
		if err != nil || !l.Unknown || !l.OrderSent || !find && l.CaseReason == "" {
			t.Errorf("find %v: unknown %v, doubted %v, case %q, %v", find, l.Unknown, l.OrderSent, l.CaseReason, err)
		}
	}
}
