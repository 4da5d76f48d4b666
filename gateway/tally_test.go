package gateway_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

func (w *world) check(live bool) ([]gateway.CheckLine, error) {
	return w.g.Check(w.t.Context(), gateway.CheckRequest{
		PharmacyID: pharmacy, Live: live, Items: []lockstore.Item{{DrugID: "A", Quantity: 1}},
	})
}

// TestDegradedAnswersAreCountedByUse: and the degraded mode ends by itself.
func TestDegradedAnswersAreCountedByUse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS, func(w *world) { w.settings.Lock.Degraded = gateway.Accept })
		w.stock("A")
		w.stock("A")
		if a := w.g.State().Answers; a.BySource[gateway.SourceLive] != 1 || a.BySource[gateway.SourceCache] != 1 {
			t.Errorf("by source: %v", a.BySource)
		}
		w.his.SetDown(true)
		time.Sleep(20 * time.Second)
		if s := w.stock("A"); !s.Degraded || s.Source != gateway.SourceStale {
			t.Fatalf("%+v", s)
		}
		if !w.mustLock(order("O1", "A", 1)).Degraded {
			t.Error("the lock is not marked")
		}
		for _, live := range []bool{false, true} {
			if lines, err := w.check(live); err != nil || !lines[0].Stale {
				t.Fatalf("check: %+v %v", lines, err)
			}
		}
		s := w.g.State()
		d := s.Answers.Degraded
		if !s.Degraded || d[gateway.UseRead] != 1 || d[gateway.UseLock] != 1 || d[gateway.UseCheck] != 2 {
			t.Errorf("degraded %v, by use %v", s.Degraded, d)
		}
		if n := s.Answers.Ages[6]; n != 1 { // above 10 s, up to 30 s
			t.Errorf("ages %v", s.Answers.Ages)
		}
		w.his.SetDown(false)
		time.Sleep(time.Minute)
		if s := w.stock("A"); s.Degraded {
			t.Errorf("the HIS is back: %+v", s)
		}
		if w.mustLock(order("O2", "A", 1)).Degraded {
			t.Error("the HIS is back, and a lock is degraded")
		}
		after := w.g.State()
		if after.Degraded || after.Answers.Degraded[gateway.UseRead] != 1 || after.Answers.Degraded[gateway.UseLock] != 1 {
			t.Errorf("the HIS is back: %+v", after.Answers)
		}
	})
}

// TestEachUseMayRefuseOldFigures: reads and checks have policies of their own.
func TestEachUseMayRefuseOldFigures(t *testing.T) {
	for _, tt := range []struct{ read, check gateway.Degraded }{
		{gateway.Accept, gateway.Accept},
		{gateway.Accept, gateway.Reject},
		{gateway.Reject, gateway.Accept},
		{gateway.Reject, gateway.Reject},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, plainHIS, func(w *world) {
				w.settings.Cache.Degraded, w.settings.Check.Degraded = tt.read, tt.check
			})
			w.stock("A")
			w.his.SetDown(true)
			time.Sleep(20 * time.Second)
			if s, err := w.g.GetStock(t.Context(), key("A"), gateway.Cached); tt.read == gateway.Accept {
				if err != nil || !s.Degraded {
					t.Errorf("%v: read %+v %v", tt, s, err)
				}
			} else {
				wantError[*gateway.HISError](t, err)
			}
			for _, live := range []bool{false, true} {
				if lines, err := w.check(live); tt.check == gateway.Accept {
					if err != nil || !lines[0].Stale {
						t.Errorf("%v: check live=%v %+v %v", tt, live, lines, err)
					}
				} else {
					wantError[*gateway.HISError](t, err)
				}
			}
		})
	}
}

// TestADrugThatIsRefusedAloneIsNoOutage: the HIS can be read all the same.
func TestADrugThatIsRefusedAloneIsNoOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		if _, err := w.g.GetStock(t.Context(), key("NONE"), gateway.Live); err == nil {
			t.Fatal("an invented drug was read")
		}
		if s := w.g.State(); s.Degraded || len(w.g.Health()) != 0 {
			t.Errorf("degraded %v, %v", s.Degraded, w.g.Health())
		}
	})
}

// TestRefreshBehindCostsTheLowestClass: nobody waits, and nobody more urgent
// pays for it.
func TestRefreshBehindCostsTheLowestClass(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS, func(w *world) { w.settings.Cache.RefreshAfter = 7 * time.Second })
		w.stock("A")
		waited := 0
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			if w.stock("A").Source == gateway.SourceLive {
				waited++
			}
		}
		if s := w.g.State().Cache; waited != 0 || s.Refreshes < 8 || s.Refreshes > 9 || s.Loads != s.Refreshes+1 {
			t.Errorf("%d readers waited; %+v", waited, s)
		}
	})
}

// A HIS that refuses our readings as such is an alert each time that it says so,
// and none while the guard leaves it alone.
func TestMisconfiguredReadingsRaiseAnAlert(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS, func(w *world) { w.guard.MisconfiguredAfter = 2 })
		w.inject(simhis.Fault{Op: simhis.OpQueryStock, What: simhis.Misconfigured})
		for range 5 {
			if _, err := w.g.GetStock(t.Context(), key("A"), gateway.Cached); err == nil {
				t.Fatal("answered")
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.alerts) != 2 || w.alerts[0].Name != gateway.AlertMisconfigured {
			t.Errorf("alerts %v, want 2", w.alerts)
		}
		if n := w.calls(simhis.OpQueryStock); n != 2 {
			t.Errorf("asked %d times", n)
		}
	})
}
