package gateway_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

// [C1] A process that is restarted again and again before the grace time of a lost
// call is over comes to its end all the same, and not before so much time has
// passed since the call can have left.
func TestGraceTimePassesHoweverOftenHisgateIsRestarted(t *testing.T) {
	for name, again := range map[string]func(*world){"killed": (*world).crash, "restarted": (*world).restart} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, plainHIS)
				w.mustLock(order("O1", "A", 3))
				w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutBefore, Times: 1})
				if _, err := w.confirm("O1"); !errors.Is(err, gateway.ErrOutcomeUnknown) {
					t.Fatalf("confirm: %v", err)
				}
				lost := time.Now()
				for w.calls(simhis.OpPlaceOrder) == 1 {
					if time.Since(lost) > 5*time.Minute {
						t.Fatalf("never placed again: %+v", w.get("O1"))
					}
					time.Sleep(7 * time.Second)
					again(w)
				}
				if grace := w.settings.Resolver.Grace; time.Since(lost) < grace {
					t.Errorf("placed again after %v, the grace time is %v", time.Since(lost), grace)
				}
				w.settle()
				w.wantStatus("O1", lockstore.Confirmed)
				w.wantOrder("O1", hisadapter.Deducted)
			})
		})
	}
}

// The same where only a crash tells that a call may have got lost: its time counts
// from the opening after, and the next crash does not begin it anew.
func TestGraceTimeOfAnInterruptedCallPassesOverCrashes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.mustLock(order("O1", "A", 3))
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.LateApply, After: 29 * time.Second, Times: 1})
		go func() { _, _ = w.confirm("O1") }()
		time.Sleep(time.Second)
		w.crash()
		opened := time.Now()
		for w.get("O1").Status != lockstore.Confirmed {
			if n := w.calls(simhis.OpPlaceOrder); n > 1 {
				t.Fatalf("placed %d times, %v after the opening", n, time.Since(opened))
			}
			if time.Since(opened) > 5*time.Minute {
				t.Fatalf("never found: %+v", w.get("O1"))
			}
			time.Sleep(4 * time.Second)
			w.crash()
			time.Sleep(time.Second)
		}
		w.wantOrder("O1", hisadapter.Deducted)
		w.wantSoundBooks()
	})
}

// A wall clock that is set forward between two processes makes no grace time
// shorter, and one that is set back none longer.
func TestGraceTimeDoesNotGoByTheWallClock(t *testing.T) {
	for name, by := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var off atomic.Int64
				w := newWorld(t, plainHIS, func(w *world) {
					c := shifted{&off, time.Now()}
					w.now, w.clock = c.Now, c
				})
				w.mustLock(order("O1", "A", 3))
				w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutBefore, Times: 1})
				_, _ = w.confirm("O1")
				off.Store(int64(by))
				w.crash()
				time.Sleep(20 * time.Second)
				if n := w.calls(simhis.OpPlaceOrder); n != 1 {
					t.Errorf("placed %d times within the grace time", n)
				}
				time.Sleep(20 * time.Second)
				w.wantStatus("O1", lockstore.Confirmed)
			})
		})
	}
}

// shifted is a machine's clock whose wall half is off.
type shifted struct {
	by    *atomic.Int64
	start time.Time
}

func (s shifted) Now() time.Time      { return time.Now().Add(time.Duration(s.by.Load())) }
func (s shifted) Mono() time.Duration { return time.Since(s.start) }

// [B9] A recovery that is interrupted again and again comes to its end.
func TestB9RecoveryEndsHoweverOftenHisgateIsRestarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.mustLock(order("O1", "A", 3))
		w.restore(w.backup())
		began := time.Now()
		for w.g.State().Ledger.Asking > 0 {
			if time.Since(began) > 5*time.Minute {
				t.Fatal("the HIS is asked for ever")
			}
			time.Sleep(7 * time.Second)
			w.crash()
			time.Sleep(time.Second)
		}
		if grace := w.settings.Resolver.Grace; time.Since(began) < grace {
			t.Errorf("believed after %v, the grace time is %v", time.Since(began), grace)
		}
		w.recovered()
		w.wantStatus("O1", lockstore.Locked)
	})
}
