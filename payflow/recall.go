package payflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// stepRecall asks WeChat Pay what became of an order that it may know more of than
// a restored store: was it paid, and what was refunded under the numbers that
// hisgate would use [B9]. Nothing else is done with the order before that. All is
// asked before anything is judged.
func (u *unit) stepRecall(ctx context.Context) error {
	o := u.o
	tx, err := u.askTransaction(ctx)
	unheard := refusedWith(err, codeNotExist)
	if err != nil && !unheard {
		u.retryLater(opQuery, err)
		return nil
	}
	paid := !unheard && tx.paid()
	var refunds []recalledRefund
	if paid || o.Payment != nil {
		if refunds, err = u.askRefunds(ctx, tx.State == TradeRefund); err != nil {
			u.retryLater(opRefundQuery, err)
			return nil
		}
	}
	if paid && !o.Priced && !u.priceRecalled(ctx) {
		return nil
	}
	o.RecalledFor = u.s.restored().At
	o.Lock.Checked = false // whoever looked at the HIS did so before the disk was lost
	if o.State == Refunding {
		o.Lock.Settled = false // it may have been fulfilled since: the fence is asked anew [D1]
	}
	o.NextAt, o.Tries, o.Trouble = u.s.now(), 0, nil
	word := codeNotExist
	if !unheard {
		word = string(tx.State)
	}
	u.said("RECALLED", fmt.Sprintf("WeChat: %s, %d refunds", word, len(refunds)))
	switch {
	case paid:
		if len(refunds) > 0 {
			tx.State = TradeSuccess // the money went back through us, not in the merchant console
		}
		since, fits := u.fitsAfterAll(tx)
		if err := u.applyPaid(tx, "query"); err != nil {
			return err
		}
		if fits {
			o.Payment.KnownAt = since
		}
	case !unheard && o.Prepay == nil && (o.State == Created || o.State == Locked):
		return u.closeForgotten()
	}
	if o.Payment == nil {
		return nil
	}
	if o.State == NeedsAttention && o.HisOrderNo == "" && o.fenced() && u.deductedBefore() {
		// Whoever decides goes by what is open: also that must be looked at.
		u.openCase(CaseLockDoubt, caseFacts{Detail: ErrForgotten.Error()})
	}
	return u.adoptRefunds(refunds)
}

// fitsAfterAll takes money out of dispute whose notice came before the order had its
// price back: now it is known to be the order's payment. since is when hisgate learned
// of it.
func (u *unit) fitsAfterAll(tx Transaction) (since time.Time, fits bool) {
	o := u.o
	d := u.disputed(tx.TransactionID)
	if o.Payment != nil || d == nil || !d.Unpriced || d.Settled || u.wrongWith(tx) != "" {
		return since, false
	}
	since = d.At
	o.Disputes = slices.DeleteFunc(o.Disputes, func(q Dispute) bool { return q.TransactionID == tx.TransactionID })
	for _, id := range slices.Clone(o.OpenCases) {
		if c := u.openedCase(id); c != nil && c.Reason == CaseWrongPayment && c.TransactionID == tx.TransactionID {
			u.closeCase(c, worker, Words{ZH: "订单金额已核实，该款即订单付款", EN: "the order has its price again, and this is its payment"})
		}
	}
	u.said("PAYMENT_FITS", tx.TransactionID)
	return since, true
}

// closeForgotten ends an order for which WeChat has a payment that this store never
// asked for: before the restore it did, in bytes that nobody remembers. It cannot
// be repeated, and must not be left open.
func (u *unit) closeForgotten() error {
	o := u.o
	o.Prepay = &PrepayRecord{MchID: u.s.set.MchID, TimeExpire: wholeSecond(u.s.now().Add(maxWindow)), StoredAt: u.s.now()}
	o.EndReason = ReasonNotPayable
	return u.happened(evDeadline, "WeChat holds a payment of before the restore from a backup")
}

// priceRecalled prices an order that was paid before this store heard of it. It
// returns false when that must be tried again.
func (u *unit) priceRecalled(ctx context.Context) bool {
	o := u.o
	if o.Given {
		o.Priced = true
		return true
	}
	lines, all, _, err := u.askStock(ctx, false)
	if err == nil && !all {
		err = ErrUnavailable
	}
	if err != nil {
		u.retryLater(opCheck, err)
		return false
	}
	u.price(lines) // without a price the payment becomes a case
	return true
}

// recalledRefund is a refund that WeChat knows under one of our numbers.
type recalledRefund struct {
	generation int
	answer     RefundAnswer
}

