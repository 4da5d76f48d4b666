package simtest_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
)

// operate is the staff: now and then somebody looks at the cases and settles
// some, truthfully, by what the books of the HIS and of WeChat say.
func (w *world) operate(ctx context.Context) {
	for n := 0; ; n++ {
		r := w.dice.at("staff", n)
		pause := r.between(3*time.Minute, 25*time.Minute)
		if !w.troubled() {
			pause = r.between(10*time.Minute, time.Hour)
		}
		if !sleep(ctx, pause) {
			return
		}
		w.workCases(r)
		w.workLocks(r)
		if w.troubled() && r.chance(0.3) {
			w.refundFulfilled(r)
		}
		if r := w.dice.at("merchant console", n); w.troubled() && r.chance(0.3) {
			w.refundInConsole(r)
		}
	}
}

// refundInConsole is somebody who gives money back in the merchant console, for
// reasons of their own. It may take hours, come to nothing, or stick at the patient's
// account; WeChat's notice may come.
func (w *world) refundInConsole(r roll) {
	no := w.plan.orders[r.IntN(len(w.plan.orders))].no
	fen, refund := w.wechat.paidFor(no)
	if fen == 0 {
		return
	}
	part := pick(r, 1, (fen+1)/2, fen)
	end := pick(r, payflow.RefundSuccess, payflow.RefundSuccess, payflow.RefundClosed, payflow.RefundAbnormal)
	w.person(no, "refunded in the merchant console")
	_, err := w.wechat.refund(payflow.RefundIntent{OrderNo: no, OutRefundNo: refund, RefundFen: part, TotalFen: fen}, "console", r.between(time.Second, 3*time.Hour), end)
	w.staff("%s refunds %d of %d fen in the merchant console, which will end %s → %v", no, part, fen, end, err)
	if err != nil {
		return
	}
	w.tally.fault("staff: a refund in the merchant console ends " + string(end))
	if r.chance(0.7) {
		w.wechat.tellOf(refund)
	}
}

func (w *world) staff(format string, args ...any) { w.trace.say("staff", format, args...) }

// openCases are the open cases, most urgent first.
func (l *life) openCases(ctx context.Context) ([]payflow.Case, error) {
	cases, _, err := l.orders.ListCases(ctx, payflow.CaseQuery{OpenOnly: true, PageSize: 500})
	return cases, err
}

func (w *world) workCases(r roll) {
	var cases []payflow.Case
	if w.ask("staff", func(ctx context.Context, l *life) (err error) {
		cases, err = l.openCases(ctx)
		return err
	}) != nil {
		return
	}
	for i := range cases {
		// Most wait for a while, as in life.
		if w.troubled() && r.chance(0.4) {
			continue
		}
		w.settle(&cases[i], r)
	}
}

// settle does one thing with a case.
func (w *world) settle(c *payflow.Case, r roll) {
	verb := w.truthful(c, pick(r, c.Allowed...))
	ask := payflow.VerbRequest{CaseID: c.ID, Etag: c.Etag(), RequestID: fmt.Sprintf("q%d", r.Uint64()), Actor: "药师王"}
	var a payflow.CaseAnswer
	err := w.ask("staff", func(ctx context.Context, l *life) (err error) {
		switch verb {
		case payflow.VerbClaim:
			a, err = l.orders.Claim(ctx, ask)
		case payflow.VerbHandOver:
			a, err = l.orders.HandOver(ctx, payflow.HandOverRequest{VerbRequest: ask, To: "药师李"})
		case payflow.VerbRecheck:
			a, err = l.orders.Recheck(ctx, ask)
		case payflow.VerbRetry:
			a, err = l.orders.RetryFulfilment(ctx, ask)
		case payflow.VerbRefund:
			waits := c.Reason == payflow.CaseOverdue && c.OrderState == payflow.Refunding
			if (waits || c.Reason == payflow.CaseRefused) && w.fulfilledOnce(ctx, l, c.OrderNo) {
				// The HIS does not take its order back, or does not answer, and the
				// person knows.
				w.person(c.OrderNo, "refunded although the HIS did not cancel")
			}
			a, err = l.orders.RefundCase(ctx, payflow.RefundCaseRequest{VerbRequest: ask})
		case payflow.VerbMarkFulfilled:
			a, err = w.markFulfilled(ctx, l, c, ask)
		case payflow.VerbMarkRefunded:
			a, err = w.markRefunded(ctx, l, c, ask)
		case payflow.VerbSettle:
			if err = w.clear(ctx, l, c); err == nil {
				ask.Note = "两边已核对"
				a, err = l.orders.Settle(ctx, ask)
			}
		default:
			return nil
		}
		return err
	})
	w.staff("case %s %s (%s): %s → %s %v", c.ID, c.Reason, c.OrderState, verb, a.Next.EN, err)
	if err == nil && (verb == payflow.VerbRefund || verb == payflow.VerbRetry) {
		w.wish(c.OrderNo) // the case has ended, and what was decided has its time
	}
	if err == nil && verb != "" {
		w.tally.fault("staff: " + string(verb))
		w.said.verb(c.ID, ask.RequestID)
	}
	if c.Reason == payflow.CaseRefundLimit && r.chance(0.4) {
		w.resume(r)
	}
}

