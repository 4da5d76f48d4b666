package lockstore_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
)

// onBadger opens a ledger in a folder. The returned function closes it properly.
func onBadger(tb testing.TB, dir string, o lockstore.Options) (*lockstore.Ledger, func()) {
	tb.Helper()
	e, err := badgerengine.Open(dir, badgerengine.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	o.Committer = engine.NewCommitter(e, engine.CommitterOptions{})
	l, err := lockstore.Open(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	return l, func() {
		tb.Helper()
		for _, c := range []func() error{l.Close, o.Committer.Close, e.Close} {
			if err := c(); err != nil {
				tb.Error(err)
			}
		}
	}
}

func readingOf(l *lockstore.Ledger, onHand int64) map[string]lockstore.Reading {
	return map[string]lockstore.Reading{drugA: {Stamp: l.Stamp(), Began: l.Mono(), OnHand: onHand}}
}

// Many callers at once on the real disk take exactly what is there, and find it
// again after an opening.
func TestOnBadger(t *testing.T) {
	const callers, stock = 200, 150
	dir := t.TempDir()
	o := lockstore.Options{Policy: noFreeze(), DiskReserve: -1}
	l, closeAll := onBadger(t, dir, o)
	var wg sync.WaitGroup
	var held atomic.Int64
	for i := range callers {
		wg.Go(func() {
			no := fmt.Sprintf("RX%03d", i)
			req := lockstore.LockRequest{
				Principal: alice, OrderNo: no, PharmacyID: pharmacy, TTL: time.Hour,
				Items: []lockstore.Item{{DrugID: drugA, Quantity: 1}}, Readings: readingOf(l, stock),
			}
			if _, _, err := l.Lock(t.Context(), req); err != nil {
				return // short
			}
			held.Add(1)
			switch i % 3 {
			case 0:
				lock, _, err := l.Confirm(t.Context(), alice, no, lockstore.Reference{TransactionID: "T"})
				if err == nil {
					_, err = l.Record(t.Context(), lock.ID(), lockstore.Event{Kind: lockstore.EvOrderPlaced, HISOrderNo: "H"})
				}
				if err != nil {
					t.Error(err)
				}
			case 1:
				if _, err := l.Release(t.Context(), alice, no, lockstore.ByCaller); err != nil {
					t.Error(err)
				}
				held.Add(-1)
			}
		})
	}
	wg.Wait()
	a, err := l.Available(keyA, lockstore.Reading{Stamp: lockstore.Stamp{Epoch: l.Stamp().Epoch}, OnHand: stock}, nil)
	if err != nil || a.Held != held.Load() || a.Held > stock {
		t.Fatalf("held %d (%v), want %d", a.Held, err, held.Load())
	}
	list := func() []lockstore.Lock {
		t.Helper()
		locks, _, err := l.List(t.Context(), lockstore.Query{PageSize: 500})
		if err != nil {
			t.Fatal(err)
		}
		return locks
	}
	before := list()
	closeAll()
	l, closeAll = onBadger(t, dir, o)
	defer closeAll()
	if diff := cmp.Diff(before, list()); diff != "" {
		t.Fatal(diff)
	}
	if again, err := l.Available(keyA, lockstore.Reading{Stamp: lockstore.Stamp{Epoch: l.Stamp().Epoch}, OnHand: stock}, nil); err != nil || again != a {
		t.Fatalf("after the opening %+v (%v), before %+v", again, err, a)
	}
}
