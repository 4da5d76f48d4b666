package payflow

import (
	"context"
	"fmt"
)

// Recheck asks WeChat and the HIS now and believes what is verified: an order
// that turns out paid, fulfilled or refunded goes there. It blocks for both.
func (s *Service) Recheck(ctx context.Context, r VerbRequest) (CaseAnswer, error) {
	return s.verb(ctx, VerbRecheck, r, "", func(u *unit, _ *Case) (Words, error) { return u.recheck(ctx) })
}

func (u *unit) recheck(ctx context.Context) (Words, error) {
	// All is asked before anything is judged: judging late money locks what orders
	// share, until the commit.
	tx, txErr := u.askTransaction(ctx)
	refund := u.o.openRefund()
	if refund >= 0 && u.o.Refunds[refund].Status == RefundStored {
		refund = -1
	}
	var said RefundAnswer
	var refundErr error
	if refund >= 0 {
		said, refundErr = u.askRefund(ctx, refund)
	}
	elsewhere := u.askElsewhere(ctx)
	var lk Lock
	lockErr := u.s.outside(ctx, opLock, u.s.set.HISTimeout, func(ctx context.Context) (err error) {
		lk, err = u.standingNow(ctx)
		return err
	})

	wechat, err := u.recheckedMoney(tx, txErr)
	if err != nil {
		return Words{}, err
	}
	if refund >= 0 {
		if err := u.refundAsked(refund, said, refundErr); err != nil {
			return Words{}, err
		}
		wechat += ", refund " + string(u.o.Refunds[refund].Status)
	}
	for _, a := range elsewhere {
		if err := u.refundedElsewhere(a); err != nil {
			return Words{}, err
		}
		wechat += ", refund " + cut(a.OutRefundNo, 64) + " " + string(a.State)
	}
	his, err := u.recheckedLock(lk, lockErr)
	if err != nil {
		return Words{}, err
	}
	u.said("RECHECKED", "WeChat: "+wechat+"; HIS: "+his)
	return wordsRechecked(u.o, wechat, his), nil
}

// standingNow is the order's lock; of one that is confirmed the HIS is asked whether its
// order stands, where it can be asked. Errors: those of Locks.Get and Locks.Standing.
func (u *unit) standingNow(ctx context.Context) (Lock, error) {
	lk, err := u.s.locks.Get(ctx, u.no)
	if err != nil || !lk.Confirmed || lk.Cancelled || !u.s.set.CanFind {
		return lk, err
	}
	return u.s.locks.Standing(ctx, u.no)
}

// askElsewhere asks what became of the refunds in the merchant console that were not
// paid out when WeChat spoke of them last: its notice of that may have got lost.
func (u *unit) askElsewhere(ctx context.Context) (said []RefundAnswer) {
	for i := range u.o.Elsewhere {
		f := &u.o.Elsewhere[i]
		if f.State != RefundProcessing && f.State != RefundAbnormal {
			continue
		}
		if a, err := u.askRefundNo(ctx, f.OutRefundNo); err == nil && a.OutRefundNo == f.OutRefundNo {
			said = append(said, a)
		}
	}
	return said
}

// recheckedMoney believes WeChat's answer, and says it in a word.
func (u *unit) recheckedMoney(tx Transaction, err error) (string, error) {
	switch {
	case err == nil && tx.paid():
		return fmt.Sprintf("%s %d fen", tx.State, tx.TotalFen), u.applyPaid(tx, "query")
	case err == nil:
		return fmt.Sprintf("%s %d fen", tx.State, tx.TotalFen), nil
	case refusedWith(err, codeNotExist):
		return codeNotExist, nil
	default:
		return outcomeOf(err), nil
	}
}

// recheckedLock believes what the stock half says, and says it in a word.
func (u *unit) recheckedLock(lk Lock, err error) (string, error) {
	switch {
	case err != nil:
		return outcomeOf(err), nil
	case lk.Cancelled:
		return "CANCELLED " + lk.HisOrderNo, nil
	case lk.Confirmed:
		if u.o.State == NeedsAttention && !u.o.Lock.Disowned && !u.o.WasFulfilled && notAllOut(u.o) == "" {
			return "DEDUCTED " + lk.HisOrderNo, u.fulfilled(lk)
		}
		return "DEDUCTED " + lk.HisOrderNo, nil
	case lk.Released:
		return "RELEASED", nil
	case lk.Held:
		return "HELD", nil
	default:
		return "UNKNOWN", nil
	}
}

