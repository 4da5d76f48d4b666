package adaptertest

import (
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

func testPlace(t *testing.T, r *rig) {
	r.wantState(t, "RX1", hisadapter.None)
	o, err := r.place(t, "RX1", r.lines(30))
	if err != nil {
		t.Fatal(err)
	}
	if o.HisNo != "RX1" || o.OrderNo == "" {
		t.Errorf("placed %+v", o)
	}
	if f := r.wantState(t, "RX1", hisadapter.Deducted); r.caps.Find && f.OrderNo != o.OrderNo {
		t.Errorf("found order %q, placed %q", f.OrderNo, o.OrderNo)
	}
	r.wantFigure(t, 0, 70)
	r.wantState(t, "RX2", hisadapter.None)

	// Who holds stock without hisgate's payments need not tell of one.
	bare, err := r.request(t, "RX3", r.lines(1))
	if err != nil {
		t.Fatal(err)
	}
	bare.TransactionID, bare.PaidAt, bare.Attributes = "", time.Time{}, nil
	if _, err := r.PlaceOrder(t.Context(), bare); err != nil {
		t.Fatal(err)
	}
	r.wantState(t, "RX3", hisadapter.Deducted)

	if most := r.caps.HisNoMax; most > 0 {
		longest := strings.Repeat("9", most)
		if _, err := r.place(t, longest, r.lines(1)); err != nil {
			t.Fatalf("the longest his_no: %v", err)
		}
		r.wantState(t, longest, hisadapter.Deducted)
	}
}

// A refusal says why, and leaves nothing behind.
func testRefusals(t *testing.T, r *rig) {
	_, err := r.place(t, "RX1", r.lines(101))
	e := wantKind(t, err, hisadapter.Insufficient)
	for _, s := range e.Shortages {
		if s.DrugID != r.fix.Drugs[0] || s.Requested != 101 || (s.Available != 100 && s.Available != -1) {
			t.Errorf("shortage %+v", s)
		}
	}
	other := func(drug string, n int64) []hisadapter.Line {
		return []hisadapter.Line{{DrugID: drug, Quantity: n}}
	}
	_, err = r.place(t, "RX2", other(r.fix.Unknown, 1))
	wantKind(t, err, hisadapter.UnknownDrug)
	if r.fix.Stopped != "" {
		// A whole box of it: a driver that counts boxes cannot even say less.
		got, err := r.QueryStock(t.Context(), []hisadapter.Key{{PharmacyID: r.fix.PharmacyID, DrugID: r.fix.Stopped}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.place(t, "RX3", other(r.fix.Stopped, max(got[0].Facts.Multiple, 1)))
		wantKind(t, err, hisadapter.Stopped)
	}
	if r.fix.Boxed != "" {
		_, err = r.place(t, "RX4", other(r.fix.Boxed, r.fix.Box+1))
		wantKind(t, err, hisadapter.NotDivisible)
	}
	for _, no := range []string{"RX1", "RX2", "RX3", "RX4"} {
		r.wantState(t, no, hisadapter.None)
	}
	if r.fix.Amount {
		req, err := r.request(t, "RX5", r.lines(1))
		if err != nil {
			t.Fatal(err)
		}
		req.DrugsFen = 1 << 40
		_, err = r.PlaceOrder(t.Context(), req)
		wantKind(t, err, hisadapter.AmountMismatch)
		r.wantState(t, "RX5", hisadapter.None, hisadapter.Frozen)
	}
}

// With atomic items an order that is short of one drug takes none.
func testAtomic(t *testing.T, r *rig) {
	if !r.caps.AtomicItems {
		return // one item a lock [C7]
	}
	both := []hisadapter.Line{
		{DrugID: r.fix.Drugs[0], Quantity: 10}, {DrugID: r.fix.Drugs[1], Quantity: 101},
	}
	_, err := r.place(t, "RX1", both)
	e := wantKind(t, err, hisadapter.Insufficient)
	for _, s := range e.Shortages {
		if s.DrugID != r.fix.Drugs[1] {
			t.Errorf("shortage of %s, which was there", s.DrugID)
		}
	}
	r.wantFigure(t, 0, 100)
	r.wantFigure(t, 1, 100)
	both[1].Quantity = 100
	if _, err := r.place(t, "RX2", both); err != nil {
		t.Fatal(err)
	}
	r.wantFigure(t, 0, 90)
	r.wantFigure(t, 1, 0)
}

// A HIS that declares itself idempotent applies a repeat never twice: it
// refuses it, asks to look, or answers as before.
func testRepeats(t *testing.T, r *rig) {
	if !r.caps.IdempotentByHisNo {
		return
	}
	req, err := r.request(t, "RX1", r.lines(3))
	if err != nil {
		t.Fatal(err)
	}
	first, err := r.PlaceOrder(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.PlaceOrder(t.Context(), req)
	wantOutcome(t, err, hisadapter.Done, hisadapter.Find)
	if err == nil && again.OrderNo != first.OrderNo {
		t.Errorf("the repeat made order %q beside %q", again.OrderNo, first.OrderNo)
	}
	r.wantState(t, "RX1", hisadapter.Deducted)
	r.wantFigure(t, 0, 97)
	if !r.caps.Freeze {
		return
	}
	held, err := r.Freeze(t.Context(), r.freezing("RX2", r.lines(5)))
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Freeze(t.Context(), r.freezing("RX2", r.lines(5)))
	wantOutcome(t, err, hisadapter.Done, hisadapter.Find)
	if err == nil && second.LockID != held.LockID {
		t.Errorf("the repeat made freeze %q beside %q", second.LockID, held.LockID)
	}
	// A HIS that refuses the repeat need not name the first one's lock; whoever
	// lost its answer finds it.
	if f := r.wantState(t, "RX2", hisadapter.Frozen); r.caps.Find && f.Freeze.LockID != held.LockID {
		t.Errorf("found freeze %q, held is %q", f.Freeze.LockID, held.LockID)
	}
	if r.caps.NetFigure {
		r.wantFigure(t, 0, 92)
	}
}

func testCancel(t *testing.T, r *rig) {
	if !r.caps.Cancel {
		return
	}
	wantOutcome(t, r.CancelOrder(t.Context(), "RX9", ""), hisadapter.Find, hisadapter.Refused)
	o, err := r.place(t, "RX1", r.lines(3))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.CancelOrder(t.Context(), "RX1", o.OrderNo); err != nil {
		t.Fatal(err)
	}
	r.wantState(t, "RX1", hisadapter.Released)
	r.wantFigure(t, 0, 100)
	wantOutcome(t, r.CancelOrder(t.Context(), "RX1", o.OrderNo), hisadapter.Done, hisadapter.Find)
	r.wantFigure(t, 0, 100)
}
