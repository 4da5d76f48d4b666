package adaptertest

import (
	"context"
	"errors"
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
)

// expected is what a trouble must come to.
type expected struct {
	outcome hisadapter.Outcome
	applied bool
}

func expectation(trouble Trouble) expected {
	switch trouble {
	case Down:
		return expected{hisadapter.NotSent, false}
	case Busy:
		return expected{hisadapter.Busy, false}
	case Misconfigured:
		return expected{hisadapter.Misconfigured, false}
	case TimeoutAfter, ServerErrorDone, GarbageDone, TruncatedDone, ResetDone:
		return expected{hisadapter.Unknown, true}
	default:
		return expected{hisadapter.Unknown, false}
	}
}

func (r *rig) query(t *testing.T, trouble Trouble) (out []hisadapter.Reading, err error) {
	t.Helper()
	err = r.during(t, QueryStock, trouble, func(ctx context.Context) (err error) {
		out, err = r.QueryStock(ctx, []hisadapter.Key{r.key(0)})
		return err
	})
	return out, err
}

func (r *rig) find(t *testing.T, trouble Trouble) (out hisadapter.Found, err error) {
	t.Helper()
	err = r.during(t, FindOrder, trouble, func(ctx context.Context) (err error) {
		out, err = r.FindOrder(ctx, "RX1")
		return err
	})
	return out, err
}

// After each trouble FindOrder tells what became of the write, and the shelf
// agrees.
func testWriteTroubles(t *testing.T, r *rig) {
	for _, trouble := range r.fix.Troubles {
		if trouble == LateApply {
			continue // has its own test
		}
		want := expectation(trouble)
		t.Run(string(trouble)+" of PlaceOrder", func(t *testing.T) { r.fresh(t).troubledPlace(t, trouble, want) })
		if r.caps.Freeze {
			t.Run(string(trouble)+" of Freeze", func(t *testing.T) { r.fresh(t).troubledFreeze(t, trouble, want) })
			t.Run(string(trouble)+" of Unfreeze", func(t *testing.T) { r.fresh(t).troubledUnfreeze(t, trouble, want) })
		}
		if r.caps.Cancel {
			t.Run(string(trouble)+" of CancelOrder", func(t *testing.T) { r.fresh(t).troubledCancel(t, trouble, want) })
		}
	}
}