// truthful is the verb that fits what stands at the HIS: money for an order of
// which hisgate knows nothing any more goes back, unless the drugs are there.
func (w *world) truthful(c *payflow.Case, v payflow.Verb) payflow.Verb {
	if c.Detail == payflow.ErrForgotten.Error() && v != payflow.VerbClaim && v != payflow.VerbHandOver && v != payflow.VerbRecheck {
		switch {
		case len(w.hisNow(c.OrderNo)) > 0:
			return payflow.VerbMarkFulfilled
		case v == payflow.VerbRetry:
			return v
		}
		return payflow.VerbRefund
	}
	if c.Reason != payflow.CaseUnknownOrder || v != payflow.VerbSettle && v != payflow.VerbMarkRefunded {
		return v
	}
	if len(w.hisNow(c.OrderNo)) > 0 && w.wechat.paidFirst(c.OrderNo, c.TransactionID) {
		return payflow.VerbSettle
	}
	return payflow.VerbMarkRefunded
}

// clear is what a person does before they settle a case about the HIS: an order of
// which the money is back does not stand there, and the money of one that stands no
// more goes back. Whoever could not do that does not settle.
func (w *world) clear(ctx context.Context, l *life, c *payflow.Case) error {
	if (c.Reason == payflow.CaseHISCancelled || c.Reason == payflow.CaseHISMissing) && len(w.hisNow(c.OrderNo)) == 0 && !w.wechat.allBack(c.OrderNo) {
		w.wish(c.OrderNo)
		w.person(c.OrderNo, "refunded because its HIS order was gone")
		_, err := l.orders.Refund(ctx, payflow.RefundRequest{
			OrderNo: c.OrderNo, Reason: "HIS 已作废", Fulfilled: true, Actor: "药师王", RequestID: "gone " + c.ID,
		})
		w.staff("%s is refunded, its HIS order was cancelled → %v", c.OrderNo, err)
		return err
	}
	if c.Reason == payflow.CaseBillMismatch && c.TransactionID != "" && !w.own(ctx, c) {
		w.person(c.OrderNo, "refunded in the merchant console")
		w.wechat.console(c.OrderNo, c.TransactionID) // money that no order is for
		return nil
	}
	no := w.orderOf(c.OrderNo)
	if c.Reason != payflow.CaseHISUnmatched && c.Reason != payflow.CaseLockDoubt || !w.wechat.allBack(no) {
		return nil
	}
	w.person(no, "its HIS order was cancelled by hand")
	for _, o := range w.his.Books().Orders {
		if !ownNo(o.HisNo, no) {
			continue
		}
		for _, p := range o.Orders {
			if !p.Canceled {
				err := w.his.Driver().CancelOrder(ctx, o.HisNo, p.OrderNo)
				w.staff("%s cancels order %s at the HIS → %v", o.HisNo, p.OrderNo, err)
			}
		}
	}
	return nil
}

// orderOf is the order that a his_no is of.
func (w *world) orderOf(hisNo string) string {
	for i := range w.plan.orders {
		if no := w.plan.orders[i].no; ownNo(hisNo, no) {
			return no
		}
	}
	return hisNo
}

// own tells whether a case is about its order's own payment.
func (w *world) own(ctx context.Context, c *payflow.Case) bool {
	own := true
	_ = w.ask("staff", func(_ context.Context, l *life) error {
		o, err := l.orders.Get(ctx, "", c.OrderNo)
		switch {
		case errors.Is(err, payflow.ErrNotFound):
			own = w.wechat.paidFirst(c.OrderNo, c.TransactionID)
		case err == nil && o.Payment != nil:
			own = o.Payment.TransactionID == c.TransactionID
		}
		return err
	})
	return own
}

// fulfilledOnce tells whether the order is refunded knowingly.
func (w *world) fulfilledOnce(ctx context.Context, l *life, no string) bool {
	o, err := l.orders.Get(ctx, "", no)
	return err == nil && o.WasFulfilled
}

// markFulfilled is said only where the HIS has an order that stands.
func (w *world) markFulfilled(ctx context.Context, l *life, c *payflow.Case, ask payflow.VerbRequest) (payflow.CaseAnswer, error) {
	standing := w.hisNow(c.OrderNo)
	if len(standing) == 0 {
		return payflow.CaseAnswer{}, errNothing
	}
	return l.orders.MarkFulfilled(ctx, payflow.MarkFulfilledRequest{VerbRequest: ask, HisOrderNo: standing[0]})
}

var errNothing = fmt.Errorf("there is nothing to be said")

