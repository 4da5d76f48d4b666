package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

// unclear are the ways in which a call can end so that nobody here knows whether
// it was applied.
var unclear = []simhis.Fault{
	{What: simhis.TimeoutBefore},
	{What: simhis.TimeoutAfter},
	{What: simhis.LateApply, After: 8 * time.Second},
	{What: simhis.HTTP500},
	{What: simhis.HTTP500, Apply: true},
	{What: simhis.Garbage, Apply: true},
	{What: simhis.Truncated, Apply: true},
	{What: simhis.Reset},
	{What: simhis.Reset, Apply: true},
}

func faultName(f simhis.Fault) string {
	if f.Apply {
		return string(f.What) + ", applied"
	}
	return string(f.What)
}

// interruptions are what may happen to hisgate while a call is unclear.
var interruptions = map[string]func(*world){
	"no restart": func(*world) {},
	"restart":    (*world).restart,
	"crash":      (*world).crash,
}

// TestUnclearOutcomes drives every write of every kind of HIS into every unclear
// end, with and without a restart after it, and wants the order to arrive where it
// was meant to, with the HIS in the very same place.
func TestUnclearOutcomes(t *testing.T) {
	for kind, caps := range kinds {
		for _, op := range []simhis.Op{simhis.OpFreeze, simhis.OpPlaceOrder, simhis.OpUnfreeze, simhis.OpFindOrder} {
			if !caps.Freeze && (op == simhis.OpFreeze || op == simhis.OpUnfreeze) {
				continue
			}
			for _, f := range unclear {
				for how, interrupt := range interruptions {
					f.Op, f.Times = op, 1
					t.Run(fmt.Sprintf("%s/%s/%s/%s", kind, op, faultName(f), how), func(t *testing.T) {
						bubble(t, func(t *testing.T) { unclearOutcome(t, caps, f, interrupt) })
					})
				}
			}
		}
	}
}

func unclearOutcome(t *testing.T, caps hisadapter.Capabilities, f simhis.Fault, interrupt func(*world)) {
	w := newWorld(t, caps)
	if f.Op == simhis.OpFindOrder {
		// So that FindOrder is asked at all.
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutAfter, Times: 1})
	}
	w.inject(f)
	_, err := w.lock(order("O1", "A", 3))
	if f.Op == simhis.OpFreeze {
		if !errors.Is(err, gateway.ErrOutcomeUnknown) {
			t.Errorf("lock: %v", err)
		}
		w.wantStatus("O1", lockstore.Pending)
		interrupt(w)
		w.settle()
	} else if err != nil {
		t.Fatal(err)
	}
	if l := w.mustLock(order("O1", "A", 3)); l.Attempt != 1 {
		t.Errorf("attempt %d", l.Attempt)
	}

	if f.Op == simhis.OpUnfreeze {
		l, err := w.g.Release(t.Context(), "p", "O1")
		if err != nil || l.Status != lockstore.Releasing {
			t.Errorf("release: %v, %v", l.Status, err)
		}
		interrupt(w)
		w.settle()
		if l := w.wantStatus("O1", lockstore.Released); !l.Settled() {
			t.Error("not settled")
		}
		w.wantOrder("O1", hisadapter.Released)
	} else {
		_, err = w.confirm("O1")
		if unknown := f.Op != simhis.OpFreeze; unknown != errors.Is(err, gateway.ErrOutcomeUnknown) {
			t.Errorf("confirm: %v", err)
		}
		interrupt(w)
		w.settle()
		l := w.wantStatus("O1", lockstore.Confirmed)
		w.wantOrder("O1", hisadapter.Deducted)
		b, _ := w.his.Books().Order("O1")
		if l.HISOrderNo == "" || b.Orders[0].OrderNo != l.HISOrderNo || b.Orders[0].TransactionID != "TO1" {
			t.Errorf("we say %q, the HIS says %+v", l.HISOrderNo, b.Orders)
		}
	}
	w.wantSoundBooks()
	books, _ := w.his.Books().Of(key("A"))
	if books.Frozen != 0 {
		t.Errorf("%d units stay frozen", books.Frozen)
	}
}

