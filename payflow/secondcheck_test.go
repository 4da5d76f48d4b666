package payflow_test

import (
	"errors"
	"testing"

	"github.com/hisgate/hisgate/payflow"
)

// The second check right before the payment (支付前二次确认), with each thing that
// it can find: CheckOrder names it, and the prepay of a HOLD order is blocked by it
// and goes on when it is gone.
func TestSecondCheckBlocksThePrepay(t *testing.T) {
	for name, tc := range map[string]struct {
		happen func(*fakeLocks)
		mend   func(*fakeLocks)
		result payflow.CheckResult
		reason string // of a PreconditionError; "" = see err
		err    func(error) bool
	}{
		"short": {
			happen: func(f *fakeLocks) { f.stock["A"] = -1 }, mend: func(f *fakeLocks) { f.stock["A"] = 10 },
			result: payflow.CheckInsufficient,
			err: func(err error) bool {
				e, ok := errors.AsType[*payflow.ShortError](err)
				return ok && e.Shortages[0] == payflow.Shortage{DrugID: "A", Requested: 3, Available: 2}
			},
		},
		"dearer": {
			happen: func(f *fakeLocks) { f.price["A"] = "3.34" }, mend: func(f *fakeLocks) { f.price["A"] = "3.333" },
			result: payflow.CheckPriceChanged,
			err: func(err error) bool {
				e, ok := errors.AsType[*payflow.PriceChangedError](err)
				return ok && e.Gaps[0] == payflow.PriceGap{DrugID: "A", GivenFen: 1000, HisFen: 1002}
			},
		},
		"stopped": {
			happen: func(f *fakeLocks) { f.stopped["A"] = true }, mend: func(f *fakeLocks) { f.stopped["A"] = false },
			result: payflow.CheckStopped, reason: payflow.ReasonStopped,
		},
		"sold in boxes now": {
			happen: func(f *fakeLocks) { f.multiple["A"] = 2 }, mend: func(f *fakeLocks) { f.multiple["A"] = 1 },
			result: payflow.CheckNotDivisible, reason: payflow.ReasonNotDivisible,
		},
		"unknown": {
			happen: func(f *fakeLocks) { delete(f.stock, "A") }, mend: func(f *fakeLocks) { f.stock["A"] = 10 },
			result: payflow.CheckUnknownDrug, reason: payflow.ReasonUnknownDrug,
		},
		"only an old figure": {
			happen: func(f *fakeLocks) { f.stale = true }, mend: func(f *fakeLocks) { f.stale = false },
			result: payflow.CheckOK,
			err:    func(err error) bool { return errors.Is(err, payflow.ErrUnavailable) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Hold)); err != nil {
					t.Fatal(err)
				}
				change := func(f func(*fakeLocks)) {
					h.locks.mu.Lock()
					defer h.locks.mu.Unlock()
					f(h.locks)
				}
				change(tc.happen)
				a, err := h.svc.Check(h.Context(), payflow.CheckRequest{OrderNo: "ORDER-1", Live: true})
				if err != nil || a.Lines[0].Result != tc.result || a.Payable != (tc.result == payflow.CheckOK) {
					t.Errorf("checked: %+v, %v", a, err)
				}
				if stale := name == "only an old figure"; a.Stale != stale || a.Lines[0].Stale != stale {
					t.Errorf("stale: %v, its line %v", a.Stale, a.Lines[0].Stale)
				}
				prepay := payflow.PrepayRequest{Principal: "web", OrderNo: "ORDER-1"}
				_, err = h.svc.Prepay(h.Context(), prepay)
				if e, ok := errors.AsType[*payflow.PreconditionError](err); tc.reason != "" && (!ok || e.Reason != tc.reason) || tc.err != nil && !tc.err(err) {
					t.Errorf("the prepay was answered %v", err)
				}
				h.is("ORDER-1", payflow.Locked)
				if n := h.pay.count("prepay"); n != 0 {
					t.Errorf("%d prepays were sent", n)
				}
				change(tc.mend)
				if o, err := h.svc.Prepay(h.Context(), prepay); err != nil || o.Next() != payflow.NextPay {
					t.Errorf("mended: %s, %v", o.State, err)
				}
			})
		})
	}
}
