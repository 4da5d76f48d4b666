package simhis_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

func inject(t *testing.T, h *simhis.HIS, f simhis.Fault) {
	t.Helper()
	if _, err := h.Inject(f); err != nil {
		t.Fatal(err)
	}
}

// placeWithin places an order that the caller gives up after d.
func placeWithin(t *testing.T, d hisadapter.Driver, hisNo string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	_, err := d.PlaceOrder(ctx, placing(hisNo, line(drugA, 30)))
	return err
}

func TestWhatEachTroubleDoes(t *testing.T) {
	for _, tc := range []struct {
		fault simhis.Fault
		want  hisadapter.Outcome
		state hisadapter.State
		later hisadapter.State // an hour later
	}{
		{simhis.Fault{What: simhis.TimeoutBefore}, hisadapter.Unknown, hisadapter.None, hisadapter.None},
		{simhis.Fault{What: simhis.TimeoutAfter}, hisadapter.Unknown, hisadapter.Deducted, hisadapter.Deducted},
		{simhis.Fault{What: simhis.LateApply, After: time.Minute}, hisadapter.Unknown, hisadapter.None, hisadapter.Deducted},
		{simhis.Fault{What: simhis.Refuse, Kind: hisadapter.PriceChanged}, hisadapter.Refused, hisadapter.None, hisadapter.None},
		{simhis.Fault{What: simhis.BusyNow}, hisadapter.Busy, hisadapter.None, hisadapter.None},
		{simhis.Fault{What: simhis.Misconfigured}, hisadapter.Misconfigured, hisadapter.None, hisadapter.None},
		{simhis.Fault{What: simhis.HTTP500}, hisadapter.Unknown, hisadapter.None, hisadapter.None},
		{simhis.Fault{What: simhis.HTTP500, Apply: true}, hisadapter.Unknown, hisadapter.Deducted, hisadapter.Deducted},
		{simhis.Fault{What: simhis.Garbage}, hisadapter.Unknown, hisadapter.None, hisadapter.None},
		{simhis.Fault{What: simhis.Garbage, Apply: true}, hisadapter.Unknown, hisadapter.Deducted, hisadapter.Deducted},
		{simhis.Fault{What: simhis.Truncated, Apply: true}, hisadapter.Unknown, hisadapter.Deducted, hisadapter.Deducted},
		{simhis.Fault{What: simhis.Reset, Apply: true}, hisadapter.Unknown, hisadapter.Deducted, hisadapter.Deducted},
		{simhis.Fault{What: simhis.Down}, hisadapter.NotSent, hisadapter.None, hisadapter.None},
		{simhis.Fault{What: simhis.Slow, After: time.Second}, hisadapter.Done, hisadapter.Deducted, hisadapter.Deducted},
		{simhis.Fault{What: simhis.Slow, After: 20 * time.Second}, hisadapter.Unknown, hisadapter.None, hisadapter.Deducted},
	} {
		t.Run(string(tc.fault.What), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, simhis.Config{Capabilities: able()})
				tc.fault.Op, tc.fault.Times = simhis.OpPlaceOrder, 1
				inject(t, h, tc.fault)
				wantOutcome(t, placeWithin(t, h.Driver(), "R1", 5*time.Second), tc.want)
				wantState(t, h.Driver(), "R1", tc.state)
				time.Sleep(time.Hour) // of the bubble
				wantState(t, h.Driver(), "R1", tc.later)
				// The fault is over, and only it was harmed.
				if tc.later == hisadapter.None {
					wantOutcome(t, placeWithin(t, h.Driver(), "R1", 5*time.Second), hisadapter.Done)
				}
			})
		})
	}
}

func TestLapseFault(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: able()})
	f := must[hisadapter.Freeze](t)(h.Driver().Freeze(t.Context(), freezing("R1", line(drugA, 30))))
	inject(t, h, simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.LapseFirst, Times: 1})
	req := placing("R1", line(drugA, 30))
	req.LockID = f.LockID
	_, err := h.Driver().PlaceOrder(t.Context(), req)
	wantKind(t, err, hisadapter.FreezeLapsed)
	wantState(t, h.Driver(), "R1", hisadapter.Lapsed)
	if h.Lapse("R1") {
		t.Error("lapsed twice")
	}
}

