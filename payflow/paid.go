package payflow

import (
	"fmt"
	"time"
)

// applyPaid is the one place where money counts: for callback, query and the
// race at closing alike. What is wrong becomes a case and never a confirmation
// [D4]; a repeat changes nothing.
func (u *unit) applyPaid(tx Transaction, source string) error {
	o, now := u.o, u.s.now()
	switch {
	case o.Payment != nil && o.Payment.TransactionID == tx.TransactionID:
		return u.paidSame(tx)
	case u.disputed(tx.TransactionID) != nil:
		return u.paidDisputed(tx)
	case o.Payment != nil:
		return u.dispute(evPaidAgain, CaseSecondPayment, tx, "a second transaction for this order")
	}
	if wrong := u.wrongWith(tx); wrong != "" {
		return u.dispute(evPaidWrong, CaseWrongPayment, tx, wrong)
	}
	evidence, err := u.wentBack(tx.TransactionID)
	if err != nil {
		return err
	}
	late := o.State == Closed
	o.Payment = &Payment{
		TransactionID: tx.TransactionID, TotalFen: tx.TotalFen, AppID: tx.AppID,
		PaidAt: tx.PaidAt, KnownAt: now, Source: source,
	}
	if o.Payment.PaidAt.IsZero() {
		o.Payment.PaidAt = now
	}
	if since, waited := u.nowKnown(tx.TransactionID); waited {
		o.Payment.KnownAt = since
	}
	u.later(func(l Logger) {
		l.Info("payment", "order_no", o.No, "result", "paid", "transaction_id", tx.TransactionID, "source", source, "late", late)
	})
	detail := fmt.Sprintf("%s, %d fen, %s", source, tx.TotalFen, tx.TransactionID)
	switch {
	case tx.State == TradeRefund || len(o.Elsewhere) > 0 || evidence != "":
		// Someone refunded it in the merchant console, and the notice of that may
		// have overtaken this one; or gave it back by another way, while the order was
		// not known here. A person must say whether the drugs are still to be given.
		if evidence != "" {
			detail += "; a person had noted that it went back: " + evidence
		}
		if err := u.happened(evPaidElsewhere, detail); err != nil {
			return err
		}
		if c := u.openedCase(u.openOf(CaseConsoleRefund)); c != nil && c.TransactionID == "" {
			c.TransactionID = tx.TransactionID // it was opened when no payment was known
			u.cases[c.ID] = c
		}
		u.openCase(CaseConsoleRefund, caseFacts{Detail: detail, TransactionID: tx.TransactionID, Fen: tx.TotalFen})
		o.ElsewhereUntold = len(o.Elsewhere) == 0
	case o.State == Rejected:
		if err := u.happened(evPaid, detail); err != nil {
			return err
		}
		u.openCase(CaseRejectedPaid, caseFacts{Detail: detail, TransactionID: tx.TransactionID, Fen: tx.TotalFen})
	case late:
		return u.paidLate(detail)
	default:
		if err := u.happened(evPaid, detail); err != nil {
			return err
		}
		o.EndReason = ""
	}
	return nil
}

// nowKnown ends the case of money for an order that was not known here: now it is,
// as its payment or as one in dispute, and two cases would be two refunds. since is
// when hisgate learned of the money.
func (u *unit) nowKnown(transactionID string) (since time.Time, waited bool) {
	if c := u.openedCase("X." + transactionID); c != nil {
		since, waited = c.OpenedAt, true
		u.closeCase(c, worker, Words{ZH: "订单现已在系统中，该款由订单处理", EN: "the order is known here now, and sees to the money"})
	}
	return since, waited
}

// wentBack is the evidence that money went back by a person's word, when it came for
// an order that was not known here then; "" = nobody said so.
func (u *unit) wentBack(transactionID string) (evidence string, err error) {
	c, err := u.s.findCase("X." + transactionID)
	if err != nil || c == nil || c.Open {
		return "", err
	}
	for i := range c.Audit {
		if c.Audit[i].Verb == VerbMarkRefunded {
			return c.Outcome, nil
		}
	}
	return "", nil
}

// paidLate takes the stock again for money on a CLOSED order, unless the patient
// cancelled or the prescription lives elsewhere: then the money goes back at
// once [D5].
func (u *unit) paidLate(detail string) error {
	o := u.o
	u.lockJudge() // two late payments of one prescription must not both pass
	why := ""
	if o.Cancelled {
		why = "the order was cancelled"
	} else if rx := o.Attributes[attributeRx]; rx != "" {
		other, err := u.s.liveElsewhere(rx, o.No)
		if err != nil {
			return err
		}
		if other != "" {
			why = "the prescription is served by order " + other
		}
	}
	if why != "" {
		o.RefundWantedAt, o.RefundReason, o.Lock.Settled = u.s.now(), textRefundLate, false
		return u.happened(evPaidUnwanted, detail+"; "+why)
	}
	o.EndReason = ""
	return u.happened(evPaid, detail+"; late")
}

