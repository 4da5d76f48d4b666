package lockstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
)

func TestPurgeForgetsWhatIsOld(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.Retention = 24 * time.Hour })
	end := func(no string) {
		t.Helper()
		_, err := k.Release(k.ctx, alice, no, lockstore.ByCaller)
		k.must(err)
	}
	purge := func(limit, want int) {
		t.Helper()
		if n, err := k.Purge(k.ctx, limit); err != nil || n != want {
			t.Fatalf("purged %d, %v; want %d", n, err, want)
		}
	}
	gone := func(no string) {
		t.Helper()
		if l, err := k.Get(k.ctx, "", no); !errors.Is(err, lockstore.ErrNotFound) {
			t.Fatalf("%s is still there: %+v, %v", no, l, err)
		}
	}
	for i := range 5 {
		no := fmt.Sprint("OLD", i)
		k.lock(no, 1)
		end(no)
	}
	end("TOMB")
	k.lock("LIVES", 1)
	k.lock("LATE", 1)
	k.clock.advance(12 * time.Hour)
	end("LATE")
	// An order whose last attempt is young keeps all of them.
	again := k.request("OLD0", 1, 100)
	again.NewAttempt = true
	_, _, err := k.Lock(k.ctx, again)
	k.must(err)
	end("OLD0")
	purge(100, 0)
	k.clock.advance(12*time.Hour + time.Second)
	k.reopen()
	purge(2, 2)
	gone("TOMB")
	gone("OLD1")
	purge(100, 3)
	purge(100, 0)
	gone("OLD4")
	if all, err := k.Attempts(k.ctx, "OLD0"); err != nil || len(all) != 2 {
		t.Fatalf("OLD0 has %d attempts, %v", len(all), err)
	}
	k.wantStatus("LIVES", lockstore.Locked)
	k.wantStatus("LATE", lockstore.Released)
	k.clock.advance(12 * time.Hour)
	purge(100, 3)
	gone("OLD0")
	gone("LATE")
	if all := k.listAll(lockstore.Query{}); len(all) != 1 || all[0].OrderNo != "LIVES" {
		t.Fatalf("got %d", len(all))
	}
	if _, created, err := k.Lock(k.ctx, k.request("OLD0", 1, 100)); err != nil || !created {
		t.Fatalf("the order_no is new again: %v", err)
	}
}

func TestPurgeWaitsWhileTheClockIsInDoubt(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.Retention = time.Hour })
	k.lock("RX1", 1)
	_, err := k.Release(k.ctx, alice, "RX1", lockstore.ByCaller)
	k.must(err)
	k.reopen()
	k.clock.step(1000 * time.Hour)
	if n, err := k.Purge(k.ctx, 10); n != 0 || err != nil {
		t.Fatalf("purged %d, %v", n, err)
	}
}

// Much is purged in pieces, with rests between them.
func TestPurgeAllLeavesNothingThatIsOld(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.Retention = time.Hour })
	const many = 250
	for i := range many {
		no := fmt.Sprint("OLD", i)
		k.lock(no, 1)
		_, err := k.Release(k.ctx, alice, no, lockstore.ByCaller)
		k.must(err)
	}
	k.lock("LIVES", 1)
	k.clock.advance(2 * time.Hour)
	k.reopen()
	ended, stop := context.WithCancel(k.ctx)
	stop()
	if n, err := k.PurgeAll(ended); n != 0 || !errors.Is(err, context.Canceled) {
		t.Fatalf("after its end it purged %d, %v", n, err)
	}
	if n, err := k.PurgeAll(k.ctx); err != nil || n != many {
		t.Fatalf("purged %d, %v; want %d", n, err, many)
	}
	if all := k.listAll(lockstore.Query{}); len(all) != 1 {
		t.Fatalf("%d locks are left", len(all))
	}
}