// [C1] A "none" is not believed while a lost call may still arrive: the repeat
// would deduct twice at a HIS that does not look at his_no.
func TestNoneIsNotBelievedWithinTheGraceTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.mustLock(order("O1", "A", 3))
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.LateApply, After: 20 * time.Second, Times: 1})
		if _, err := w.confirm("O1"); !errors.Is(err, gateway.ErrOutcomeUnknown) {
			t.Fatalf("confirm: %v", err)
		}
		time.Sleep(19 * time.Second)
		if w.calls(simhis.OpFindOrder) == 0 {
			t.Error("nobody asked")
		}
		if l := w.wantStatus("O1", lockstore.Confirming); !l.Unknown {
			t.Error("believed too early")
		}
		if n := w.calls(simhis.OpPlaceOrder); n != 1 {
			t.Errorf("placed %d times", n)
		}
		w.settle()
		w.wantStatus("O1", lockstore.Confirmed)
		if n := w.calls(simhis.OpPlaceOrder); n != 1 {
			t.Errorf("placed %d times", n)
		}
	})
}

// dawdler answers FindOrder long after it looked.
type dawdler struct {
	hisadapter.Driver
	by time.Duration
}

func (d dawdler) FindOrder(ctx context.Context, hisNo string) (hisadapter.Found, error) {
	f, err := d.Driver.FindOrder(ctx, hisNo)
	time.Sleep(d.by)
	return f, err
}

// [C1] It is the question that must come after the grace time, not the answer.
func TestNoneOfAQuestionWithinTheGraceTimeIsNotBelieved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS, func(w *world) {
			w.wrap = func(d hisadapter.Driver) hisadapter.Driver { return dawdler{d, 4 * time.Second} }
			w.settings.Resolver.Backoff = []time.Duration{27 * time.Second}
		})
		w.mustLock(order("O1", "A", 3))
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Reset, Times: 1})
		_, _ = w.confirm("O1")
		time.Sleep(40 * time.Second) // asked after 27 s, answered after 31 s
		if n := w.calls(simhis.OpPlaceOrder); n != 1 {
			t.Errorf("placed %d times", n)
		}
		w.settle()
		w.wantStatus("O1", lockstore.Confirmed)
	})
}

// A refusal that does not end the lock is no last word: money must not go back on it.
func TestARefusedFreezeOfAnOrderInDoubtIsNotForGood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.mustLock(order("O1", "A", 3))
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Reset, Times: 1})
		_, _ = w.confirm("O1")
		w.his.Lapse("O1")
		w.sell("A", 9)
		w.settle()
		if l := w.wantStatus("O1", lockstore.Confirming); l.CaseReason == "" {
			t.Fatal("no case")
		}
		_, err := w.confirm("O1")
		if e := wantError[*gateway.HISRefusedError](t, err); e.ForGood {
			t.Errorf("got %+v", e)
		}
		w.wantSoundBooks()
	})
}

// [C1] Where the HIS takes the same his_no twice, a "none" leads to a person, and
// never to a repeat.
func TestNoneAtAHISThatTakesDuplicatesIsACase(t *testing.T) {
	for _, tc := range []struct {
		name    string
		fault   simhis.Fault
		applied bool
		want    lockstore.Status
	}{
		{"never applied", simhis.Fault{What: simhis.TimeoutBefore}, false, lockstore.Released},
		{"applied long after", simhis.Fault{What: simhis.LateApply, After: time.Hour}, true, lockstore.Confirmed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				caps := plainHIS
				caps.IdempotentByHisNo = false
				w := newWorld(t, caps)
				w.mustLock(order("O1", "A", 3))
				tc.fault.Op, tc.fault.Times = simhis.OpPlaceOrder, 1
				w.inject(tc.fault)
				_, _ = w.confirm("O1")
				time.Sleep(10 * time.Minute)
				l := w.wantStatus("O1", lockstore.Confirming)
				if l.CaseReason == "" {
					t.Error("no case")
				}
				if n := w.calls(simhis.OpPlaceOrder); n != 1 {
					t.Errorf("placed %d times", n)
				}
				if _, err := w.confirm("O1"); !errors.Is(err, gateway.ErrOutcomeUnknown) {
					t.Errorf("a repeat: %v", err)
				}
				if tc.applied {
					time.Sleep(2 * time.Hour) // it is looked for all the time
				} else if _, err := w.g.Resolve(t.Context(), l.ID(), false, "", "cashier"); err != nil {
					t.Fatal(err)
				}
				w.wantStatus("O1", tc.want)
				if n := w.calls(simhis.OpPlaceOrder); n != 1 {
					t.Errorf("placed %d times", n)
				}
			})
		})
	}
}

