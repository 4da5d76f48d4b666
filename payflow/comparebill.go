package payflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// row compares one row of the bill. An error ends the run: WeChat could not be
// asked about it, or the store failed.
func (c *comparison) row(ctx context.Context, r *BillRow) error {
	if !validOrderNo(r.OrderNo) { // no order of ours has such a number, nor could WeChat be asked about it
		c.report.BillOthers++
		return nil
	}
	o, _, err := c.s.load(r.OrderNo)
	if err != nil {
		return err
	}
	switch {
	case o == nil && !c.mayBeOurs(r):
		c.report.BillOthers++
		return nil
	case !r.refund() && r.State != "SUCCESS":
		c.revoked++
		return nil
	}
	if r.refund() {
		c.report.BillRefunds.add(r.RefundFen)
		return c.refundRow(ctx, o, r)
	}
	c.report.BillPayments.add(r.OrderFen)
	return c.paymentRow(ctx, o, r)
}

// mayBeOurs tells whether a row of an order that we do not know could be of one
// that we should know. A merchant may have other systems.
func (c *comparison) mayBeOurs(r *BillRow) bool {
	set := &c.s.set
	if !strings.HasPrefix(r.OrderNo, set.ReconcilePrefix) {
		return false
	}
	return len(set.AppIDs) == 0 || r.AppID == "" || slices.Contains(set.AppIDs, r.AppID)
}

func (c *comparison) paymentRow(ctx context.Context, o *Order, r *BillRow) error {
	delete(c.payments, r.TransactionID)
	d := Difference{OrderNo: r.OrderNo, TransactionID: r.TransactionID, TheirsFen: r.OrderFen}
	switch {
	case o == nil:
		return c.unknownPayment(ctx, d)
	case o.Payment != nil && o.Payment.TransactionID == r.TransactionID:
		if d.OursFen = o.Payment.TotalFen; d.OursFen != r.OrderFen {
			d.Kind, d.Detail = DiffAmount, fmt.Sprintf("WeChat's bill names %d fen, paid here are %d", r.OrderFen, d.OursFen)
			return c.caseFor(ctx, d, "p."+r.TransactionID, CaseBillMismatch)
		}
		c.report.Matched++
		switch due := dayOf(o.Payment.PaidAt); {
		case due < c.day: // it may have been missed in the bill of its own day
			return c.seenLate(ctx, o, "p."+r.TransactionID)
		case due > c.day: // its notice told no time, and came after midnight
			c.report.SeenEarly = append(c.report.SeenEarly, "p."+r.TransactionID)
		}
		return nil
	case slices.ContainsFunc(o.Disputes, func(q Dispute) bool { return q.TransactionID == r.TransactionID }):
		c.report.Matched++ // it has its case
		return nil
	}
	return c.unnoticedPayment(ctx, d)
}

// unknownPayment is money for an order that is not here [D4]: a case, once WeChat
// has confirmed it.
func (c *comparison) unknownPayment(ctx context.Context, d Difference) error {
	d.Kind, d.CaseID = DiffUnknownPayment, "X."+d.TransactionID
	d.Detail = "in WeChat's bill, and no such order here"
	known, err := c.s.findCase(d.CaseID)
	if err != nil {
		return err
	}
	if known != nil {
		c.report.find(d)
		return nil
	}
	if c.newCases >= newCasesMax {
		d.CaseID = ""
		d.Detail += " (no case yet: too many in one run)"
		c.report.find(d)
		return nil
	}
	c.newCases++
	tx, err := c.query(ctx, d.TransactionID)
	switch {
	case refusedWith(err, codeNotExist), err == nil && !confirms(tx, d):
		return c.contradicted(ctx, d, "p."+d.TransactionID)
	case err != nil:
		return err
	}
	if err := c.s.underKey(ctx, d.OrderNo, func(u *unit) error {
		if u.o != nil { // made while WeChat was asked: it sees to its money
			d.Kind, d.CaseID, d.Detail = DiffUnnoticed, "", "paid at WeChat before the order was known here; applied"
			return u.applyPaid(tx, "bill")
		}
		return u.unknownOrder(&letter{Payment: &tx})
	}); err != nil {
		return c.notApplied(d, err)
	}
	c.report.find(d)
	return nil
}

// unnoticedPayment is money that the order does not know: the callback got lost,
// and so did all queries. WeChat's verified answer is applied like any other.
func (c *comparison) unnoticedPayment(ctx context.Context, d Difference) error {
	tx, err := c.query(ctx, d.TransactionID)
	switch {
	case refusedWith(err, codeNotExist), err == nil && !confirms(tx, d):
		return c.contradicted(ctx, d, "p."+d.TransactionID)
	case err != nil:
		return err
	}
	var was State
	if err := c.s.underKey(ctx, d.OrderNo, func(u *unit) error {
		was = u.o.State
		return u.applyPaid(tx, "bill")
	}); err != nil {
		return c.notApplied(d, err)
	}
	d.Kind, d.Detail = DiffUnnoticed, fmt.Sprintf("paid at WeChat, and the order was %s; applied", was)
	c.report.find(d)
	return nil
}

