package simhis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/hisadapter/simhis/simhand"
)

func TestControlDoesWhatTheMethodsDo(t *testing.T) {
	c := simhand.NewClock()
	h := open(t, simhis.Config{Capabilities: able(), Now: c.Now})
	d, control := serve(t, h)
	ctx := t.Context()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := must[hisadapter.Capabilities](t)(control.Capabilities(ctx)); got != able() {
		t.Errorf("capabilities %+v", got)
	}
	ok(control.SetDrug(ctx, simhis.Drug{ID: "new", Facts: hisadapter.Facts{Name: "新药", Price: "1.005"}}))
	newKey := hisadapter.Key{PharmacyID: pharmacy, DrugID: "new"}
	ok(control.SetStock(ctx, newKey, 10))
	if got := must[int64](t)(control.Sell(ctx, newKey, 4)); got != 4 {
		t.Errorf("sold %d", got)
	}
	id := must[int](t)(control.StartProgram(ctx, simhis.Program{Key: newKey, Quantity: 1, Every: time.Second}))
	c.Advance(2 * time.Second)
	ok(control.StopProgram(ctx, id))
	c.Advance(2 * time.Second)
	if got := onHand(t, d, newKey); got != 4 {
		t.Errorf("on hand %d", got)
	}

	must[int](t)(control.Inject(ctx, simhis.Fault{Op: simhis.OpFreeze, What: simhis.Refuse, Kind: hisadapter.Stopped, Times: 1, Message: "停用"}))
	_, err := d.Freeze(ctx, freezing("R1", line(drugA, 1)))
	wantKind(t, err, hisadapter.Stopped)
	fault := must[int](t)(control.Inject(ctx, simhis.Fault{What: simhis.BusyNow}))
	ok(control.Disarm(ctx, fault))
	must[int](t)(control.Inject(ctx, simhis.Fault{What: simhis.BusyNow}))
	ok(control.ClearFaults(ctx))
	must[hisadapter.Freeze](t)(d.Freeze(ctx, freezing("R1", line(drugA, 1))))
	if !must[bool](t)(control.Lapse(ctx, "R1")) {
		t.Error("nothing lapsed")
	}
	must[hisadapter.HISOrder](t)(d.PlaceOrder(ctx, placing("R2", line(drugA, 1))))
	ok(control.SetPace(ctx, simhis.Pace{Limit: 3}))
	if d := cmp.Diff(h.Books(), must[simhis.Books](t)(control.Books(ctx))); d != "" {
		t.Errorf("books differ: %s", d)
	}
	if d := cmp.Diff(h.Counters(), must[simhis.Counters](t)(control.Counters(ctx))); d != "" {
		t.Errorf("counters differ: %s", d)
	}
	err = control.SetPace(ctx, simhis.Pace{Limit: -3})
	if e, is := errors.AsType[*simhis.ControlError](err); !is || e.Status != 422 {
		t.Errorf("got %v", err)
	}
}

// A HIS whose door is shut refuses connections, so that nothing can have been
// sent; one that is down behind an open door can only cut them.
func TestDown(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: able()})
	door := must[*simhis.Door](t)(simhis.Serve(h.HISHandler()))
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	defer func() { ok(door.Close()) }()
	d := simhis.Dial(door.URL(), nil, able())
	bare, control := serve(t, h)
	try := func(d hisadapter.Driver, no string) error {
		_, err := d.PlaceOrder(t.Context(), placing(no, line(drugA, 1)))
		return err
	}
	wantOutcome(t, try(d, "R1"), hisadapter.Done)
	for range 2 {
		ok(control.SetDown(t.Context(), true))
		ok(door.Close())
		wantOutcome(t, try(d, "R2"), hisadapter.NotSent)
		wantOutcome(t, try(h.Driver(), "R2"), hisadapter.NotSent)
		wantOutcome(t, try(bare, "R2"), hisadapter.Unknown)
		ok(control.SetDown(t.Context(), false))
		ok(door.Open())
		wantState(t, d, "R2", hisadapter.None)
	}
	wantOutcome(t, try(d, "R3"), hisadapter.Done)
}