// [C3] A HIS that cannot be asked what became of a call: at once a case.
func TestWithoutFindAnUnknownOutcomeIsACase(t *testing.T) {
	for _, tc := range []struct {
		applied bool
		hisNo   string
		want    lockstore.Status
	}{
		{true, "CF77", lockstore.Confirmed},
		{false, "", lockstore.Released},
	} {
		for how, interrupt := range interruptions {
			t.Run(fmt.Sprintf("applied=%v, %s", tc.applied, how), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					caps := plainHIS
					caps.Find = false
					w := newWorld(t, caps)
					w.mustLock(order("O1", "A", 3))
					w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Reset, Apply: tc.applied, Times: 1})
					if _, err := w.confirm("O1"); !errors.Is(err, gateway.ErrOutcomeUnknown) {
						t.Errorf("confirm: %v", err)
					}
					interrupt(w)
					l := w.wantStatus("O1", lockstore.Confirming)
					if l.CaseReason == "" {
						t.Error("no case")
					}
					time.Sleep(24 * time.Hour)
					if n := w.calls(simhis.OpPlaceOrder); n != 1 {
						t.Errorf("placed %d times", n)
					}
					if _, err := w.g.Resolve(t.Context(), l.ID(), tc.applied, tc.hisNo, ""); err == nil {
						t.Error("settled by nobody")
					}
					l, err := w.g.Resolve(t.Context(), l.ID(), tc.applied, tc.hisNo, "cashier")
					if err != nil || l.Status != tc.want || l.HISOrderNo != tc.hisNo {
						t.Errorf("settled as %+v, %v", l, err)
					}
				})
			})
		}
	}
}

func TestAPersonsWordIsWantedOnlyWhereItIsAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		l := w.mustLock(order("O1", "A", 3))
		_, err := w.g.Resolve(t.Context(), l.ID(), true, "CF1", "cashier")
		wantError[*lockstore.FaultError](t, err)
		w.wantStatus("O1", lockstore.Locked)
		_, err = w.g.Resolve(t.Context(), lockstore.ID{OrderNo: "O9", Attempt: 1}, true, "CF1", "cashier")
		if !errors.Is(err, lockstore.ErrNotFound) {
			t.Errorf("error %v", err)
		}
	})
}

// [C3] … and must not be asked to freeze.
func TestFreezingNeedsFind(t *testing.T) {
	caps := freezingHIS
	caps.Find = false
	s := gateway.DefaultSettings()
	if err := s.Validate(caps); err == nil || !strings.Contains(err.Error(), "what became of a freeze") {
		t.Errorf("error %v", err)
	}
	caps.DeductNeedsFreeze = false
	s.Freeze = false
	if err := s.Validate(caps); err != nil {
		t.Errorf("without using the freeze: %v", err)
	}
}

// [C4] "Duplicate" and "wrong state" are neither success nor failure.
func TestDuplicatesAreLookedUp(t *testing.T) {
	for kind, caps := range kinds {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, caps)
				w.mustLock(order("O1", "A", 3))
				w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutAfter, Times: 1})
				w.inject(simhis.Fault{Op: simhis.OpFindOrder, What: simhis.Down, Times: 1})
				_, _ = w.confirm("O1")
				w.settle()
				w.wantStatus("O1", lockstore.Confirmed)
				w.wantOrder("O1", hisadapter.Deducted)
			})
		})
	}
}

