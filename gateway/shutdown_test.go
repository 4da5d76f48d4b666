package gateway_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

// A process that ends in order has lost no call: what the HIS refuses after the
// next start was refused, and no person need look whether it deducted.
func TestARestartInOrderIsNoLostCall(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(*world)
		want lockstore.Status
	}{
		"restart": {(*world).restart, lockstore.Released},
		"crash":   {(*world).crash, lockstore.Confirming},
		"a restart, then a crash": {func(w *world) {
			w.restart()
			w.crash()
		}, lockstore.Confirming},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, plainHIS)
				w.mustLock(order("RX1", "A", 3))
				w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.BusyNow})
				if _, err := w.confirm("RX1"); err == nil {
					t.Fatal("a busy HIS has confirmed")
				}
				w.wantStatus("RX1", lockstore.Confirming)
				tc.end(w)
				w.sell("A", 10)
				w.his.ClearFaults()
				time.Sleep(10 * time.Minute)
				l := w.wantStatus("RX1", tc.want)
				if asked := l.CaseReason != ""; asked != (tc.want == lockstore.Confirming) {
					t.Errorf("a person is asked: %v (%q)", asked, l.CaseReason)
				}
				w.wantOrder("RX1", hisadapter.None)
			})
		})
	}
}

// A call that a shutdown cuts off is lost, and recorded as such.
func TestACallThatAShutdownCutsOffIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.mustLock(order("RX1", "A", 3))
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutBefore, Times: 1})
		go func() { _, _ = w.confirm("RX1") }()
		time.Sleep(time.Second)
		w.restart()
		w.sell("A", 10)
		time.Sleep(10 * time.Minute)
		if l := w.wantStatus("RX1", lockstore.Confirming); l.CaseReason == "" {
			t.Error("nobody is asked whether the HIS has deducted")
		}
	})
}

// A restart goes on with what was interrupted, also in order.
func TestARestartInOrderGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.mustLock(order("RX1", "A", 3))
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.BusyNow})
		_, _ = w.confirm("RX1")
		w.restart()
		w.his.ClearFaults()
		w.until(func(s gateway.State) bool { return s.Ledger.Work == 0 })
		w.wantStatus("RX1", lockstore.Confirmed)
		w.wantOrder("RX1", hisadapter.Deducted)
	})
}