// A process that dies in the middle of a purge leaves all attempts of an order, or
// none: without its first one nobody would look for the rest.
func TestB5AttemptsOfAnOrderArePurgedTogether(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.Retention = time.Hour })
	for i := range 3 {
		r := k.request("RX1", 1, 100)
		r.NewAttempt = i > 0
		_, _, err := k.Lock(k.ctx, r)
		k.must(err)
		_, err = k.Release(k.ctx, alice, "RX1", lockstore.ByCaller)
		k.must(err)
		k.clock.advance(time.Minute)
	}
	k.clock.advance(2 * time.Hour)
	k.reopen()
	if n, err := k.Purge(k.ctx, 1); err != nil || n != 3 {
		t.Errorf("purged %d attempts, %v", n, err)
	}
	k.crash()
	if all, err := k.Attempts(k.ctx, "RX1"); err != nil || len(all) != 0 && len(all) != 3 {
		t.Errorf("%d attempts are left, %v", len(all), err)
	}
	if _, err := lockstore.Verify(k.ctx, k.disk, func(f lockstore.Finding) { t.Errorf("%s: %s", f.Key, f.What) }); err != nil {
		t.Fatal(err)
	}
	l, created, err := k.Lock(k.ctx, k.request("RX1", 1, 100))
	if err != nil || !created || l.Attempt != 1 {
		t.Fatalf("attempt %d, created %v, %v", l.Attempt, created, err)
	}
}

// More attempts than one step takes go newest first, and the rest is found again.
func TestManyAttemptsOfAnOrderArePurgedFromTheirEnd(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.Retention = time.Hour })
	const many = 105
	for i := range many {
		r := k.request("RX1", 1, 100)
		r.NewAttempt = i > 0
		_, _, err := k.Lock(k.ctx, r)
		k.must(err)
		_, err = k.Release(k.ctx, alice, "RX1", lockstore.ByCaller)
		k.must(err)
	}
	k.clock.advance(2 * time.Hour)
	k.reopen()
	if n, err := k.Purge(k.ctx, 1); err != nil || n != 100 {
		t.Errorf("purged %d attempts, %v", n, err)
	}
	k.crash()
	if all, err := k.Attempts(k.ctx, "RX1"); err != nil || len(all) != 5 || all[4].Attempt != 5 {
		t.Errorf("%d attempts are left, %v", len(all), err)
	}
	if n, err := k.PurgeAll(k.ctx); err != nil || n != 5 {
		t.Errorf("purged %d attempts, %v", n, err)
	}
	if all := k.listAll(lockstore.Query{}); len(all) != 0 {
		t.Errorf("%d locks are left", len(all))
	}
}

// A purge that is killed leaves no part of an order: without its first attempt the
// order would be new again, and its number at the HIS given out twice.
func TestAPurgeThatIsKilledLeavesNoPartOfAnOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := openGated(t, noFreeze(), func(o *lockstore.Options) { o.Retention = time.Hour })
		for attempt := range 3 {
			req := g.request("RX1", 1, 100)
			req.NewAttempt = attempt > 0
			g.synced(func() error { _, _, err := g.Lock(g.ctx, req); return err })
			g.synced(func() error { _, err := g.Release(g.ctx, alice, "RX1", lockstore.ByCaller); return err })
		}
		g.clock.advance(2 * time.Hour)
		g.must(g.Close())
		g.must(g.opts.Committer.Close())
		g.disk = g.disk.Reopen()
		g.start()

		ctx, stop := context.WithCancel(g.ctx)
		defer stop()
		purge := g.do(func() error { _, err := g.Purge(ctx, 1); return err })
		g.let() // the first commit, and then the plug is pulled
		old := g.opts.Committer
		g.disk = g.disk.Crash()
		if waiting(purge) {
			g.let()
		}
		<-purge
		_ = old.Close()
		g.start()
		if all, err := g.Attempts(g.ctx, "RX1"); err != nil || len(all) != 0 && len(all) != 3 {
			t.Fatalf("%d of 3 attempts are left, %v", len(all), err)
		}
		wantSound(t, g.disk)
	})
}