// TestAContradictoryHISIsNotHammered: it says "duplicate" to the order, and "none"
// to the question.
func TestAContradictoryHISIsNotHammered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		// Somebody else's program froze and gave back under our number.
		if _, err := w.his.Driver().Freeze(t.Context(), hisadapter.FreezeRequest{
			HisNo: "O1", PharmacyID: pharmacy, Lines: []hisadapter.Line{{DrugID: "A", Quantity: 1}},
		}); err != nil {
			t.Fatal(err)
		}
		if err := w.his.Driver().Unfreeze(t.Context(), hisadapter.UnfreezeRequest{HisNo: "O1"}); err != nil {
			t.Fatal(err)
		}
		before := w.his.Counters().Ops[simhis.OpFreeze].Calls
		l, err := w.lock(order("O1", "A", 3))
		if err == nil {
			t.Errorf("locked as %+v", l)
		}
		time.Sleep(time.Hour)
		if n := w.calls(simhis.OpFreeze) - before; n > 40 {
			t.Errorf("%d freezes in an hour", n)
		}
		if l := w.get("O1"); l.Status == lockstore.Pending && l.CaseReason == "" && !l.ReleaseWanted {
			t.Errorf("neither settled nor a case: %+v", l)
		}
	})
}

func TestLooksBackOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.mustLock(order("O1", "A", 3))
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Reset, Apply: true, Times: 1})
		w.inject(simhis.Fault{Op: simhis.OpFindOrder, What: simhis.BusyNow})
		_, _ = w.confirm("O1")
		for _, step := range []struct {
			after time.Duration
			calls int
		}{
			{800 * time.Millisecond, 0},
			{200 * time.Millisecond, 1}, // 1 s
			{2 * time.Second, 2},        // 2 s later
			{5 * time.Second, 3},        // …
			{15 * time.Second, 4},
			{time.Minute, 5},
			{5 * time.Minute, 6},
			{5 * time.Minute, 7},
			{50 * time.Minute, 17},
		} {
			time.Sleep(step.after + 100*time.Millisecond) // and the call itself
			if n := w.calls(simhis.OpFindOrder); n != step.calls {
				t.Fatalf("%d looks, want %d", n, step.calls)
			}
		}
		if l := w.get("O1"); !strings.Contains(l.CaseReason, "unknown since") {
			t.Errorf("unknown for more than half an hour, and the case is %q", l.CaseReason)
		}
		if len(w.g.Health()) == 0 {
			t.Error("health complains of nothing")
		}
		w.restart() // the looks go on
		w.his.ClearFaults()
		time.Sleep(6 * time.Minute)
		if l := w.wantStatus("O1", lockstore.Confirmed); l.CaseReason != "" {
			t.Errorf("the case stays: %q", l.CaseReason)
		}
	})
}

func TestARepeatedConfirmLooksAtOnceButNotWithoutPause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.mustLock(order("O1", "A", 3))
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Reset, Apply: true, Times: 1})
		w.inject(simhis.Fault{Op: simhis.OpFindOrder, What: simhis.BusyNow})
		_, _ = w.confirm("O1")
		time.Sleep(10 * time.Minute) // the next look is minutes away
		before := w.calls(simhis.OpFindOrder)
		for range 50 {
			if _, err := w.confirm("O1"); !errors.Is(err, gateway.ErrOutcomeUnknown) {
				t.Fatalf("confirm: %v", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := w.calls(simhis.OpFindOrder) - before; n < 3 || n > 6 {
			t.Errorf("%d looks for 50 repeats in 5 s", n)
		}
		w.his.ClearFaults()
		time.Sleep(time.Second)
		w.mustConfirm("O1")
	})
}

// A freeze that was given up on a "none" is looked for later, and given back.
func TestAFreezeThatTurnsUpLateIsGivenBack(t *testing.T) {
	for how, interrupt := range interruptions {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				caps := freezingHIS
				caps.FreezeTTL = 0
				w := newWorld(t, caps)
				w.inject(simhis.Fault{Op: simhis.OpFreeze, What: simhis.LateApply, After: 5 * time.Minute, Times: 1})
				_, _ = w.lock(order("O1", "A", 3))
				if _, err := w.g.Release(t.Context(), "p", "O1"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Minute)
				if l := w.wantStatus("O1", lockstore.Released); l.Watch == 0 {
					t.Error("nobody watches")
				}
				interrupt(w)
				time.Sleep(4 * time.Minute)
				w.wantOrder("O1", hisadapter.Frozen) // it arrived
				time.Sleep(10 * time.Minute)
				w.wantOrder("O1", hisadapter.Released)
				if l := w.wantStatus("O1", lockstore.Released); l.Watch != 0 || !l.Settled() {
					t.Errorf("left as %+v", l)
				}
				w.wantSoundBooks()
			})
		})
	}
}

func TestWatchesEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		w.inject(simhis.Fault{Op: simhis.OpFreeze, What: simhis.TimeoutBefore, Times: 1})
		_, _ = w.lock(order("O1", "A", 3))
		_, _ = w.g.Release(t.Context(), "p", "O1")
		time.Sleep(2 * time.Minute)
		before := w.calls(simhis.OpFindOrder)
		time.Sleep(48 * time.Hour)
		if n := w.calls(simhis.OpFindOrder) - before; n != 3 {
			t.Errorf("%d looks, want one after 10 min, 1 h and 24 h", n)
		}
	})
}

// What the HIS does not give back is a person's to see to, at the HIS: we notice,
// and ask at a low rate only.
func TestAnUnfreezeThatWasRefusedIsLookedAt(t *testing.T) {
	for how, interrupt := range interruptions {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, with(freezingHIS, endless))
				w.mustLock(order("O1", "A", 3))
				w.inject(simhis.Fault{Op: simhis.OpUnfreeze, What: simhis.Refuse, Kind: hisadapter.KindOther, Times: 1})
				_, _ = w.g.Release(t.Context(), "p", "O1")
				time.Sleep(10 * time.Minute)
				interrupt(w)
				time.Sleep(10 * time.Minute)
				l := w.wantStatus("O1", lockstore.Releasing)
				looks := w.calls(simhis.OpFindOrder)
				time.Sleep(time.Hour)
				if n := w.calls(simhis.OpFindOrder) - looks; n == 0 || n > 13 {
					t.Errorf("%d looks in an hour", n)
				}
				if v := w.get("O1").Version; l.CaseReason == "" || v != l.Version {
					t.Errorf("case %q, %d records of nothing new", l.CaseReason, v-l.Version)
				}
				if n := w.calls(simhis.OpUnfreeze); n != 1 {
					t.Errorf("asked for it %d times", n)
				}
				w.his.Lapse("O1") // by hand, at the HIS
				time.Sleep(6 * time.Minute)
				if l := w.wantStatus("O1", lockstore.Released); !l.Settled() || l.CaseReason != "" {
					t.Errorf("settled %v, case %q", l.Settled(), l.CaseReason)
				}
			})
		})
	}
}

// A patient's order does not wait behind a heap of releases.
func TestManyReleasesDoNotDelayAConfirm(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS, func(w *world) { w.guard.QueueLength = 10_000 })
		if err := w.his.SetStock(key("A"), 5000); err != nil {
			t.Fatal(err)
		}
		w.his.SetPace(simhis.Pace{Latency: 10 * time.Millisecond})
		const heap = 400
		for i := range heap {
			r := order(fmt.Sprintf("X%d", i), "A", 1)
			r.TTL = 20 * time.Minute
			w.mustLock(r)
		}
		r := order("O1", "A", 3)
		r.TTL = 50 * time.Minute
		w.mustLock(r)
		w.his.SetPace(simhis.Pace{Latency: 500 * time.Millisecond})
		// All of them expire now; giving them back takes minutes.
		time.Sleep(21*time.Minute - time.Duration(heap)*20*time.Millisecond)
		start := time.Now()
		w.mustConfirm("O1")
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("the confirm took %v", took)
		}
		if b, _ := w.his.Books().Of(key("A")); b.Frozen == 0 {
			t.Fatal("the heap was gone already; the test shows nothing")
		}
		w.settle()
		if b, _ := w.his.Books().Of(key("A")); b.Frozen != 0 || b.OnHand != 4997 {
			t.Errorf("%d frozen, %d on hand", b.Frozen, b.OnHand)
		}
	})
}

