package simhis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/hisadapter/simhis/simhand"
)

func TestLifeOfAFreeze(t *testing.T) {
	c := simhand.NewClock()
	caps := able()
	caps.DeductNeedsFreeze = true
	h := open(t, simhis.Config{Capabilities: caps, Now: c.Now})
	d, ctx := h.Driver(), t.Context()

	wantState(t, d, "R1", hisadapter.None)
	_, err := d.PlaceOrder(ctx, placing("R1", line(drugA, 30)))
	wantKind(t, err, hisadapter.FreezeLapsed)
	f := must[hisadapter.Freeze](t)(d.Freeze(ctx, freezing("R1", line(drugA, 30))))
	if !f.Expires.Equal(c.Now().Add(30 * time.Minute)) {
		t.Fatalf("expires %v", f.Expires)
	}
	if got := wantState(t, d, "R1", hisadapter.Frozen); got.Freeze != f {
		t.Fatalf("found %+v, frozen as %+v", got.Freeze, f)
	}
	c.Advance(30 * time.Minute)
	wantState(t, d, "R1", hisadapter.Lapsed)
	wantKind(t, d.Unfreeze(ctx, hisadapter.UnfreezeRequest{HisNo: "R1", LockID: f.LockID}), hisadapter.FreezeLapsed)
	p := placing("R1", line(drugA, 30))
	p.LockID = f.LockID
	_, err = d.PlaceOrder(ctx, p)
	wantKind(t, err, hisadapter.FreezeLapsed)

	// A lapsed freeze may be taken again under the same his_no.
	f = must[hisadapter.Freeze](t)(d.Freeze(ctx, freezing("R1", line(drugA, 30))))
	p.LockID = f.LockID
	other := p
	other.Lines = []hisadapter.Line{line(drugA, 31)}
	_, err = d.PlaceOrder(ctx, other)
	wantKind(t, err, hisadapter.KindOther)
	o := must[hisadapter.HISOrder](t)(d.PlaceOrder(ctx, p))
	if got := wantState(t, d, "R1", hisadapter.Deducted); got.OrderNo != o.OrderNo {
		t.Fatalf("found order %q, placed %q", got.OrderNo, o.OrderNo)
	}
	c.Advance(time.Hour)
	if got := onHand(t, d, keyA); got != 970 {
		t.Fatalf("on hand %d: a freeze that was used up must not lapse", got)
	}
	wantOutcome(t, d.Unfreeze(ctx, hisadapter.UnfreezeRequest{HisNo: "R1", LockID: f.LockID}), hisadapter.Find)
	if err := d.CancelOrder(ctx, "R1", o.OrderNo); err != nil {
		t.Fatal(err)
	}
	wantState(t, d, "R1", hisadapter.Released)
	if got := onHand(t, d, keyA); got != 1000 {
		t.Fatalf("on hand %d after the cancellation", got)
	}
}

func TestUnfreezeGivesBack(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: able()})
	d, ctx := h.Driver(), t.Context()
	wantOutcome(t, d.Unfreeze(ctx, hisadapter.UnfreezeRequest{HisNo: "R1"}), hisadapter.Find)
	must[hisadapter.Freeze](t)(d.Freeze(ctx, freezing("R1", line(drugA, 30))))
	if err := d.Unfreeze(ctx, hisadapter.UnfreezeRequest{HisNo: "R1"}); err != nil {
		t.Fatal(err)
	}
	wantState(t, d, "R1", hisadapter.Released)
	wantOutcome(t, d.Unfreeze(ctx, hisadapter.UnfreezeRequest{HisNo: "R1"}), hisadapter.Find)
	_, err := d.PlaceOrder(ctx, placing("R1", line(drugA, 30)))
	wantOutcome(t, err, hisadapter.Find)
	if got := onHand(t, d, keyA); got != 1000 {
		t.Fatalf("on hand %d", got)
	}
}

