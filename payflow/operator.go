package payflow

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Refund is an operator's refund: of a FULFILLED order, in part or whole, saying
// so; or of one that NEEDS_ATTENTION, whole. It is durable when Refund returns,
// and sent after. Repeats of a request_id answer the order as it stands.
//
// After a restore from a backup nobody remembers the requests since: a part as large as
// one that WeChat knows of is taken with an etag only.
//
// Errors: *InvalidError, ErrNotFound, *AbortedError (PAID: the HIS is being
// asked), *RequestReusedError, *EtagMismatchError, *PreconditionError,
// ErrRecovering.
func (s *Service) Refund(ctx context.Context, r RefundRequest) (Order, error) {
	if err := r.validate(); err != nil {
		return Order{}, err
	}
	if r.CancelHIS && !s.set.CanCancel {
		return Order{}, &InvalidError{Field: "cancel_his_order", Reason: "this HIS cannot cancel its orders"}
	}
	if err := s.recalled(ctx, r.OrderNo); err != nil {
		return Order{}, err
	}
	return s.change(ctx, r.OrderNo, func(u *unit) error {
		o := u.o
		if !o.visibleTo(r.Principal) {
			return ErrNotFound
		}
		asked := []any{"refund", r.Fen, r.Reason, r.Fulfilled}
		if r.CancelHIS {
			asked = append(asked, "cancel")
		}
		print := digest(asked...)
		for _, q := range o.RefundRequests {
			if q.ID != r.RequestID {
				continue
			}
			if q.Digest != print {
				return &RequestReusedError{RequestID: r.RequestID}
			}
			return nil
		}
		if err := o.match(r.Etag); err != nil {
			return err
		}
		if r.Etag == "" && o.recalledPart(r.Fen) {
			return &EtagMismatchError{Current: o.Etag()}
		}
		if err := u.operatorRefund(&r); err != nil {
			return err
		}
		u.o.RefundRequests = append(u.o.RefundRequests, RefundAsked{ID: r.RequestID, Digest: print})
		return nil
	})
}

// recalledPart tells whether a refund of so much was found at WeChat after a restore:
// the request for it, which nobody remembers, may come again [B9].
func (o *Order) recalledPart(fen int64) bool {
	return fen != 0 && slices.ContainsFunc(o.Refunds, func(r RefundRecord) bool {
		return r.Fen == fen && r.Reason == textRefundRecalled && r.Status != RefundEnded
	})
}

func (r *RefundRequest) validate() error {
	switch {
	case r.Fen < 0:
		return &InvalidError{Field: "refund_fen", Reason: "must not be negative"}
	case !plain(r.Reason, reasonMax) || len(r.Reason) > reasonMax:
		return &InvalidError{Field: "reason", Reason: "must have 1 to 80 bytes"}
	case r.Actor == "":
		return &InvalidError{Field: "actor", Reason: "is required"}
	}
	return validRequestID(r.RequestID)
}

func (u *unit) operatorRefund(r *RefundRequest) error {
	o := u.o
	u.dropNeverTaken()
	left := o.leftFen()
	part := r.Fen != 0 && r.Fen != left
	e := evPersonRefund
	if part {
		e = evPersonPart
	}
	if o.State == Fulfilled {
		switch {
		case !r.Fulfilled:
			return &PreconditionError{Reason: ReasonKnowingly, State: o.State, Detail: "the HIS order exists; say fulfilled to refund it all the same"}
		case o.openRefund() >= 0:
			return &PreconditionError{Reason: ReasonRefundInProgress, State: o.State}
		case r.Fen > left || left <= 0:
			return &PreconditionError{Reason: ReasonRefundTooMuch, State: o.State, Detail: fmt.Sprintf("%d fen are left", left)}
		case u.s.now().Sub(o.Payment.PaidAt) > refundReach:
			return &PreconditionError{Reason: ReasonNotPaid, State: o.State, Detail: "the payment is older than 365 days"}
		case len(o.Refunds) >= refundsAtMost:
			return &PreconditionError{Reason: ReasonRefundTooMuch, State: o.State, Detail: "too many refunds of one order"}
		case part && len(o.Refunds) > 0 && u.s.now().Sub(o.Refunds[len(o.Refunds)-1].StoredAt) < time.Minute:
			return &PreconditionError{Reason: ReasonRefundInProgress, State: o.State, Detail: "refunds of one order must be one minute apart"}
		}
	}
	if r.CancelHIS && (part || o.State != Fulfilled || o.ByHand) {
		return &InvalidError{Field: "cancel_his_order", Reason: "is for the whole refund of an order that hisgate fulfilled"}
	}
	was := o.State
	if _, err := u.fire(e, r.Actor, r.Reason); err != nil {
		return err
	}
	if part {
		u.storeRefund(RefundRecord{Fen: r.Fen, Reason: r.Reason, By: r.Actor})
		return nil
	}
	u.wantRefund(r.Reason, r.Actor, was == Fulfilled)
	o.CancelHIS = r.CancelHIS
	return nil
}

// dropNeverTaken ends the part of a FULFILLED order that WeChat refused and does
// not know, so that another refund can take its place. Should the request fail,
// the change is discarded with it.
func (u *unit) dropNeverTaken() {
	if u.o.State == Fulfilled {
		u.drop()
	}
}

// drop ends the open refund if WeChat refused it and does not know it.
func (u *unit) drop() {
	o := u.o
	if i := o.openRefund(); i >= 0 && o.Refunds[i].NeverTaken {
		r := &o.Refunds[i]
		r.Status, r.EndedAt, r.Evidence = RefundEnded, u.s.now(), "refused, never taken"
		u.said("REFUND_DROPPED", r.OutRefundNo)
	}
}

// wantRefund notes a person's decision to give everything back. The fence comes
// first, save for an order that its lock fulfilled and that is refunded knowingly [D1].
func (u *unit) wantRefund(reason, actor string, knowingly bool) {
	o := u.o
	if o.committedFen() > o.Payment.TotalFen {
		// Some went back in the merchant console since: only the rest can.
		u.withdraw()
		u.drop()
	}
	o.RefundWantedAt, o.RefundReason, o.RefundByPerson, o.RefundBy = u.s.now(), reason, true, actor
	o.WasFulfilled = o.WasFulfilled || knowingly
	o.Lock.Settled = false
	u.resend()
}

// resend lets a refund that WeChat refused be sent again, with the same number.
func (u *unit) resend() {
	if i := u.o.openRefund(); i >= 0 && u.o.Refunds[i].Status == RefundSent {
		r := &u.o.Refunds[i]
		r.Refused, r.AskNow, r.NextAt, r.Tries = "", false, u.s.now(), 0
		r.NeverTaken, r.WrongFen = false, 0
	}
	u.changed = true
}