// markRefunded is said when the money has gone back in the merchant console: by
// the person who says it, right before. Where hisgate could still fulfil, the
// person first sees whether it would take the word.
func (w *world) markRefunded(ctx context.Context, l *life, c *payflow.Case, ask payflow.VerbRequest) (payflow.CaseAnswer, error) {
	if c.Reason == payflow.CaseUnknownOrder && c.TransactionID == "" {
		return l.orders.MarkRefunded(ctx, payflow.MarkRefundedRequest{VerbRequest: ask, Evidence: "nothing was paid"})
	}
	if w.wechat.underWay(c.OrderNo, c.TransactionID) {
		return payflow.CaseAnswer{}, errNothing // who says that it went back waits until it has
	}
	w.person(c.OrderNo, "refunded in the merchant console")
	evidence := w.wechat.console(c.OrderNo, c.TransactionID)
	if evidence == "" {
		evidence = "seen in the merchant console"
	}
	return l.orders.MarkRefunded(ctx, payflow.MarkRefundedRequest{VerbRequest: ask, Evidence: evidence})
}

func (w *world) resume(r roll) {
	err := w.ask("staff", func(ctx context.Context, l *life) error {
		a, err := l.orders.ResumeRefunds(ctx, payflow.ResumeRequest{
			Etag: l.orders.Stats().Brake.Etag, RequestID: fmt.Sprintf("b%d", r.Uint64()), Actor: "主任",
		})
		w.staff("resumes refunds: %d go on, %d wait", a.Resumed, a.Remaining)
		return err
	})
	if err == nil {
		w.tally.fault("staff: RESUME_REFUNDS")
	}
}

// refundFulfilled is an operator who knowingly gives money back for an order
// whose drugs are, or may be, handed out.
func (w *world) refundFulfilled(r roll) {
	p := &w.plan.orders[r.IntN(len(w.plan.orders))]
	_ = w.ask("staff", func(ctx context.Context, l *life) error {
		o, err := l.orders.Get(ctx, "", p.no)
		if err != nil || o.State != payflow.Fulfilled || o.Payment == nil {
			return err
		}
		fen := pick(r, 0, 1, o.Payment.TotalFen/2)
		w.wish(p.no)
		cancel := fen == 0 && !o.ByHand && l.gateway.CanCancel() && r.chance(0.6)
		if !cancel {
			w.person(p.no, "refunded knowingly")
		}
		_, err = l.orders.Refund(ctx, payflow.RefundRequest{
			OrderNo: p.no, Fen: fen, Reason: "患者退药", Fulfilled: true, Actor: "药师王", RequestID: fmt.Sprintf("r%d", r.Uint64()),
			CancelHIS: cancel,
		})
		w.staff("%s refunds %d fen of a fulfilled order, cancels it %v → %v", p.no, fen, cancel, err)
		if err == nil {
			w.tally.fault("staff: refund of a fulfilled order" + note(cancel, ", which the HIS is to cancel"))
		}
		return err
	})
}

// workLocks settles the locks that wait for a person: somebody looks at the HIS
// and says what is there.
func (w *world) workLocks(r roll) {
	var locks []lockstore.Lock
	if w.ask("staff", func(ctx context.Context, l *life) (err error) {
		locks, _, err = l.gateway.ListLocks(ctx, lockstore.Query{Cases: true, PageSize: 500})
		return err
	}) != nil {
		return
	}
	for i := range locks {
		if w.troubled() && r.chance(0.4) {
			continue
		}
		w.resolve(&locks[i])
	}
}

func (w *world) resolve(lk *lockstore.Lock) {
	b, _ := w.his.Books().Order(lk.HISNo)
	if standing := w.hisNow(lk.OrderNo); lk.AskFirst && lk.Status != lockstore.Releasing && len(standing) > 0 {
		// Made before the ledger was restored, maybe under the number of a later
		// attempt: this is the patient's order.
		w.resolved(lk, b.State, true, standing[0])
		return
	}
	applied, no := b.State == hisadapter.Deducted, ""
	if applied {
		for _, o := range b.Orders {
			if !o.Canceled {
				no = o.OrderNo
			}
		}
	}
	switch lk.Status {
	case lockstore.Pending:
		applied = applied || b.State == hisadapter.Frozen
	case lockstore.Locked, lockstore.Releasing, lockstore.Released:
		if applied { // nobody wants this order: it is cancelled at the HIS
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			err := w.his.Driver().CancelOrder(ctx, lk.HISNo, no)
			w.staff("%s cancels order %s at the HIS → %v", lk.HISNo, no, err)
			applied, no = false, ""
		}
		if lk.Status == lockstore.Releasing {
			applied = b.State != hisadapter.Frozen // was it given back
		}
	}
	w.resolved(lk, b.State, applied, no)
}

// resolved is a person's word on a lock.
func (w *world) resolved(lk *lockstore.Lock, his hisadapter.State, applied bool, no string) {
	err := w.ask("staff", func(ctx context.Context, l *life) error {
		_, err := l.gateway.Resolve(ctx, lk.ID(), applied, no, "药师王")
		return err
	})
	w.staff("%s is %v and waits (%s); the HIS says %v: applied %v %s → %v", lk.HISNo, lk.Status, lk.CaseReason, his, applied, no, err)
	if err == nil {
		w.tally.fault("staff: a lock is resolved, applied " + fmt.Sprint(applied))
	}
}
