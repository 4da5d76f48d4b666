package payflow

import (
	"context"
	"time"
)

// paidTTL is for how long a paid order's lock is asked for; the owner keeps it
// longer when needed.
const paidTTL = 30 * time.Minute

// The kinds of a RefusedError.
const (
	refusedInsufficient = "insufficient"
	refusedUnknownDrug  = "unknown_drug"
	refusedStopped      = "stopped"
	refusedNotDivisible = "not_divisible"
	refusedPrice        = "price_changed"
	refusedAmount       = "amount_mismatch"
	refusedLapsed       = "lapsed" // the freeze; it is taken again
)

// detailDisowned is the case of late money for which the HIS had deducted already.
const detailDisowned = "the HIS had deducted before this money came, and a person saw to it: look whether that order stands"

// stepFulfil brings a paid order to its HIS order: look at the lock, take one on
// a live reading where there is none (VERIFY, REFUND, late money, a lapsed lock)
// [B1], confirm it. It asks the ledger first, so it goes on rightly after a
// crash between any two of its calls.
func (u *unit) stepFulfil(ctx context.Context) error {
	o := u.o
	ctx, cancel := context.WithTimeout(ctx, u.s.set.HISTimeout)
	defer cancel()
	lk, err := u.s.locks.Get(ctx, o.No)
	none := outcomeOf(err) == kindNotFound
	switch {
	case none:
	case err != nil:
		u.retryLater(opLock, err)
		return nil
	default:
		u.heard(lk)
	}
	switch {
	case lk.Confirmed && lk.Cancelled:
		return u.cannotFulfil(CaseLockDoubt, "the HIS order was cancelled", lk.HisOrderNo)
	case lk.Confirmed && o.Lock.Disowned:
		return u.cannotFulfil(CaseLockDoubt, detailDisowned, lk.HisOrderNo)
	case none && o.Lock.Attempt > 0:
		return u.cannotFulfil(CaseLockDoubt, "the ledger has lost the order's lock, under which the HIS may have deducted", "")
	case lk.Confirmed:
		return u.fulfilled(lk)
	case lk.Released && !lk.Settled:
		u.retryLater(opLock, ErrUnsettled)
		return nil
	case (none || lk.Released) && u.deductedBefore():
		return u.cannotFulfil(CaseLockDoubt, ErrForgotten.Error(), "")
	case none || lk.Released:
		o.Lock.NewAttempt = lk.Released || o.Lock.NewAttempt
		err := u.s.outside(ctx, opLock, u.s.set.HISTimeout, func(ctx context.Context) (err error) {
			lk, err = u.s.locks.Lock(ctx, u.lockRequest())
			return err
		})
		if err != nil {
			return u.lockedNot(err)
		}
		u.heard(lk)
		u.said("LOCKED_PAID", "HIS "+lk.HisNo)
		if !lk.Held && !lk.Confirmed {
			u.retryLater(opLock, ErrPending)
			return nil
		}
	}
	return u.confirm(ctx, lk.Case)
}

// deductedBefore tells whether the HIS may have deducted for the order under a number
// that nobody remembers: it was paid before the last restore from a backup, and the HIS
// cannot be asked. That it takes no number twice does not help: late money, or a lock
// that lapsed, had another attempt's number [B9]. Only a person can look.
func (u *unit) deductedBefore() bool {
	o, r := u.o, u.s.restored()
	return !u.s.set.CanFind && !o.Lock.Checked && !r.At.IsZero() && o.RecalledFor.Equal(r.At) && !o.Payment.PaidAt.After(r.At)
}

// lockedNot judges why a paid order got no lock.
func (u *unit) lockedNot(err error) error {
	o := u.o
	if outcomeOf(err) == kindEnded {
		o.Lock.NewAttempt = true
		u.retryLater(opLock, err)
		return nil
	}
	if short, ok := asType[*ShortError](err); ok {
		return u.gone(&Rejection{Reason: rejectedForStock, Shortages: short.Shortages})
	}
	return u.refusedPaid(opLock, err)
}

// confirm makes the HIS deduct. What is unknown stays unknown: it is asked again
// and never refunded because of it. doubt is why the lock waits for a person, ""
// = it does not: it is asked once more all the same.
func (u *unit) confirm(ctx context.Context, doubt string) error {
	o := u.o
	var lk Lock
	err := u.s.outside(ctx, opConfirm, u.s.set.HISTimeout, func(ctx context.Context) (err error) {
		lk, err = u.s.locks.Confirm(ctx, o.No, Reference{
			TransactionID: o.Payment.TransactionID, PaidAt: o.Payment.PaidAt,
			DrugsFen: o.Amount.DrugsFen, Attributes: o.Attributes,
		})
		return err
	})
	u.later(func(l Logger) {
		// "confirm" is the stock half's word for the HIS's own answer.
		l.Info("fulfilment", "order_no", o.No, "his_no", lk.HisNo, "outcome", outcomeOf(err), "his_code", codeOf(err), "success", err == nil && lk.Confirmed)
	})
	switch outcomeOf(err) {
	case kindDone:
		u.heard(lk)
		if !lk.Confirmed {
			u.retryLater(opConfirm, ErrPending)
			return nil
		}
		return u.fulfilled(lk)
	case kindShort:
		short, _ := asType[*ShortError](err)
		return u.gone(&Rejection{Reason: rejectedForStock, Shortages: short.Shortages})
	case kindPending:
		if doubt != "" {
			return u.cannotFulfil(CaseLockDoubt, doubt, "")
		}
		return u.refusedPaid(opConfirm, err)
	default:
		return u.refusedPaid(opConfirm, err)
	}
}