// However many holds expire at once at a HIS that must give each back by itself,
// a paid order is placed as if there were none. HISGATE_EXPIRIES=100000 is what
// make soak asks for.
func TestExpiriesByTheThousandDoNotDelayAConfirm(t *testing.T) {
	heap := 2000
	if text := os.Getenv("HISGATE_EXPIRIES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		heap = n
	}
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS)
		if err := errors.Join(w.his.SetStock(key("A"), int64(heap)+100), w.his.SetPace(simhis.Pace{Latency: time.Millisecond})); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		hands := make(chan int)
		for range w.guard.MaxConcurrent {
			wg.Go(func() {
				for i := range hands {
					r := order(fmt.Sprintf("X%d", i), "A", 1)
					r.TTL = 20 * time.Minute
					if _, err := w.lock(r); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for i := range heap {
			hands <- i
		}
		close(hands)
		wg.Wait()
		const orders = 10
		for i := range orders {
			r := order(fmt.Sprintf("O%d", i), "A", 3)
			r.TTL = 50 * time.Minute
			w.mustLock(r)
		}
		if err := w.his.SetPace(simhis.Pace{Latency: 500 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute) // all of the heap expires; giving it back takes long
		for i := range orders {
			start := time.Now()
			w.mustConfirm(fmt.Sprintf("O%d", i))
			if took := time.Since(start); took > time.Second { // twice what it takes alone
				t.Errorf("order %d took %v", i, took)
			}
		}
		if b, _ := w.his.Books().Of(key("A")); b.Frozen < int64(heap)/2 {
			t.Fatalf("%d of the heap are left; the test shows nothing", b.Frozen)
		}
	})
}

// After a restart a patient's order is found out first, whatever else is unknown.
func TestManyReleasesDoNotDelayAnOrderAfterARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, freezingHIS, func(w *world) { w.guard.QueueLength = 10_000 })
		if err := w.his.SetStock(key("A"), 5000); err != nil {
			t.Fatal(err)
		}
		if err := w.his.SetPace(simhis.Pace{Latency: 10 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		const heap = 400
		for i := range heap {
			w.mustLock(order(fmt.Sprintf("X%d", i), "A", 1))
		}
		w.mustLock(order("O1", "A", 3))
		w.his.SetDown(true)
		_, _ = w.confirm("O1")
		time.Sleep(16 * time.Minute)
		if n := w.g.State().Ledger.ByStatus[lockstore.Releasing]; n != heap {
			t.Fatalf("%d locks are being released", n)
		}
		w.his.SetDown(false)
		if err := w.his.SetPace(simhis.Pace{Latency: 500 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		w.crash()
		time.Sleep(w.settings.Resolver.Grace + 10*time.Second)
		w.wantStatus("O1", lockstore.Confirmed)
		if n := w.g.State().Ledger.ByStatus[lockstore.Releasing]; n < heap/2 {
			t.Errorf("only %d are left of the heap; the test shows nothing", n)
		}
	})
}

// A freeze whose call got lost was made by its repeat, and lapses at the HIS just when it
// is given back, or deducted, and cannot be taken again. The lost call comes after all, to
// a number that is free again: what it froze is found, and given back.
func TestALostFreezeThatComesBehindALapsedOneIsGivenBack(t *testing.T) {
	for name, end := range map[string]func(*world){
		"given back": func(w *world) {
			if _, err := w.g.Release(w.t.Context(), "p", "O1"); err != nil {
				w.t.Fatal(err)
			}
		},
		"not taken again": func(w *world) {
			w.inject(simhis.Fault{Op: simhis.OpFreeze, What: simhis.Refuse, Times: 1})
			if _, err := w.confirm("O1"); err == nil {
				w.t.Fatal("confirmed without a freeze")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, with(freezingHIS, func(c *hisadapter.Capabilities) { c.IdempotentByHisNo = true }))
				w.inject(simhis.Fault{Op: simhis.OpFreeze, What: simhis.LateApply, After: 30 * time.Minute, Times: 1})
				if _, err := w.lock(order("O1", "A", 3)); err == nil {
					t.Fatal("the first call was not lost")
				}
				w.until(func(s gateway.State) bool { return s.Ledger.Unknown == 0 && s.Jobs == 0 })
				w.wantStatus("O1", lockstore.Locked)
				w.his.Lapse("O1")
				end(w)
				w.until(func(s gateway.State) bool { return s.Jobs == 0 && s.Ledger.Unknown == 0 })
				w.wantStatus("O1", lockstore.Released)
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				w.wantOrder("O1", hisadapter.Released)
				w.runDown()
				w.wantSoundBooks()
			})
		})
	}
}