// askRefunds asks WeChat for every refund under a number that this order has used,
// or would use next. searching, some money went back, so that a number which was
// given up unused does not end the search.
func (u *unit) askRefunds(ctx context.Context, searching bool) ([]recalledRefund, error) {
	o := u.o
	var found []recalledRefund
	last := len(o.Refunds) + 1
	if searching {
		last = len(o.Refunds) + generationsMax
	}
	for g := 1; g <= min(last, refundsAtMost); g++ {
		if g <= len(o.Refunds) && !o.Refunds[g-1].open() {
			continue
		}
		no := outRefundNo(o.No, g)
		a, err := u.askRefundNo(ctx, no)
		switch {
		case refusedWith(err, refundNotExist()...):
			continue
		case err != nil:
			return nil, err
		case a.OutRefundNo != no:
			return nil, errors.New("the answer is about another refund")
		}
		found = append(found, recalledRefund{g, a})
		last = max(last, g+1)
	}
	return found, nil
}

// adoptRefunds takes over the refunds that WeChat knows and this store forgot, each
// under its own number, so that none is sent again. A number begins only when the
// one before it came to nothing: what is closed and has a successor is not made up
// for once more.
func (u *unit) adoptRefunds(found []recalledRefund) error {
	o, now := u.o, u.s.now()
	answers, last := map[int]RefundAnswer{}, 0
	for _, f := range found {
		answers[f.generation], last = f.answer, f.generation
	}
	for g := 1; g <= last; g++ {
		if g > len(o.Refunds) {
			o.Refunds = append(o.Refunds, RefundRecord{Generation: g, OutRefundNo: outRefundNo(o.No, g), StoredAt: now, Status: RefundStored})
		}
		r := &o.Refunds[g-1]
		switch a, known := answers[g]; {
		case !r.open():
		case known:
			u.adopt(r, a, g == last)
		default:
			r.NeverTaken = r.Status != RefundStored
			r.Status, r.EndedAt, r.Evidence = RefundEnded, now, "never sent, or never taken"
		}
	}
	if len(found) == 0 {
		return nil
	}
	if o.goesBack() {
		if o.State == Fulfilled {
			o.WasFulfilled = true
		}
		if o.RefundWantedAt.IsZero() {
			o.RefundWantedAt, o.RefundReason = now, textRefundRecalled
		}
		if err := u.happened(evRefundFound, ""); err != nil {
			return err
		}
	}
	for _, f := range found {
		if !o.Refunds[f.generation-1].open() {
			continue
		}
		if err := u.refundSaid(f.generation-1, f.answer, true); err != nil {
			return err
		}
	}
	if o.State == Paid && o.Gone == nil && noMoneyOut(o) != "" {
		// An operator's part of an order that was fulfilled since, or what was left after a
		// refund in the merchant console: the HIS knows which. It is not fulfilled anew.
		o.Gone = &Rejection{Reason: rejectedMoneyOut, Detail: "money of the order had gone back before the restore", At: now}
	}
	return nil
}

// adopt takes one of them over; last, no later number is known.
func (u *unit) adopt(r *RefundRecord, a RefundAnswer, last bool) {
	o, now := u.o, u.s.now()
	o.Elsewhere = slices.DeleteFunc(o.Elsewhere, func(f ForeignRefund) bool { return f.OutRefundNo == r.OutRefundNo })
	switch {
	case r.Fen == 0:
		r.Fen, r.Full, r.Reason = a.RefundFen, a.RefundFen == o.leftFen(), textRefundRecalled
		r.SentAt = o.Payment.PaidAt // not before: nobody remembers when
	case r.SentAt.IsZero():
		r.SentAt = r.StoredAt
	}
	if r.AcceptedAt.IsZero() {
		r.AcceptedAt = r.takenAt(a, now)
		if r.Reason == textRefundRecalled && !a.TakenAt.IsZero() {
			r.SentAt = r.AcceptedAt
		}
	}
	switch {
	case a.State == RefundClosed && !last:
		r.Status, r.EndedAt, r.AskNow = RefundEnded, now, false
		u.said("REFUND_CLOSED", r.OutRefundNo)
	case r.Status == RefundStored:
		r.Status = RefundSent
	}
}

// goesBack tells whether the refund of all that was left is among the refunds.
func (o *Order) goesBack() bool {
	for i := range o.Refunds {
		if r := &o.Refunds[i]; r.Full && r.Status == RefundSent {
			return true
		}
	}
	return false
}