func (r *rig) troubledPlace(t *testing.T, trouble Trouble, want expected) {
	req, err := r.request(t, "RX1", r.lines(3))
	if err != nil {
		t.Fatal(err)
	}
	err = r.during(t, PlaceOrder, trouble, func(ctx context.Context) error {
		_, err := r.PlaceOrder(ctx, req)
		return err
	})
	wantOutcome(t, err, want.outcome)
	left := int64(100)
	switch {
	case want.applied:
		left = 97
		r.wantState(t, "RX1", hisadapter.Deducted)
	case r.caps.DeductNeedsFreeze:
		r.wantState(t, "RX1", hisadapter.Frozen)
		left = r.heldFigure(3)
	default:
		r.wantState(t, "RX1", hisadapter.None)
	}
	r.wantFigure(t, 0, left)
	if want.outcome != hisadapter.Unknown {
		// Nothing happened, so the same request may go again and is applied once.
		if _, err := r.PlaceOrder(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		r.wantState(t, "RX1", hisadapter.Deducted)
		r.wantFigure(t, 0, 97)
	}
}

// heldFigure is what a reading shows when n of 100 are frozen.
func (r *rig) heldFigure(n int64) int64 {
	if r.caps.NetFigure {
		return 100 - n
	}
	return 100
}

func (r *rig) troubledFreeze(t *testing.T, trouble Trouble, want expected) {
	err := r.during(t, Freeze, trouble, func(ctx context.Context) error {
		_, err := r.Freeze(ctx, r.freezing("RX1", r.lines(3)))
		return err
	})
	wantOutcome(t, err, want.outcome)
	if !want.applied {
		r.wantState(t, "RX1", hisadapter.None)
		r.wantFigure(t, 0, 100)
		return
	}
	found := r.wantState(t, "RX1", hisadapter.Frozen)
	r.wantFigure(t, 0, r.heldFigure(3))
	// What was found must be enough to give it back.
	err = r.Unfreeze(t.Context(), hisadapter.UnfreezeRequest{
		HisNo: "RX1", LockID: found.Freeze.LockID, PharmacyID: r.fix.PharmacyID, Lines: r.lines(3),
	})
	wantOutcome(t, err, hisadapter.Done)
	r.wantState(t, "RX1", hisadapter.Released)
}

func (r *rig) troubledUnfreeze(t *testing.T, trouble Trouble, want expected) {
	f, err := r.Freeze(t.Context(), r.freezing("RX1", r.lines(3)))
	if err != nil {
		t.Fatal(err)
	}
	err = r.during(t, Unfreeze, trouble, func(ctx context.Context) error {
		return r.Unfreeze(ctx, hisadapter.UnfreezeRequest{
			HisNo: "RX1", LockID: f.LockID, PharmacyID: r.fix.PharmacyID, Lines: r.lines(3),
		})
	})
	wantOutcome(t, err, want.outcome)
	if want.applied {
		r.wantState(t, "RX1", hisadapter.Released)
		r.wantFigure(t, 0, 100)
		return
	}
	r.wantState(t, "RX1", hisadapter.Frozen)
	r.wantFigure(t, 0, r.heldFigure(3))
}

func (r *rig) troubledCancel(t *testing.T, trouble Trouble, want expected) {
	o, err := r.place(t, "RX1", r.lines(3))
	if err != nil {
		t.Fatal(err)
	}
	err = r.during(t, CancelOrder, trouble, func(ctx context.Context) error {
		return r.CancelOrder(ctx, "RX1", o.OrderNo)
	})
	wantOutcome(t, err, want.outcome)
	if want.applied {
		r.wantState(t, "RX1", hisadapter.Released)
		r.wantFigure(t, 0, 100)
		return
	}
	r.wantState(t, "RX1", hisadapter.Deducted)
	r.wantFigure(t, 0, 97)
}

// A write that hangs may still be applied long after its caller gave up.
func testLateApply(t *testing.T, r *rig) {
	if !r.makes(LateApply) {
		return
	}
	req, err := r.request(t, "RX1", r.lines(3))
	if err != nil {
		t.Fatal(err)
	}
	err = r.during(t, PlaceOrder, LateApply, func(ctx context.Context) error {
		_, err := r.PlaceOrder(ctx, req)
		return err
	})
	wantOutcome(t, err, hisadapter.Unknown)
	r.wantState(t, "RX1", hisadapter.None, hisadapter.Frozen)
	r.Idle(t)
	r.Pass(t, 2*LateBy)
	r.wantState(t, "RX1", hisadapter.Deducted)
	r.wantFigure(t, 0, 97)
	if !r.caps.Freeze {
		return
	}
	err = r.during(t, Freeze, LateApply, func(ctx context.Context) error {
		_, err := r.Freeze(ctx, r.freezing("RX2", r.lines(5)))
		return err
	})
	wantOutcome(t, err, hisadapter.Unknown)
	r.wantState(t, "RX2", hisadapter.None)
	r.Idle(t)
	r.Pass(t, 2*LateBy)
	found := r.wantState(t, "RX2", hisadapter.Frozen)
	wantOutcome(t, r.Unfreeze(t.Context(), r.unfreezing("RX2", found.Freeze.LockID, 5)), hisadapter.Done)
	r.wantFigure(t, 0, 97)
}

// A caller that gives up gets Unknown, or NotSent where nothing left, and never
// Done; a context that is over before sends nothing.
func testGiveUp(t *testing.T, r *rig) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := r.request(t, "RX1", r.lines(3))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.PlaceOrder(over, req)
	wantOutcome(t, err, hisadapter.NotSent, hisadapter.Unknown)
	r.wantState(t, "RX1", hisadapter.None, hisadapter.Frozen)
	_, err = r.QueryStock(over, []hisadapter.Key{r.key(0)})
	wantOutcome(t, err, hisadapter.NotSent, hisadapter.Unknown)

	if !r.makes(TimeoutAfter) {
		return
	}
	err = r.during(t, PlaceOrder, TimeoutAfter, func(ctx context.Context) error {
		_, err := r.PlaceOrder(ctx, req)
		return err
	})
	wantOutcome(t, err, hisadapter.Unknown)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not say that the caller gave up", err)
	}
	r.wantState(t, "RX1", hisadapter.Deducted)
}
