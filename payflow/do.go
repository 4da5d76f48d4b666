package payflow

import "context"

// do performs one action. An error comes under the rule for poisoned orders;
// outside calls that do not succeed are no errors, they are noted in the order.
func (u *unit) do(ctx context.Context, a action) error {
	switch a.kind {
	case actDeadline:
		return u.stepDeadline()
	case actCheck:
		return u.stepCheck(ctx)
	case actLock:
		return u.stepLock(ctx)
	case actLiveCheck:
		return u.stepLiveCheck(ctx)
	case actIntent:
		return u.storeIntent(evIntent)
	case actPrepay:
		return u.stepPrepay(ctx)
	case actQuery:
		return u.query(ctx)
	case actEnd:
		return u.stepEnd()
	case actClose:
		return u.stepClose(ctx)
	case actRelease:
		return u.stepRelease(ctx)
	case actFulfil:
		return u.stepFulfil(ctx)
	case actSettle:
		return u.stepSettle(ctx)
	case actStoreRefund:
		return u.stepStoreRefund()
	case actSendRefund:
		return u.stepSendRefund(ctx, a.r)
	case actAskRefund:
		return u.stepAskRefund(ctx, a.r)
	case actRecall:
		return u.stepRecall(ctx)
	case actOverdue:
		return u.stepOverdue()
	default:
		return nil
	}
}
