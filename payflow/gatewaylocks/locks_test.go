package gatewaylocks

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
)

// What payflow may conclude from each error of the stock half. Whatever may have
// been applied must not turn into "nothing happened".
func TestLockErrorsInPayflowsWords(t *testing.T) {
	sentinels := []struct{ from, want error }{
		{gateway.ErrOutcomeUnknown, payflow.ErrPending},
		{fmt.Errorf("wrapped: %w", gateway.ErrOutcomeUnknown), payflow.ErrPending},
		{lockstore.ErrLockPending, payflow.ErrPending},
		{lockstore.ErrConfirmInProgress, payflow.ErrPending},
		{lockstore.ErrLockEnded, payflow.ErrEnded},
		{lockstore.ErrNotSettled, payflow.ErrUnsettled},
		{lockstore.ErrAlreadyConfirmed, payflow.ErrConfirmed},
		{lockstore.ErrNotFound, payflow.ErrNotFound},
		{lockstore.ErrDiskReserve, payflow.ErrUnavailable},
		{lockstore.ErrTooManyLocks, payflow.ErrUnavailable},
		{lockstore.ErrRecovering, payflow.ErrUnavailable},
		{&gateway.RecalledError{}, payflow.ErrUnavailable},
		{gateway.ErrOverloaded, payflow.ErrUnavailable},
		{&gateway.HISError{Outcome: hisadapter.NotSent}, payflow.ErrUnavailable},
		{&gateway.HISError{Outcome: hisadapter.Misconfigured}, payflow.ErrMisconfigured},
	}
	for _, tc := range sentinels {
		if got := lockError(tc.from); !errors.Is(got, tc.want) {
			t.Errorf("%v became %v, not %v", tc.from, got, tc.want)
		}
	}
	for _, unknown := range []error{
		lockstore.ErrOutcomeUnknown, lockstore.ErrClosed, gateway.ErrClosed, &lockstore.FaultError{},
		context.DeadlineExceeded, errors.New("anything else"),
	} {
		got := lockError(unknown)
		for _, s := range sentinels {
			if errors.Is(got, s.want) {
				t.Errorf("%v became %v: nothing may be concluded from it", unknown, s.want)
			}
		}
		if _, refused := errors.AsType[*payflow.RefusedError](got); refused {
			t.Errorf("%v became a refusal", unknown)
		}
	}
	short := []lockstore.Shortage{{DrugID: "d", Requested: 3, Available: 2}}
	if e, ok := errors.AsType[*payflow.ShortError](lockError(&lockstore.ShortageError{Shortages: short})); !ok || e.Shortages[0] != (payflow.Shortage{DrugID: "d", Requested: 3, Available: 2}) {
		t.Errorf("a shortage became %v", e)
	}
	for _, tc := range []struct {
		from    error
		kind    string
		forGood bool
	}{
		{&lockstore.NotDivisibleError{DrugID: "d", Quantity: 3, Multiple: 2}, "not_divisible", true},
		{&gateway.UnknownDrugError{}, "unknown_drug", true},
		{&lockstore.InvalidError{Field: "attributes", Reason: "9000 bytes, at most 8192 are possible"}, "other", true},
		{lockstore.ErrOrderNoReused, "other", true},
		{&gateway.HISRefusedError{Kind: hisadapter.PriceChanged}, "price_changed", false},
		{&gateway.HISRefusedError{Kind: hisadapter.Stopped, ForGood: true}, "stopped", true},
	} {
		e, ok := errors.AsType[*payflow.RefusedError](lockError(tc.from))
		if !ok || e.Kind != tc.kind || e.ForGood != tc.forGood {
			t.Errorf("%v became %+v, not a refusal %s, for good: %v", tc.from, e, tc.kind, tc.forGood)
		}
	}
}