// notApplied keeps an order that cannot take what WeChat says from ending the run;
// the storage's failure ends it.
func (c *comparison) notApplied(d Difference, err error) error {
	if _, fault := asType[*faultError](err); !fault {
		return err
	}
	d.Kind, d.Detail = DiffState, err.Error()
	c.report.find(d)
	return nil
}

// contradicted: the bill and WeChat's own verified answer do not agree.
func (c *comparison) contradicted(ctx context.Context, d Difference, about string) error {
	d.Kind, d.CaseID = DiffState, ""
	d.Detail = "in WeChat's bill, and WeChat's answer about it says otherwise"
	return c.caseFor(ctx, d, about, CaseBillMismatch)
}

func (c *comparison) refundRow(ctx context.Context, o *Order, r *BillRow) error {
	d := Difference{OrderNo: r.OrderNo, TransactionID: r.TransactionID, OutRefundNo: r.OutRefundNo, TheirsFen: r.RefundFen}
	if o == nil {
		return c.unknownRefund(ctx, d)
	}
	is := func(q RefundRecord) bool { return q.OutRefundNo == r.OutRefundNo }
	i := slices.IndexFunc(o.Refunds, is)
	if i < 0 && o.numbers(r.OutRefundNo) { // ours: sent between a backup and its restore [B9]
		if err := c.s.recalled(ctx, o.No); err != nil {
			return fmt.Errorf("%w: %w", errNotAsked, err)
		}
		again, _, err := c.s.load(o.No)
		if err != nil {
			return err
		}
		o, i = again, slices.IndexFunc(again.Refunds, is)
	}
	if i < 0 {
		return c.consoleRefund(ctx, o, d, RefundState(r.RefundState))
	}
	q := &o.Refunds[i]
	delete(c.refunds, r.OutRefundNo)
	if q.AcceptedAt.IsZero() || q.due() > c.day {
		c.report.SeenEarly = append(c.report.SeenEarly, r.OutRefundNo)
	}
	d.OursFen = q.Fen
	if q.Fen != r.RefundFen {
		d.Kind, d.Detail = DiffAmount, fmt.Sprintf("WeChat's bill names %d fen, sent were %d", r.RefundFen, q.Fen)
		return c.caseFor(ctx, d, "r."+r.OutRefundNo, CaseBillMismatch)
	}
	if agree(o, q, r.RefundState) {
		c.report.Matched++
		if !q.AcceptedAt.IsZero() && q.due() < c.day {
			return c.seenLate(ctx, o, "r."+r.OutRefundNo)
		}
		return nil
	}
	return c.unnoticedRefund(ctx, d, q.Status)
}

// agree tells whether the bill's word on an order's refund fits ours, which may be
// newer. One that WeChat could not pay out, and a person saw to, there or by another
// way, is paid out by the person's word.
func agree(o *Order, q *RefundRecord, said string) bool {
	switch RefundState(said) {
	case RefundSuccess:
		return q.Status == RefundDone || q.Status == RefundEnded && o.PersonRefund != "" && q.Evidence == o.PersonRefund
	case RefundProcessing:
		return q.Status != RefundStored && !q.NeverTaken
	default: // FAIL, CLOSED, ABNORMAL
		return q.Status == RefundEnded || q.Status == RefundFailed || q.Status == RefundDone && q.Evidence != ""
	}
}

// unnoticedRefund asks WeChat about a refund of ours of which the bill says
// something else, and applies the answer.
func (c *comparison) unnoticedRefund(ctx context.Context, d Difference, was RefundStatus) error {
	a, err := c.queryRefund(ctx, d.OutRefundNo)
	switch {
	case refusedWith(err, refundNotExist()...):
		return c.contradicted(ctx, d, "r."+d.OutRefundNo)
	case err != nil:
		return err
	}
	var q RefundRecord
	agrees := false
	if err := c.s.underKey(ctx, d.OrderNo, func(u *unit) error {
		i := slices.IndexFunc(u.o.Refunds, func(q RefundRecord) bool { return q.OutRefundNo == d.OutRefundNo })
		if u.o.Refunds[i].open() {
			if err := u.refundAsked(i, a, nil); err != nil {
				return err
			}
		}
		q = u.o.Refunds[i]
		agrees = agree(u.o, &q, string(a.State))
		return nil
	}); err != nil {
		return c.notApplied(d, err)
	}
	if !agrees {
		d.Kind, d.Detail = DiffState, fmt.Sprintf("the refund is %s here, and %s at WeChat", q.Status, a.State)
		return c.caseFor(ctx, d, "r."+d.OutRefundNo, CaseBillMismatch)
	}
	if q.Status == was {
		c.report.Matched++ // the bill was written before what both sides know now
		return nil
	}
	d.Kind, d.Detail = DiffUnnoticed, fmt.Sprintf("the refund was %s here, and %s at WeChat; applied", was, a.State)
	c.report.find(d)
	return nil
}