func TestRepeatsByHisNo(t *testing.T) {
	for _, tc := range []struct {
		name             string
		idempotent, same bool
		want             hisadapter.Outcome
		applications     int
	}{
		{"rejects", true, false, hisadapter.Find, 1},
		{"answers the same", true, true, hisadapter.Done, 1},
		{"applies again", false, false, hisadapter.Done, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			caps := able()
			caps.IdempotentByHisNo = tc.idempotent
			h := open(t, simhis.Config{Capabilities: caps, SameAnswer: tc.same})
			first := must[hisadapter.HISOrder](t)(h.Driver().PlaceOrder(t.Context(), placing("R1", line(drugA, 30))))
			again, err := h.Driver().PlaceOrder(t.Context(), placing("R1", line(drugA, 30)))
			wantOutcome(t, err, tc.want)
			if tc.same && again.OrderNo != first.OrderNo {
				t.Errorf("second answer %q, first %q", again.OrderNo, first.OrderNo)
			}
			b, _ := h.Books().Order("R1")
			if b.Applications() != tc.applications {
				t.Errorf("%d applications, want %d", b.Applications(), tc.applications)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: able()})
	for _, tc := range []struct {
		name string
		req  hisadapter.PlaceOrderRequest
		want hisadapter.Kind
	}{
		{"unknown drug", placing("R1", line("10041", 1)), hisadapter.UnknownDrug},
		{"stopped", placing("R1", line("00070001", 100)), hisadapter.Stopped},
		{"not divisible", placing("R1", line(drugB, 23)), hisadapter.NotDivisible},
		{"insufficient over two lines", placing("R1", line(drugA, 600), line(drugA, 401)), hisadapter.Insufficient},
		{"amount", hisadapter.PlaceOrderRequest{HisNo: "R1", PharmacyID: pharmacy, Lines: []hisadapter.Line{line(drugA, 30)}, DrugsFen: 99}, hisadapter.AmountMismatch},
	} {
		_, err := h.Driver().PlaceOrder(t.Context(), tc.req)
		if e, ok := errors.AsType[*hisadapter.Error](err); !ok || e.Kind != tc.want || e.Outcome != hisadapter.Refused {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	for name, req := range map[string]hisadapter.PlaceOrderRequest{
		"no his_no":    placing("", line(drugA, 1)),
		"long his_no":  placing("123456789012345678901234567890123", line(drugA, 1)),
		"no lines":     placing("R1"),
		"negative":     placing("R1", line(drugA, -1)),
		"overflowing ": placing("R1", line(drugA, 1<<62), line(drugA, 1<<62)),
	} {
		_, err := h.Driver().PlaceOrder(t.Context(), req)
		if hisadapter.OutcomeOf(err) != hisadapter.Misconfigured {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b := h.Books(); len(b.Orders) != 0 {
		t.Errorf("refused orders left traces: %+v", b.Orders)
	}
}

func TestDrugsFenIsHalfUpPerLine(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: able()})
	for _, tc := range []struct {
		lines []hisadapter.Line
		fen   int64
		known bool
	}{
		{[]hisadapter.Line{line(drugA, 30)}, 100, true},                    // 99.99
		{[]hisadapter.Line{line(drugA, 1)}, 3, true},                       // 3.333
		{[]hisadapter.Line{line(drugA, 1), line(drugB, 24)}, 1299, true},   // 3.333 + 1296
		{[]hisadapter.Line{line("00050003", 2)}, 1175, true},               // 1175
		{[]hisadapter.Line{line("00050003", 1)}, 588, true},                // 587.5
		{[]hisadapter.Line{line(drugA, 1), line("00060021", 1)}, 0, false}, // no price told
	} {
		if fen, known := h.DrugsFen(tc.lines); fen != tc.fen || known != tc.known {
			t.Errorf("%v: %d, %v; want %d, %v", tc.lines, fen, known, tc.fen, tc.known)
		}
	}
	req := placing("R1", line(drugA, 30))
	req.DrugsFen = 100
	must[hisadapter.HISOrder](t)(h.Driver().PlaceOrder(t.Context(), req))
}

// [C7] without atomic items an order can stop half-way.
func TestWithoutAtomicItemsHalfAnOrderIsTaken(t *testing.T) {
	caps := able()
	caps.AtomicItems = false
	h := open(t, simhis.Config{Capabilities: caps})
	_, err := h.Driver().PlaceOrder(t.Context(), placing("R1", line(drugA, 30), line(drugB, 24*100)))
	wantKind(t, err, hisadapter.Insufficient)
	b, _ := h.Books().Order("R1")
	if len(b.Orders) != 1 || !b.Orders[0].Partial {
		t.Fatalf("book %+v", b)
	}
	if got := onHand(t, h.Driver(), keyA); got != 970 {
		t.Fatalf("on hand %d", got)
	}
}

func TestListOrdersByShanghaiDay(t *testing.T) {
	c := simhand.NewClock() // 09:00 in Shanghai
	h := open(t, simhis.Config{Capabilities: able(), Now: c.Now})
	day := c.Now()
	must[hisadapter.HISOrder](t)(h.Driver().PlaceOrder(t.Context(), placing("R1", line(drugA, 1))))
	c.Advance(15*time.Hour - time.Second)
	must[hisadapter.HISOrder](t)(h.Driver().PlaceOrder(t.Context(), placing("R2", line(drugA, 1))))
	c.Advance(time.Second)
	must[hisadapter.HISOrder](t)(h.Driver().PlaceOrder(t.Context(), placing("R3", line(drugA, 1))))
	list := must[[]hisadapter.HISOrder](t)(h.Driver().ListOrders(t.Context(), day))
	if len(list) != 2 || list[0].HisNo != "R1" || list[1].HisNo != "R2" {
		t.Fatalf("listed %+v", list)
	}
}

func TestUndeclaredOperationsAreUnsupported(t *testing.T) {
	h := open(t, simhis.Config{})
	d, ctx := h.Driver(), t.Context()
	_, freeze := d.Freeze(ctx, freezing("R1", line(drugA, 1)))
	_, find := d.FindOrder(ctx, "R1")
	_, list := d.ListOrders(ctx, time.Now())
	for _, err := range []error{freeze, find, list, d.Unfreeze(ctx, hisadapter.UnfreezeRequest{}), d.CancelOrder(ctx, "R1", "")} {
		if !errors.Is(err, hisadapter.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
	}
}

func wantKind(t *testing.T, err error, want hisadapter.Kind) {
	t.Helper()
	wantOutcome(t, err, hisadapter.Refused)
	if e, _ := errors.AsType[*hisadapter.Error](err); e.Kind != want {
		t.Fatalf("kind %v, want %v", e.Kind, want)
	}
}
