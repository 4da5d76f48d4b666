package adaptertest

import (
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
)

func (r *rig) unfreezing(hisNo, lockID string, n int64) hisadapter.UnfreezeRequest {
	return hisadapter.UnfreezeRequest{HisNo: hisNo, LockID: lockID, PharmacyID: r.fix.PharmacyID, Lines: r.lines(n)}
}

func testFreeze(t *testing.T, r *rig) {
	if !r.caps.Freeze {
		return
	}
	ctx := t.Context()
	f, err := r.Freeze(ctx, r.freezing("RX1", r.lines(60)))
	if err != nil {
		t.Fatal(err)
	}
	if ttl := r.caps.FreezeTTL; (ttl > 0) == f.Expires.IsZero() {
		t.Errorf("expires %v at a declared time to live of %v", f.Expires, ttl)
	}
	if got := r.wantState(t, "RX1", hisadapter.Frozen); r.caps.Find && (got.Freeze.LockID != f.LockID || !got.Freeze.Expires.Equal(f.Expires)) {
		t.Errorf("found %+v, frozen as %+v", got.Freeze, f)
	}
	r.wantFigure(t, 0, r.heldFigure(60))

	// Held stock is nobody else's.
	_, err = r.Freeze(ctx, r.freezing("RX2", r.lines(41)))
	e := wantKind(t, err, hisadapter.Insufficient)
	for _, s := range e.Shortages {
		if s.Available != 40 && s.Available != -1 {
			t.Errorf("shortage %+v, 40 are free", s)
		}
	}
	r.wantState(t, "RX2", hisadapter.None)

	wantOutcome(t, r.Unfreeze(ctx, r.unfreezing("RX1", f.LockID, 60)), hisadapter.Done)
	r.wantState(t, "RX1", hisadapter.Released)
	r.wantFigure(t, 0, 100)
	wantOutcome(t, r.Unfreeze(ctx, r.unfreezing("RX1", f.LockID, 60)), hisadapter.Done, hisadapter.Find)
	wantOutcome(t, r.Unfreeze(ctx, r.unfreezing("RX9", "", 1)), hisadapter.Find)

	// A freeze that becomes an order is taken once.
	f, err = r.Freeze(ctx, r.freezing("RX3", r.lines(60)))
	if err != nil {
		t.Fatal(err)
	}
	req := hisadapter.PlaceOrderRequest{HisNo: "RX3", LockID: f.LockID, PharmacyID: r.fix.PharmacyID, Lines: r.lines(60)}
	if _, err := r.PlaceOrder(ctx, req); err != nil {
		t.Fatal(err)
	}
	r.wantState(t, "RX3", hisadapter.Deducted)
	r.wantFigure(t, 0, 40)
	wantOutcome(t, r.Unfreeze(ctx, r.unfreezing("RX3", f.LockID, 60)), hisadapter.Find)
	r.wantFigure(t, 0, 40)
}

// [A7] A freeze that ran out says so, and may be taken again under the same
// his_no.
func testLapse(t *testing.T, r *rig) {
	if !r.caps.Freeze {
		return
	}
	ctx := t.Context()
	f, err := r.Freeze(ctx, r.freezing("RX1", r.lines(60)))
	if err != nil {
		t.Fatal(err)
	}
	r.Lapse(t, "RX1")
	r.wantState(t, "RX1", hisadapter.Lapsed)
	r.wantFigure(t, 0, 100)
	wantKind(t, r.Unfreeze(ctx, r.unfreezing("RX1", f.LockID, 60)), hisadapter.FreezeLapsed)
	req := hisadapter.PlaceOrderRequest{HisNo: "RX1", LockID: f.LockID, PharmacyID: r.fix.PharmacyID, Lines: r.lines(60)}
	_, err = r.PlaceOrder(ctx, req)
	wantKind(t, err, hisadapter.FreezeLapsed)

	again, err := r.Freeze(ctx, r.freezing("RX1", r.lines(60)))
	if err != nil {
		t.Fatal(err)
	}
	r.wantState(t, "RX1", hisadapter.Frozen)
	req.LockID = again.LockID
	if _, err := r.PlaceOrder(ctx, req); err != nil {
		t.Fatal(err)
	}
	r.wantState(t, "RX1", hisadapter.Deducted)
	if r.caps.FreezeTTL > 0 {
		r.Pass(t, 2*r.caps.FreezeTTL)
		r.wantFigure(t, 0, 40)
		if _, err := r.Freeze(ctx, r.freezing("RX2", r.lines(1))); err != nil {
			t.Fatal(err)
		}
		r.Pass(t, r.caps.FreezeTTL)
		r.wantState(t, "RX2", hisadapter.Lapsed)
	}
}