// RetryFulfilment sends the order back to the HIS; not once a refund was sent
// and is not verified CLOSED (§7.6).
func (s *Service) RetryFulfilment(ctx context.Context, r VerbRequest) (CaseAnswer, error) {
	return s.verb(ctx, VerbRetry, r, "", func(u *unit, c *Case) (Words, error) {
		o := u.o
		if _, err := u.fire(evRetry, r.Actor, r.CaseID); err != nil {
			return Words{}, err
		}
		u.checkedThere(c)
		u.withdraw()
		o.Gone, o.RefundByPerson, o.RefundBy, o.RefundReason = nil, false, "", ""
		return wordsRetry(), nil
	})
}

// withdraw ends a refund of all that was written down and never sent.
func (u *unit) withdraw() {
	for i := range u.o.Refunds {
		if r := &u.o.Refunds[i]; r.Full && r.Status == RefundStored {
			r.Status, r.EndedAt, r.Evidence = RefundEnded, u.s.now(), "never sent"
		}
	}
}

// RefundCase decides for the money: it goes back once the lock is settled. For a
// PAID order that is overdue it ends the tries to fulfil it; for one that waits for
// the HIS to cancel it ends the waiting; a FULFILLED order's part that WeChat
// refused is sent again, under its number.
func (s *Service) RefundCase(ctx context.Context, r RefundCaseRequest) (CaseAnswer, error) {
	if r.Reason == "" {
		r.Reason = textRefundPerson
	}
	if !plain(r.Reason, reasonMax) || len(r.Reason) > reasonMax {
		return CaseAnswer{}, &InvalidError{Field: "reason", Reason: "must have at most 80 bytes"}
	}
	return s.verb(ctx, VerbRefund, r.VerbRequest, r.Reason, func(u *unit, c *Case) (Words, error) {
		switch u.o.State {
		case Paid:
			return u.giveUp(&r)
		case Refunding:
			return u.cancelGivenUp(&r), nil
		case Fulfilled: // an operator's part that WeChat refused
			u.resend()
			return wordsResend(), nil
		}
		if _, err := u.fire(evPersonRefund, r.Actor, r.CaseID); err != nil {
			return Words{}, err
		}
		u.checkedThere(c)
		u.wantRefund(r.Reason, r.Actor, false)
		if !u.o.fenced() {
			return wordsRefundStanding(), nil // the HIS refused to cancel, and the person knows
		}
		return wordsRefund(), nil
	})
}

// giveUp ends the tries to fulfil a paid order. It stays PAID until the fence says
// that the HIS cannot apply its lock any more [D1]; then the money goes back. Had
// the HIS deducted already, the order is fulfilled instead.
func (u *unit) giveUp(r *RefundCaseRequest) (Words, error) {
	o := u.o
	if _, err := u.fire(evGiveUp, r.Actor, r.CaseID); err != nil {
		return Words{}, err
	}
	if o.Gone == nil {
		o.Gone = &Rejection{Reason: rejectedByPerson, Detail: r.Reason, At: u.s.now()}
	}
	o.RefundReason, o.RefundByPerson, o.RefundBy = r.Reason, true, r.Actor
	o.NextAt, o.Tries = u.s.now(), 0
	u.note(HistoryEntry{Event: string(evGiveUp), Actor: r.Actor, Detail: r.Reason})
	return wordsRefund(), nil
}

// checkedThere notes that a person has looked at the HIS, as a case of doubt asks
// them to before they decide.
func (u *unit) checkedThere(c *Case) {
	if c.Reason == CaseLockDoubt {
		u.o.Lock.Checked = true
	}
}

// fencedNow asks the fence for a person's word on the order's own lock. Errors:
// *PreconditionError while the HIS could still apply it, or has applied it.
func (u *unit) fencedNow(ctx context.Context) error {
	if _, err := u.settle(ctx); err != nil || !u.o.Lock.Settled {
		return &PreconditionError{Reason: ReasonLockUnsettled, State: u.o.State, Detail: outcomeOf(err)}
	}
	return nil
}

// MarkFulfilled says that the HIS order exists, or the drugs were given out by
// another way; refused once a refund was sent and is not verified CLOSED, and for a
// PAID order as long as the HIS could still apply its lock (blocks for it). The
// order's own lock is given back after; should the HIS have deducted for it under
// another number, a case says so.
func (s *Service) MarkFulfilled(ctx context.Context, r MarkFulfilledRequest) (CaseAnswer, error) {
	if !plain(r.HisOrderNo, idMax) {
		return CaseAnswer{}, &InvalidError{Field: "his_order_no", Reason: "is required, at most 128 characters"}
	}
	return s.verb(ctx, VerbMarkFulfilled, r.VerbRequest, r.HisOrderNo, func(u *unit, c *Case) (Words, error) {
		o := u.o
		if c.Reason == CaseTwoOrders {
			o.HisOrderNo = r.HisOrderNo
			u.closeCase(c, r.Actor, Words{ZH: "以 HIS 单 " + r.HisOrderNo + " 为准", EN: "HIS order " + r.HisOrderNo + " stands"})
			return wordsMarkedFulfilled(), nil
		}
		if o.State == Paid {
			if err := u.fencedNow(ctx); err != nil {
				return Words{}, err
			}
		}
		if _, err := u.fire(evPersonFulfilled, r.Actor, "HIS order "+r.HisOrderNo); err != nil {
			return Words{}, err
		}
		u.withdraw()
		o.HisOrderNo, o.FulfilledAt, o.Gone = r.HisOrderNo, u.s.now(), nil
		o.ByHand, o.Lock.Settled = true, false // its own lock is given back
		return wordsMarkedFulfilled(), nil
	})
}