// refusedPaid judges a refusal after payment: for good and about the stock → the
// policy; price, amount or anything else → a person; no refusal at all → again.
func (u *unit) refusedPaid(op string, err error) error {
	refused, ok := asType[*RefusedError](err)
	if !ok {
		u.retryLater(op, err)
		return nil
	}
	detail := refused.Kind + " " + refused.Code + " " + refused.Message
	switch refused.Kind {
	case refusedInsufficient, refusedUnknownDrug, refusedStopped, refusedNotDivisible:
		if !refused.ForGood {
			u.retryLater(op, err)
			return nil
		}
		reason := rejectedForStock
		switch refused.Kind {
		case refusedUnknownDrug:
			reason = ReasonUnknownDrug
		case refusedStopped:
			reason = ReasonStopped
		case refusedNotDivisible:
			reason = ReasonNotDivisible
		}
		return u.gone(&Rejection{Reason: reason, Detail: detail, Shortages: refused.Shortages})
	case refusedLapsed:
		u.retryLater(op, err)
		return nil
	case refusedPrice, refusedAmount:
		return u.cannotFulfil(CasePrice, detail, "")
	default:
		return u.cannotFulfil(CaseRefused, detail, "")
	}
}

// gone keeps durably that the stock is gone for good; what follows (policy,
// fence, brake) reads it, also after a restart.
func (u *unit) gone(r *Rejection) error {
	o := u.o
	r.At = u.s.now()
	o.Gone = r
	o.NextAt, o.Tries, o.Trouble = r.At, 0, nil
	u.said("STOCK_GONE", r.Reason+" "+r.Detail)
	if u.parksGone() && u.s.restored().knows(r.At) {
		return u.cannotFulfil(CaseGone, r.Reason+" "+r.Detail, "")
	}
	return nil // the fence comes next: before a restore the HIS may have deducted [B9]
}

// parksGone tells whether a person decides about an order whose stock is gone.
func (u *unit) parksGone() bool {
	return u.o.Strategy.holds() && u.s.set.OnGone == PolicyCase && !u.o.RefundByPerson
}

// stepSettle is the fence: nothing goes back before the lock is durably over at
// the HIS [D1]. In PAID it leads to the refund, in REFUNDING the refund follows.
func (u *unit) stepSettle(ctx context.Context) error {
	o := u.o
	if o.CancelHIS {
		return u.cancelAtHIS(ctx)
	}
	lk, err := u.settle(ctx)
	switch {
	case err == nil && o.Lock.Settled:
		o.NextAt, o.Tries, o.Trouble = u.s.now(), 0, nil
		u.said("LOCK_SETTLED", "HIS "+lk.HisNo)
		if o.State == Paid && u.parksGone() && o.Gone.Reason != rejectedMoneyOut {
			return u.cannotFulfil(CaseGone, o.Gone.Reason+" "+o.Gone.Detail, "")
		}
		if o.State == Paid {
			o.RefundWantedAt = u.s.now()
			if !o.RefundByPerson {
				o.RefundReason = textRefundGone
			}
			if o.Gone.Reason == rejectedMoneyOut {
				o.RefundReason = textRefundRecalled
			}
			return u.happened(evGone, o.Gone.Reason)
		}
	case err == nil:
		u.retryLater(opRelease, ErrUnsettled)
	case outcomeOf(err) == kindForgotten:
		return u.cannotFulfil(CaseLockDoubt, ErrForgotten.Error(), "")
	case outcomeOf(err) == kindConfirmed && o.State == Paid && o.Lock.Disowned:
		return u.cannotFulfil(CaseLockDoubt, detailDisowned, lk.HisOrderNo)
	case outcomeOf(err) == kindConfirmed && o.State == Paid:
		o.Gone, o.RefundByPerson, o.RefundBy, o.RefundReason = nil, false, "", ""
		return u.fulfilled(lk)
	case outcomeOf(err) == kindConfirmed && o.ByHand && lk.HisOrderNo == o.HisOrderNo:
		o.ByHand = false // the person meant this very HIS order, and it is refunded knowingly
		o.NextAt, o.Tries, o.Trouble = u.s.now(), 0, nil
		u.said("HIS_ORDER_FOUND", lk.HisOrderNo)
	case outcomeOf(err) == kindConfirmed:
		detail := "to be refunded, but the HIS has deducted: HIS order " + lk.HisOrderNo
		if o.ByHand {
			// Nothing is under way any more: a further decision needs no fence.
			detail += ", beside " + o.HisOrderNo + " that a person named"
			o.ByHand = false
		}
		o.HisOrderNo = lk.HisOrderNo
		if err := u.happened(evConfirmed, lk.HisOrderNo); err != nil {
			return err
		}
		u.openCase(CaseLockDoubt, caseFacts{Detail: detail})
	default:
		u.retryLater(opRelease, err)
	}
	return nil
}

// fulfilled ends the way of a paid order.
func (u *unit) fulfilled(lk Lock) error {
	o := u.o
	o.HisOrderNo, o.FulfilledAt, o.Gone = lk.HisOrderNo, u.s.now(), nil
	o.Lock.Held = false
	u.withdraw() // a refund that was only written down
	return u.happened(evConfirmed, "HIS order "+lk.HisOrderNo)
}

// cannotFulfil hands the order to a person.
func (u *unit) cannotFulfil(reason CaseReason, detail, hisOrder string) error {
	if hisOrder != "" {
		u.o.HisOrderNo = hisOrder
	}
	if err := u.happened(evPark, string(reason)+" "+detail); err != nil {
		return err
	}
	u.openCase(reason, caseFacts{Detail: detail})
	return nil
}