// consoleRefund is a refund of our order that somebody made in the merchant
// console: the same path as its notice, so that it becomes a case once. said is the
// bill's word on where it stands.
func (c *comparison) consoleRefund(ctx context.Context, o *Order, d Difference, said RefundState) error {
	if slices.ContainsFunc(o.Disputes, func(q Dispute) bool { return q.TransactionID == d.TransactionID }) {
		c.report.Matched++ // wrong money that goes back, as its case asks for
		return nil
	}
	d.Kind, d.Detail = DiffElsewhere, "refunded in the merchant console"
	i := slices.IndexFunc(o.Elsewhere, func(f ForeignRefund) bool { return f.OutRefundNo == d.OutRefundNo })
	if i >= 0 && o.Elsewhere[i].State == said {
		d.CaseID = o.Elsewhere[i].CaseID
		c.report.find(d)
		return nil
	}
	a, err := c.queryRefund(ctx, d.OutRefundNo)
	switch {
	case refusedWith(err, refundNotExist()...), err == nil && a.OrderNo != "" && a.OrderNo != d.OrderNo:
		return c.contradicted(ctx, d, "r."+d.OutRefundNo)
	case err != nil:
		return err
	}
	if err := c.s.underKey(ctx, d.OrderNo, func(u *unit) error {
		if err := u.refundNotice(a); err != nil {
			return err
		}
		if i := slices.IndexFunc(u.o.Elsewhere, func(f ForeignRefund) bool { return f.OutRefundNo == d.OutRefundNo }); i >= 0 {
			d.CaseID = u.o.Elsewhere[i].CaseID
		}
		return nil
	}); err != nil {
		return c.notApplied(d, err)
	}
	c.report.find(d)
	return nil
}

// unknownRefund is a refund of an order that is not here.
func (c *comparison) unknownRefund(ctx context.Context, d Difference) error {
	d.Kind, d.CaseID = DiffUnknownRefund, "X."+d.TransactionID // of the payment, when that has one
	d.Detail = "a refund in WeChat's bill, of no order here"
	known, err := c.s.findCase(d.CaseID)
	if err == nil && known == nil {
		d.CaseID = "X." + d.OutRefundNo
		known, err = c.s.findCase(d.CaseID)
	}
	if err != nil {
		return err
	}
	if known == nil && c.newCases >= newCasesMax {
		d.CaseID = ""
		d.Detail += " (no case yet: too many in one run)"
	} else if known == nil {
		c.newCases++
		a, err := c.queryRefund(ctx, d.OutRefundNo)
		switch {
		case refusedWith(err, refundNotExist()...):
			return c.contradicted(ctx, d, "r."+d.OutRefundNo)
		case err != nil:
			return err
		}
		if err := c.s.underKey(ctx, d.OrderNo, func(u *unit) error {
			if u.o != nil { // made while WeChat was asked
				d.Kind, d.CaseID, d.Detail = DiffElsewhere, "", "refunded before the order was known here"
				return u.refundNotice(a)
			}
			return u.unknownOrder(&letter{Refund: &a})
		}); err != nil {
			return c.notApplied(d, err)
		}
	}
	c.report.find(d)
	return nil
}

// seenLate is a row of something that the bill of its own day may have missed: the
// case of that ends, and no further run over that day begins it again.
func (c *comparison) seenLate(ctx context.Context, o *Order, what string) error {
	c.report.SeenLate = append(c.report.SeenLate, what)
	id := "R." + string(CaseBillMissing) + "." + what
	for _, open := range o.OpenCases {
		if open == id || strings.HasPrefix(open, id+".") {
			return c.s.agrees(ctx, o.No, open)
		}
	}
	return nil
}

var errNotAsked = errors.New("WeChat could not be asked about a row of the bill")

// confirms tells whether WeChat's answer is about the payment that the bill has.
func confirms(tx Transaction, d Difference) bool {
	return tx.paid() && tx.TransactionID == d.TransactionID && tx.OrderNo == d.OrderNo
}

// query asks about a payment by WeChat's number: by the order's number WeChat tells of
// one of its payments only.
func (c *comparison) query(ctx context.Context, transactionID string) (tx Transaction, err error) {
	err = c.s.outside(ctx, opQuery, c.s.set.PayTimeout, func(ctx context.Context) (err error) {
		tx, err = c.s.pay.QueryTransaction(ctx, transactionID)
		return err
	})
	return tx, asked(err)
}

func (c *comparison) queryRefund(ctx context.Context, no string) (a RefundAnswer, err error) {
	err = c.s.outside(ctx, opRefundQuery, c.s.set.PayTimeout, func(ctx context.Context) (err error) {
		a, err = c.s.pay.QueryRefund(ctx, no)
		return err
	})
	return a, asked(err)
}

// asked tells WeChat's own refusal from a question that got no answer.
func asked(err error) error {
	if err == nil || outcomeOf(err) == kindRefused {
		return err
	}
	return fmt.Errorf("%w: %w", errNotAsked, err)
}
