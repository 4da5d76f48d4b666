package gateway_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// backup returns a copy of the disk as it is durable now.
func (w *world) backup() *memengine.Engine {
	w.t.Helper()
	copied := memengine.New(memengine.Options{})
	var all []engine.Write
	if err := w.disk.Scan(nil, nil, func(k, v []byte) error {
		all = append(all, engine.Write{Key: append([]byte(nil), k...), Value: append([]byte(nil), v...)})
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	if len(all) > 0 {
		if err := copied.Apply(all); err != nil {
			w.t.Fatal(err)
		}
	}
	return copied
}

// restore throws the disk away and goes on with the backup.
func (w *world) restore(backup *memengine.Engine) {
	w.t.Helper()
	w.stop()
	if err := lockstore.MarkRestored(backup, time.Now()); err != nil {
		w.t.Fatal(err)
	}
	w.disk = backup.Reopen()
	w.open()
}

// recovered lets the locks be asked about and ends the recovery.
func (w *world) recovered() {
	w.t.Helper()
	w.until(func(s gateway.State) bool { return s.Ledger.Asking == 0 && s.Jobs == 0 })
	if err := w.ledger.Recovered(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func TestB9WhatTheHISDidSinceTheBackupIsFound(t *testing.T) {
	for name, caps := range map[string]hisadapter.Capabilities{"freeze": freezingHIS, "no freeze": plainHIS} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, caps)
				for _, no := range []string{"CONFIRMED", "RELEASED", "HELD"} {
					w.mustLock(order(no, "A", 1))
				}
				backup := w.backup()
				w.mustConfirm("CONFIRMED")
				w.mustLock(order("BOTH", "A", 1))
				w.mustConfirm("BOTH")
				if _, err := w.g.Release(t.Context(), "p", "RELEASED"); err != nil {
					t.Fatal(err)
				}
				w.restore(backup)

				_, err := w.lock(order("NEW", "A", 1))
				if !errors.Is(err, lockstore.ErrRecovering) {
					t.Errorf("a new lock in the recovery: %v", err)
				}
				if len(w.g.Health()) == 0 {
					t.Error("the recovery does not show in health")
				}
				w.recovered()
				w.wantStatus("CONFIRMED", lockstore.Confirmed)
				if l := w.get("RELEASED"); l.Status == lockstore.Confirmed {
					t.Errorf("what was released is %s", l.Status)
				}
				w.mustConfirm("HELD")
				// A caller who was not answered for a lock that the ledger forgot.
				if l := w.mustLock(order("BOTH", "A", 1)); l.Status != lockstore.Confirmed {
					t.Errorf("what was confirmed since the backup is %s", l.Status)
				}
				for _, no := range []string{"CONFIRMED", "BOTH", "HELD"} {
					w.wantOrder(no, hisadapter.Deducted)
				}
				w.runDown()
				w.wantSoundBooks()
			})
		})
	}
}

// What an order made under a later number is found, and nothing is written under
// an earlier one.
func TestB9ALaterAttemptOfSinceTheBackupIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.mustLock(order("RX1", "A", 1))
		backup := w.backup()
		if _, err := w.g.Release(t.Context(), "p", "RX1"); err != nil {
			t.Fatal(err)
		}
		again := order("RX1", "A", 1)
		again.NewAttempt = true
		w.mustLock(again)
		w.mustConfirm("RX1")
		w.restore(backup)
		w.recovered()

		if _, err := w.confirm("RX1"); !errors.Is(err, lockstore.ErrRecovering) {
			t.Fatalf("confirming what the HIS has under another number: %v", err)
		}
		if l := w.wantStatus("RX1", lockstore.Locked); l.CaseReason == "" {
			t.Error("nobody is asked")
		}
		if _, err := w.g.Resolve(t.Context(), lockstore.ID{OrderNo: "RX1", Attempt: 1}, true, "H2", "p"); err != nil {
			t.Fatal(err)
		}
		w.wantStatus("RX1", lockstore.Confirmed)
		w.wantOrder("RX1", hisadapter.None)
		w.wantOrder("RX1-2", hisadapter.Deducted)
	})
}

// An attempt that was given up left no trace at a HIS without freezes: that it knows
// nothing of a number says nothing of the next.
func TestB9WhatStandsBehindATracelessAttemptIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		backup := w.backup()
		for attempt := range 3 {
			l := order("RX1", "A", 1)
			l.NewAttempt = attempt > 0
			w.mustLock(l)
			if attempt < 2 {
				if _, err := w.g.Release(t.Context(), "p", "RX1"); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.mustConfirm("RX1")
		w.wantOrder("RX1-3", hisadapter.Deducted)
		w.restore(backup)
		w.recovered()

		_, err := w.g.Release(t.Context(), "p", "RX1")
		if e := wantError[*gateway.RecalledError](t, err); e.HISNo != "RX1-3" || !e.Deducted {
			t.Errorf("giving it up: %v", e)
		}
		if l, err := w.lock(order("RX1", "A", 1)); err == nil {
			t.Errorf("a lock of what stands at the HIS is %s", l.Status)
		}
		w.wantOrder("RX1", hisadapter.None)
	})
}