func TestFaultsFitCallsAndWearOff(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: able()})
	d, ctx := h.Driver(), t.Context()
	inject(t, h, simhis.Fault{Op: simhis.OpQueryStock, DrugID: drugB, What: simhis.Refuse, Kind: hisadapter.KindOther, Message: "停诊"})
	if _, err := d.QueryStock(ctx, []hisadapter.Key{keyA}); err != nil {
		t.Fatal(err)
	}
	_, err := d.QueryStock(ctx, []hisadapter.Key{keyA, keyB})
	wantKind(t, err, hisadapter.KindOther)
	if e, _ := errors.AsType[*hisadapter.Error](err); e.Message != "停诊" {
		t.Errorf("message %q", e.Message)
	}
	h.ClearFaults()
	inject(t, h, simhis.Fault{HisNo: "R2", What: simhis.BusyNow, Times: 2})
	for _, want := range []hisadapter.Outcome{hisadapter.Busy, hisadapter.Busy, hisadapter.Done} {
		_, err := d.FindOrder(ctx, "R2")
		wantOutcome(t, err, want)
		_, err = d.FindOrder(ctx, "R1")
		wantOutcome(t, err, hisadapter.Done)
	}
	id := must[int](t)(h.Inject(simhis.Fault{What: simhis.Down}))
	h.Disarm(id)
	_, err = d.FindOrder(ctx, "R2")
	wantOutcome(t, err, hisadapter.Done)

	if _, err := h.Inject(simhis.Fault{Op: "Nap", What: "sleep", Times: -1, Chance: 2, After: -1}); err == nil {
		t.Error("an impossible fault was armed")
	}
}

func TestChanceIsSeeded(t *testing.T) {
	hits := func(seed uint64) (out string) {
		h := open(t, simhis.Config{Capabilities: able(), Seed: seed})
		inject(t, h, simhis.Fault{What: simhis.BusyNow, Chance: 0.5})
		for range 64 {
			_, err := h.Driver().FindOrder(t.Context(), "R1")
			out += hisadapter.OutcomeOf(err).String()[:1]
		}
		return out
	}
	first, again, other := hits(1), hits(1), hits(2)
	if first != again || first == other {
		t.Errorf("seed 1: %s, again %s, seed 2: %s", first, again, other)
	}
}

// A call over the limit is Busy and does nothing; one whose caller gave up goes
// on to occupy the HIS.
func TestLimitAndLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, simhis.Config{Capabilities: able(), Pace: simhis.Pace{Latency: time.Second, Limit: 2, Linger: 10 * time.Second}})
		d := h.Driver()
		inject(t, h, simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutBefore, Times: 2})
		var wg sync.WaitGroup
		for _, no := range []string{"R1", "R2"} {
			wg.Go(func() { wantUnknown(t, placeWithin(t, d, no, 3*time.Second)) })
		}
		wg.Wait()
		wantOutcome(t, placeWithin(t, d, "R3", 5*time.Second), hisadapter.Busy)
		time.Sleep(10 * time.Second)
		wantOutcome(t, placeWithin(t, d, "R3", 5*time.Second), hisadapter.Done)
		c := h.Counters()
		if c.MaxInFlight != 2 {
			t.Errorf("%d at once, limit 2", c.MaxInFlight)
		}
		if p := c.Ops[simhis.OpPlaceOrder]; p.Calls != 4 || p.Abandoned != 2 || p.Codes["3001"] != 1 || p.Codes["0"] != 1 {
			t.Errorf("counters %+v", p)
		}
	})
}

func wantUnknown(t *testing.T, err error) {
	if hisadapter.OutcomeOf(err) != hisadapter.Unknown || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestEndedContextSendsNothing(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: able()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Driver().PlaceOrder(ctx, placing("R1", line(drugA, 1)))
	wantOutcome(t, err, hisadapter.NotSent)
	if c := h.Counters(); len(c.Ops) != 0 {
		t.Errorf("the HIS saw %+v", c.Ops)
	}
}

func TestHangEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, simhis.Config{Capabilities: able(), HangMax: time.Minute})
		inject(t, h, simhis.Fault{What: simhis.TimeoutAfter, Times: 1})
		_, err := h.Driver().PlaceOrder(context.WithoutCancel(t.Context()), placing("R1", line(drugA, 30)))
		wantOutcome(t, err, hisadapter.Unknown)
		wantState(t, h.Driver(), "R1", hisadapter.Deducted)
	})
}