// What a purge is deleting is gone for everybody, though the disk still shows it.
func TestWhatIsBeingPurgedCannotBeChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := openGated(t, noFreeze(), func(o *lockstore.Options) { o.Retention = time.Hour })
		var id lockstore.ID
		g.synced(func() error { _, _, err := g.Lock(g.ctx, g.request("RX1", 1, 100)); return err })
		g.synced(func() error {
			l, _, err := g.Confirm(g.ctx, alice, "RX1", lockstore.Reference{})
			id = l.ID()
			return err
		})
		g.synced(func() error {
			_, err := g.Record(g.ctx, id, lockstore.Event{Kind: lockstore.EvOrderPlaced, HISOrderNo: "H1"})
			return err
		})
		g.must(g.Observe(keyA, g.reading(99)))
		g.let() // it has ended
		g.clock.advance(2 * time.Hour)
		g.must(g.Close())
		g.must(g.opts.Committer.Close())
		g.disk = g.disk.Reopen()
		g.start()

		purge := g.do(func() error { _, err := g.Purge(g.ctx, 10); return err })
		if !waiting(purge) {
			t.Fatal("nothing is being purged")
		}
		cancelled := g.do(func() error {
			_, err := g.Record(g.ctx, id, lockstore.Event{Kind: lockstore.EvCancelled})
			return err
		})
		get := g.do(func() error { _, err := g.Get(g.ctx, alice, "RX1"); return err })
		again := g.do(func() error {
			_, created, err := g.Lock(g.ctx, g.request("RX1", 1, 100))
			if err == nil && !created {
				return errors.New("the order_no is not new again")
			}
			return err
		})
		for range 3 {
			if waiting(purge) || waiting(cancelled) || waiting(again) {
				g.let()
			}
		}
		wantErr(t, <-cancelled, lockstore.ErrNotFound)
		wantErr(t, <-get, lockstore.ErrNotFound)
		g.must(<-purge)
		g.must(<-again)
		if l := g.get("RX1"); l.Attempt != 1 || l.Status != lockstore.Locked {
			t.Fatalf("got %s", story(l))
		}
		wantSound(t, g.disk)
	})
}

// A lock may end when those of its time have been purged long ago.
func TestWhatEndsBehindAPurgeIsListedAndPurged(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.Retention = time.Hour })
	end := func(no string) {
		t.Helper()
		_, err := k.Release(k.ctx, alice, no, lockstore.ByCaller)
		k.must(err)
	}
	k.lock("LATE", 1)
	k.lock("OLD", 1)
	end("OLD")
	k.clock.advance(2 * time.Hour)
	k.reopen() // what has ended is no longer in memory
	if n, err := k.Purge(k.ctx, 10); n != 1 || err != nil {
		t.Fatalf("purged %d, %v", n, err)
	}
	end("LATE")
	if all := k.listAll(lockstore.Query{}); len(all) != 1 || all[0].OrderNo != "LATE" {
		t.Fatalf("%d locks are listed", len(all))
	}
	k.clock.advance(2 * time.Hour)
	for i := range 2 { // two turns of the memory
		no := fmt.Sprint("TURN", i)
		k.lock(no, 1)
		end(no)
		k.clock.advance(time.Minute)
	}
	if n, err := k.Purge(k.ctx, 10); n != 1 || err != nil {
		t.Fatalf("purged %d, %v", n, err)
	}
	wantSound(t, k.disk)
}

// wantSound verifies every record.
func wantSound(t *testing.T, r engine.Reader) {
	t.Helper()
	if _, err := lockstore.Verify(t.Context(), r, func(f lockstore.Finding) { t.Errorf("%s: %s", f.Key, f.What) }); err != nil {
		t.Fatal(err)
	}
}