// wrongWith says what of a verified transaction does not fit the order.
func (u *unit) wrongWith(tx Transaction) string {
	o, set := u.o, u.s.set
	switch {
	case tx.TransactionID == "":
		return "no transaction id"
	case tx.TotalFen != o.Amount.TotalFen || !u.priceKnown():
		return fmt.Sprintf("%d fen paid, %d fen asked", tx.TotalFen, o.Amount.TotalFen)
	case tx.Currency != "" && tx.Currency != "CNY":
		return "currency " + cut(tx.Currency, 8)
	case tx.MchID != "" && set.MchID != "" && tx.MchID != set.MchID:
		return "merchant " + cut(tx.MchID, 32)
	case tx.AppID != "" && o.Terms != nil && tx.AppID != o.Terms.AppID:
		return "appid " + cut(tx.AppID, 32)
	default:
		return ""
	}
}

// priceKnown tells whether the order's amount is final. One of before a restore, that
// comes again with its amounts given, was priced then [B9].
func (u *unit) priceKnown() bool {
	return u.o.Priced || u.o.Given && u.s.restored().asksAbout(u.o)
}

// paidSame is the known transaction again. If it was refunded and we never sent a
// refund, somebody did in the merchant console.
func (u *unit) paidSame(tx Transaction) error {
	told := u.o.ElsewhereUntold || len(u.o.Elsewhere) > 0
	if tx.State == TradeRefund && noMoneyOut(u.o) == "" && u.o.PersonRefund == "" && !told {
		if _, err := u.fire(evPaidElsewhere, "", tx.TransactionID); err != nil {
			return err
		}
		u.openCase(CaseConsoleRefund, caseFacts{TransactionID: tx.TransactionID, Fen: tx.TotalFen})
		u.o.ElsewhereUntold = true
	}
	if u.o.State == Closing || u.o.State == AwaitingPayment {
		u.fail(opQuery, kindPending, "", "a known payment in a state without one")
	}
	return nil
}

// disputed finds money that already has its case.
func (u *unit) disputed(transactionID string) *Dispute {
	for i := range u.o.Disputes {
		if d := &u.o.Disputes[i]; d.TransactionID == transactionID {
			return d
		}
	}
	return nil
}

const disputesMax = 20

// dispute keeps wrong money apart and opens a case; the state stays.
func (u *unit) dispute(e event, reason CaseReason, tx Transaction, detail string) error {
	referred, err := u.fire(e, "", detail)
	if err != nil {
		return err
	}
	if !referred {
		return &faultError{OrderNo: u.no, State: u.o.State, Event: e}
	}
	if len(u.o.Disputes) < disputesMax {
		u.nowKnown(tx.TransactionID)
		u.o.Disputes = append(u.o.Disputes, Dispute{
			Reason: reason, TransactionID: tx.TransactionID, TotalFen: tx.TotalFen, At: u.s.now(), Unpriced: !u.priceKnown(),
		})
	}
	u.said(string(e), detail)
	u.openCase(reason, caseFacts{Detail: detail, TransactionID: tx.TransactionID, Fen: tx.TotalFen})
	u.later(func(l Logger) {
		l.Warn("payment", "order_no", u.no, "result", reason, "transaction_id", tx.TransactionID)
	})
	if u.o.State == AwaitingPayment || u.o.State == Closing {
		u.o.NextAt = u.s.now().Add(disputePoll)
	}
	return nil
}

// disputePoll is how often WeChat is asked about an order that wrong money keeps
// from closing.
const disputePoll = 5 * time.Minute

// paidDisputed is known wrong money again. Once a person has given evidence that
// it went back, the order can be closed: WeChat takes no second payment for it.
func (u *unit) paidDisputed(tx Transaction) error {
	d, o := u.disputed(tx.TransactionID), u.o
	switch {
	case o.State == Closing && d.Settled:
		return u.happened(evClosed, "the wrong payment went back")
	case o.State == Closing || o.State == AwaitingPayment:
		u.said("ASKED_WECHAT", "still the wrong payment")
		o.NextAt = u.s.now().Add(disputePoll)
	}
	return nil
}
