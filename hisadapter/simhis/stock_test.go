package simhis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/hisadapter/simhis/simhand"
)

func TestCounterSellsBehindOurBack(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: able()})
	d := h.Driver()
	if err := h.SetStock(keyA, 10); err != nil {
		t.Fatal(err)
	}
	if got := must[int64](t)(h.Counter().Sell(keyA, 8)); got != 8 {
		t.Fatalf("sold %d, want 8", got)
	}
	if got := onHand(t, d, keyA); got != 2 {
		t.Fatalf("on hand %d, want 2", got)
	}
	_, err := d.PlaceOrder(t.Context(), placing("R1", line(drugA, 3)))
	wantOutcome(t, err, hisadapter.Refused)
	e, _ := errors.AsType[*hisadapter.Error](err)
	if e.Kind != hisadapter.Insufficient || len(e.Shortages) != 1 || e.Shortages[0] != (hisadapter.Shortage{DrugID: drugA, Requested: 3, Available: 2}) {
		t.Fatalf("refused with %+v", e)
	}
	if got := must[int64](t)(h.Counter().Sell(keyA, 8)); got != 2 {
		t.Fatalf("sold %d of the last 2", got)
	}
}

// A counter cannot take what a HIS with freeze holds; a HIS without freeze has
// nothing to hold with.
func TestCounterCannotTakeFrozenStock(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: able()})
	if err := h.SetStock(keyA, 10); err != nil {
		t.Fatal(err)
	}
	must[hisadapter.Freeze](t)(h.Driver().Freeze(t.Context(), freezing("R1", line(drugA, 6))))
	if got := must[int64](t)(h.Counter().Sell(keyA, 8)); got != 4 {
		t.Fatalf("sold %d, want the 4 that were free", got)
	}
}

func TestFigureNetOrGrossOfFreezes(t *testing.T) {
	for _, net := range []bool{true, false} {
		caps := able()
		caps.NetFigure = net
		h := open(t, simhis.Config{Capabilities: caps})
		must[hisadapter.Freeze](t)(h.Driver().Freeze(t.Context(), freezing("R1", line(drugA, 30))))
		want := int64(1000)
		if net {
			want = 970
		}
		if got := onHand(t, h.Driver(), keyA); got != want {
			t.Errorf("net %v: figure %d, want %d", net, got, want)
		}
	}
}

func TestFigureLag(t *testing.T) {
	c := simhand.NewClock()
	caps := able()
	caps.FigureLag = 5 * time.Second
	h := open(t, simhis.Config{Capabilities: caps, Now: c.Now})
	d := h.Driver()
	c.Advance(time.Minute)
	must[hisadapter.HISOrder](t)(d.PlaceOrder(t.Context(), placing("R1", line(drugA, 30))))
	c.Advance(4 * time.Second)
	must[hisadapter.HISOrder](t)(d.PlaceOrder(t.Context(), placing("R2", line(drugA, 5))))
	if got := onHand(t, d, keyA); got != 1000 {
		t.Fatalf("figure %d within the lag, want the old 1000", got)
	}
	c.Advance(time.Second)
	if got := onHand(t, d, keyA); got != 970 {
		t.Fatalf("figure %d after the first lag, want 970", got)
	}
	c.Advance(4 * time.Second)
	if got := onHand(t, d, keyA); got != 965 {
		t.Fatalf("figure %d after both lags, want 965", got)
	}
}

func TestReadingsKeepOrderAndIds(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: able()})
	keys := []hisadapter.Key{
		{PharmacyID: pharmacy, DrugID: bigID},
		{PharmacyID: pharmacy, DrugID: "10041"},
		keyA,
		{PharmacyID: "elsewhere", DrugID: drugA},
	}
	got := must[[]hisadapter.Reading](t)(h.Driver().QueryStock(t.Context(), keys))
	for i, want := range []bool{false, true, false, true} {
		if got[i].Key != keys[i] || got[i].Unknown != want {
			t.Errorf("reading %d is %+v, want key %v, unknown %v", i, got[i], keys[i], want)
		}
	}
	if f := got[2].Facts; f.Name != "甲硝唑片" || f.Price != "3.3330" || f.PricePer != 100 {
		t.Errorf("facts %+v", f)
	}
	_, err := h.Driver().QueryStock(t.Context(), make([]hisadapter.Key, 11))
	wantOutcome(t, err, hisadapter.Misconfigured)
}

func TestSalesProgramPlaysByItself(t *testing.T) {
	c := simhand.NewClock()
	h := open(t, simhis.Config{Capabilities: able(), Now: c.Now})
	id := must[int](t)(h.Counter().Start(simhis.Program{Key: keyA, Quantity: 3, Every: time.Minute}))
	must[int](t)(h.Counter().Start(simhis.Program{Key: keyA, Quantity: 100, Every: time.Second, Times: 2}))
	c.Advance(10 * time.Minute)
	if got := onHand(t, h.Driver(), keyA); got != 1000-30-200 {
		t.Fatalf("on hand %d", got)
	}
	h.Counter().Stop(id)
	c.Advance(time.Hour)
	if got := onHand(t, h.Driver(), keyA); got != 1000-30-200 {
		t.Fatalf("on hand %d after the program was stopped", got)
	}
}

func TestOverdrawShowsInTheBooks(t *testing.T) {
	for _, overdraw := range []bool{false, true} {
		h := open(t, simhis.Config{Capabilities: able(), Overdraw: overdraw})
		_, err := h.Driver().PlaceOrder(t.Context(), placing("R1", line(drugA, 1001)))
		if (err == nil) != overdraw || (len(h.Books().Oversold()) == 1) != overdraw {
			t.Errorf("overdraw %v: %v, oversold %v", overdraw, err, h.Books().Oversold())
		}
	}
}

func TestNewRefusesBadConfig(t *testing.T) {
	_, err := simhis.New(simhis.Config{
		Capabilities: hisadapter.Capabilities{DeductNeedsFreeze: true},
		Pace:         simhis.Pace{Limit: -1},
		Catalogue:    simhis.Catalogue{Drugs: []simhis.Drug{{ID: "x", Facts: hisadapter.Facts{Price: "1e3"}}}},
	})
	joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 3 {
		t.Fatalf("got %v, want three faults", err)
	}
}