// MarkRefunded says, with evidence, that the case's money went back by another
// way. For the order's own payment the fence is asked first: not while the HIS
// could still apply the lock [D1]; and not while a refund of ours may still arrive.
// Blocks for the HIS, and for WeChat, then.
func (s *Service) MarkRefunded(ctx context.Context, r MarkRefundedRequest) (CaseAnswer, error) {
	if !plain(r.Evidence, noteMax) {
		return CaseAnswer{}, &InvalidError{Field: "evidence", Reason: "is required, at most 1000 characters"}
	}
	return s.verb(ctx, VerbMarkRefunded, r.VerbRequest, r.Evidence, func(u *unit, c *Case) (Words, error) {
		return u.markRefunded(ctx, c, &r)
	})
}

// noneFlyingNow makes sure, before a person's word ends a refund of ours, that it does
// not arrive beside the one that the person made. One that WeChat refused may have
// been taken by an earlier try whose answer got lost: WeChat is asked. Errors:
// *PreconditionError.
func (u *unit) noneFlyingNow(ctx context.Context) error {
	o := u.o
	if reason := noMoneyFlying(o); reason != "" {
		return &PreconditionError{Reason: reason, State: o.State}
	}
	i := o.openRefund()
	if i < 0 {
		return nil
	}
	if r := &o.Refunds[i]; r.Status != RefundSent || r.NeverTaken || r.WrongFen != 0 {
		return nil
	}
	if _, err := u.askRefund(ctx, i); !refusedWith(err, refundNotExist()...) {
		return &PreconditionError{Reason: ReasonRefundSent, State: o.State, Detail: "WeChat may have taken " + o.Refunds[i].OutRefundNo + ": " + outcomeOf(err)}
	}
	return nil
}

func (u *unit) markRefunded(ctx context.Context, c *Case, r *MarkRefundedRequest) (Words, error) {
	o := u.o
	own := o != nil && o.State == Paid && !c.disputed() || o != nil && o.State == NeedsAttention &&
		(!c.disputed() || c.Reason == CaseConsoleRefund && o.Payment != nil && o.Payment.TransactionID == c.TransactionID)
	if !own {
		if o != nil {
			if d := u.disputed(c.TransactionID); d != nil {
				d.Settled = true
				o.NextAt = u.s.now() // an order that it kept from closing can close
			}
			i := o.openRefund()
			if i < 0 && c.Reason == CaseRefundRefused {
				i = o.gaveUp()
			}
			if i >= 0 && !c.disputed() {
				if err := u.noneFlyingNow(ctx); err != nil {
					return Words{}, err
				}
				if err := u.refundDone(i, r.Evidence); err != nil {
					return Words{}, err
				}
			}
		}
		if o != nil && o.State == Refunded && c.Reason == CaseConsoleRefund && !o.allBack() {
			o.PersonRefund, o.RefundedFen = r.Evidence, o.Payment.TotalFen
		}
		if c.Open {
			u.closeCase(c, r.Actor, Words{ZH: "款项已退回：" + r.Evidence, EN: "went back: " + r.Evidence})
		}
		return wordsMarkedRefunded(), nil
	}
	if err := u.noneFlyingNow(ctx); err != nil {
		return Words{}, err
	}
	u.checkedThere(c)
	if o.fenced() {
		if err := u.fencedNow(ctx); err != nil {
			return Words{}, err
		}
	}
	if _, err := u.fire(evPersonRefunded, r.Actor, r.Evidence); err != nil {
		return Words{}, err
	}
	for i := range o.Refunds {
		if q := &o.Refunds[i]; q.open() {
			q.Status, q.EndedAt, q.Evidence = RefundEnded, u.s.now(), r.Evidence
		}
	}
	o.PersonRefund, o.RefundedFen = r.Evidence, o.Payment.TotalFen
	if c.Open {
		u.closeCase(c, r.Actor, Words{ZH: "款项已退回：" + r.Evidence, EN: "went back: " + r.Evidence})
	}
	return wordsMarkedRefunded(), nil
}