// An order of which a restored ledger knows nothing is not over because of that.
func TestB9AnOrderIsNotOverBecauseItWasForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		backup := w.backup()
		w.mustLock(order("DEDUCTED", "A", 1))
		w.mustConfirm("DEDUCTED")
		w.mustLock(order("FROZEN", "A", 1))
		w.restore(backup)
		w.recovered()
		for no, deducted := range map[string]bool{"DEDUCTED": true, "FROZEN": false} {
			_, err := w.g.Release(t.Context(), "p", no)
			if e := wantError[*gateway.RecalledError](t, err); e.Deducted != deducted {
				t.Errorf("%s: %v", no, e)
			}
		}
		if _, err := w.g.Release(t.Context(), "p", "NEVER-WAS"); err != nil {
			t.Error(err)
		}
		time.Sleep(lockstore.AskFirstFor)
		calls := w.calls(simhis.OpFindOrder)
		if _, err := w.g.Release(t.Context(), "p", "NEVER-WAS-2"); err != nil || w.calls(simhis.OpFindOrder) != calls {
			t.Errorf("long after the restore the HIS is asked still: %v", err)
		}
	})
}

// A HIS that cannot be asked holds up the recovery, and nothing is believed of it.
func TestB9TheRecoveryWaitsForTheHIS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.mustLock(order("HELD", "A", 1))
		backup := w.backup()
		w.mustConfirm("HELD")
		w.inject(simhis.Fault{Op: simhis.OpFindOrder, What: simhis.HTTP500})
		w.restore(backup)
		time.Sleep(6 * time.Hour)
		if err := w.ledger.Recovered(t.Context()); !errors.Is(err, lockstore.ErrRecovering) {
			t.Errorf("the recovery ended without the HIS: %v", err)
		}
		w.wantStatus("HELD", lockstore.Locked)
		w.his.ClearFaults()
		w.recovered()
		w.wantStatus("HELD", lockstore.Confirmed)
	})
}

// Of a number that a restored ledger never heard of, and about which the HIS cannot
// be asked, nothing is known: a release proves nothing.
func TestB9NothingIsKnownOfANumberWhereTheHISCannotBeAsked(t *testing.T) {
	for _, idempotent := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			caps := plainHIS
			caps.Find, caps.IdempotentByHisNo = false, idempotent
			w := newWorld(t, caps)
			backup := w.backup()
			w.mustLock(order("O1", "A", 3))
			w.mustConfirm("O1")
			w.restore(backup)
			w.recovered()
			_, err := w.g.Release(t.Context(), "p", "O1")
			if !errors.Is(err, gateway.ErrCannotBeAsked) || !errors.Is(err, lockstore.ErrRecovering) {
				t.Errorf("idempotent %v: %v", idempotent, err)
			}
			time.Sleep(lockstore.AskFirstFor)
			if _, err := w.g.Release(t.Context(), "p", "O2"); err != nil {
				t.Errorf("long after: %v", err)
			}
		})
	}
}

// [B9] [I1] A hold of the backup may have been given back since, and its stock have gone
// into another order: where the HIS knows of no freezes, and may well deduct what it
// does not have, the stock is read before it is told to.
func TestB9AHoldWhoseStockWentElsewhereSinceTheBackup(t *testing.T) {
	thrownBack := func(w *world, taken int64) {
		w.t.Helper()
		w.mustLock(order("OLD", "A", 6))
		backup := w.backup()
		if _, err := w.g.Release(w.t.Context(), "p", "OLD"); err != nil {
			w.t.Fatal(err)
		}
		w.mustLock(order("NEW", "A", taken))
		w.mustConfirm("NEW")
		w.restore(backup)
		w.recovered()
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		thrownBack(w, 5)
		calls := w.calls(simhis.OpPlaceOrder)
		_, err := w.confirm("OLD")
		if e := wantError[*gateway.HISRefusedError](t, err); e.Kind != hisadapter.Insufficient || !e.ForGood || len(e.Shortages) != 1 || e.Shortages[0].Available != 5 {
			t.Errorf("%+v", e)
		}
		if w.calls(simhis.OpPlaceOrder) != calls {
			t.Error("the HIS was told to deduct")
		}
		w.wantStatus("OLD", lockstore.Released)
		w.runDown()
		w.wantSoundBooks()
	})
	t.Run("it is still there", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, plainHIS)
			thrownBack(w, 4)
			w.mustConfirm("OLD")
			w.wantOrder("OLD", hisadapter.Deducted)
		})
	})
	t.Run("the stock cannot be read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, plainHIS)
			thrownBack(w, 4)
			w.inject(simhis.Fault{Op: simhis.OpQueryStock, What: simhis.HTTP500, Times: 1})
			if _, err := w.confirm("OLD"); err == nil {
				t.Error("confirmed without a look")
			}
			if l := w.get("OLD"); l.Status == lockstore.Released || l.CaseReason != "" {
				t.Errorf("%+v", l)
			}
			w.until(func(s gateway.State) bool { return s.Ledger.Work == 0 && s.Jobs == 0 })
			w.wantStatus("OLD", lockstore.Confirmed)
		})
	})
	t.Run("the answer was lost, and the figure is of after it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, plainHIS)
			thrownBack(w, 4)
			w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Reset, Apply: true, Times: 1})
			w.inject(simhis.Fault{Op: simhis.OpFindOrder, What: simhis.HTTP500, Times: 2})
			_, _ = w.confirm("OLD") // what it answers depends on the moment
			w.until(func(s gateway.State) bool { return s.Ledger.Work == 0 && s.Jobs == 0 })
			w.wantStatus("OLD", lockstore.Confirmed)
			w.wantOrder("OLD", hisadapter.Deducted)
		})
	})
}
