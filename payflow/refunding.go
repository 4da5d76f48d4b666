package payflow

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// committedFen is what refunds have taken of the payment: all that are done or
// may still pay out, also those made in the merchant console. Nothing is sent that
// would make it exceed what was paid [D7].
func (o *Order) committedFen() int64 {
	sum := o.elsewhereFen()
	for i := range o.Refunds {
		if o.Refunds[i].Status != RefundEnded {
			sum += o.Refunds[i].Fen
		}
	}
	return sum
}

// leftFen is what may still be refunded.
func (o *Order) leftFen() int64 {
	if o.Payment == nil {
		return 0
	}
	return max(o.Payment.TotalFen-o.committedFen(), 0)
}

// generationsMax: so many refunds that WeChat ended without paying out are
// enough; then a person looks, and may have it tried as often again.
const generationsMax = 4

// stepStoreRefund writes the refund of all that is left into the order, before
// anything is sent. The first automatic one passes the hourly limit here, in the
// same durable step [D6].
func (u *unit) stepStoreRefund() error {
	o, now := u.o, u.s.now()
	left := o.leftFen()
	if left <= 0 {
		return u.moneyBack("nothing is left to refund")
	}
	ended := o.endedRefunds(time.Time{})
	switch {
	case now.Sub(o.Payment.PaidAt) > refundReach:
		return u.cannotRefund(CaseRefundRefused, "the payment is older than 365 days")
	case len(o.Refunds) >= refundsAtMost || o.endedRefunds(o.RefundWantedAt) >= generationsMax:
		return u.cannotRefund(CaseRefundRefused, fmt.Sprintf("%d refunds ended without paying out", ended))
	}
	if !o.RefundByPerson && ended == 0 {
		open, err := u.takeBrake()
		if err != nil {
			return err
		}
		if !open {
			u.alert(Alert{Name: "refund_limit", Severity: P1, Detail: fmt.Sprintf("%d automatic refunds in an hour", u.s.set.AutoRefundsPerHour)})
			return u.cannotRefund(CaseRefundLimit, "the hourly limit of automatic refunds is used up")
		}
	}
	u.storeRefund(RefundRecord{Fen: left, Full: true, Reason: o.RefundReason, By: o.RefundBy})
	return nil
}

// endedRefunds counts the refunds that were sent, since a time, and ended without
// paying out.
func (o *Order) endedRefunds(since time.Time) int {
	n := 0
	for i := range o.Refunds {
		if r := &o.Refunds[i]; r.Status == RefundEnded && !r.SentAt.IsZero() && !r.StoredAt.Before(since) {
			n++
		}
	}
	return n
}

func (u *unit) storeRefund(r RefundRecord) {
	o := u.o
	r.Generation = len(o.Refunds) + 1
	r.OutRefundNo = outRefundNo(o.No, r.Generation)
	r.Status, r.StoredAt, r.NextAt = RefundStored, u.s.now(), u.s.now()
	for i := range o.Refunds {
		if next := o.Refunds[i].SentAt.Add(refundsApart); next.After(r.NextAt) {
			r.NextAt = next
		}
	}
	o.Refunds = append(o.Refunds, r)
	u.said("REFUND_STORED", fmt.Sprintf("%s, %d fen", r.OutRefundNo, r.Fen))
}

// cannotRefund hands a refund to a person. Of a FULFILLED order's partial refund
// the state stays.
func (u *unit) cannotRefund(reason CaseReason, detail string) error {
	if _, err := u.fire(evPark, "", string(reason)+" "+detail); err != nil {
		return err
	}
	u.openCase(reason, caseFacts{Detail: detail})
	return nil
}

// stepSendRefund sends the stored refund; the first time it is marked SENT
// durably before. Accepted is not done: it is followed by query and notice. An
// unknown outcome is repeated with the same number.
func (u *unit) stepSendRefund(ctx context.Context, i int) error {
	if u.o.Refunds[i].Status == RefundStored {
		r := &u.o.Refunds[i]
		r.Status, r.SentAt = RefundSent, u.s.now()
		u.said("REFUND_SENT", r.OutRefundNo)
		if err := u.commit(); err != nil {
			return err
		}
	}
	o := u.o
	r := &o.Refunds[i]
	var answer RefundAnswer
	err := u.askPay(ctx, opRefund, func(ctx context.Context) (err error) {
		answer, err = u.s.pay.Refund(ctx, RefundIntent{
			OrderNo: o.No, OutRefundNo: r.OutRefundNo, RefundFen: r.Fen, TotalFen: o.Payment.TotalFen, Reason: r.Reason,
		})
		return err
	})
	result := string(outcomeOf(err))
	if err == nil {
		result = "accepted" // not done: the money is on its way
	}
	u.later(func(l Logger) {
		l.Info("compensation", "order_no", o.No, "kind", "refund", "out_refund_no", r.OutRefundNo, "result", result, "state", answer.State)
	})
	r.Refused = ""
	switch {
	case err == nil:
		return u.refundSaid(i, answer, false)
	case refusedWith(err, "NOTENOUGH"):
		r.Refused = codeOf(err)
		u.refundFails(i, opRefund, kindNotEnough, err)
		u.alert(Alert{Name: "not_enough", Severity: P1, Detail: "the merchant's balance cannot pay refund " + r.OutRefundNo})
	case outcomeOf(err) == kindRefused && !refusedWith(err, passingCodes()...):
		// Refused now, but an earlier try may have been taken: ask before judging.
		r.Refused, r.AskNow, r.NextAt = codeOf(err), true, u.s.now()
		u.said("REFUND_REFUSED", codeOf(err))
	default:
		u.refundFails(i, opRefund, outcomeOf(err), err)
	}
	return nil
}

func (u *unit) refundFails(i int, op, kind string, err error) {
	r := &u.o.Refunds[i]
	u.trouble(op, kind, codeOf(err), err.Error())
	r.NextAt = u.s.now().Add(retryAfter(op, kind, r.Tries))
	r.Tries++
}

// stepAskRefund asks what became of a refund: from 1 min after it was accepted.
func (u *unit) stepAskRefund(ctx context.Context, i int) error {
	answer, err := u.askRefund(ctx, i)
	return u.refundAsked(i, answer, err)
}

// askRefund only asks.
func (u *unit) askRefund(ctx context.Context, i int) (RefundAnswer, error) {
	return u.askRefundNo(ctx, u.o.Refunds[i].OutRefundNo)
}

func (u *unit) askRefundNo(ctx context.Context, no string) (answer RefundAnswer, err error) {
	err = u.askPay(ctx, opRefundQuery, func(ctx context.Context) (err error) {
		answer, err = u.s.pay.QueryRefund(ctx, no)
		return err
	})
	return answer, err
}

// refundNotExist are the codes with which WeChat says that it knows no such refund.
func refundNotExist() []string {
	return []string{"RESOURCENOTEXISTS", "RESOURCENOTEXIST", "REFUNDNOTEXIST", "REFUNDNOTEXISTS"}
}

// refundAsked judges the answer to a question about a refund.
func (u *unit) refundAsked(i int, answer RefundAnswer, err error) error {
	r := &u.o.Refunds[i]
	switch {
	case err == nil && answer.OutRefundNo != r.OutRefundNo:
		u.refundFails(i, opRefundQuery, kindUnknown, errors.New("the answer is about another refund"))
	case err == nil:
		return u.refundSaid(i, answer, true)
	case refusedWith(err, refundNotExist()...) && r.Status == RefundSent:
		r.AskNow = false
		if r.Refused != "" && r.Refused != "NOTENOUGH" {
			// Verified twice: refused, and never taken. A person may send it again.
			if r.NeverTaken {
				r.AskNow, r.NextAt = true, u.s.now().Add(time.Hour)
				u.said("ASKED_WECHAT", "still no refund "+r.OutRefundNo)
				return nil
			}
			r.NeverTaken = true
			r.AskNow, r.NextAt, r.Tries = true, u.s.now().Add(time.Hour), 0
			return u.cannotRefund(CaseRefundRefused, "WeChat refused "+r.OutRefundNo+": "+r.Refused)
		}
		u.refundFails(i, opRefund, kindUnknown, err)
	default:
		u.refundFails(i, opRefundQuery, outcomeOf(err), err)
	}
	return nil
}

// takenAt is when WeChat took a refund that it now tells of for the first time: who
// waits for the money waits since then, and that day's bill has it, also where the
// answer to the first call was lost. It is not before the call, nor after now, whatever
// WeChat's clock says; a notice does not tell, and comes soon.
func (r *RefundRecord) takenAt(a RefundAnswer, now time.Time) time.Time {
	switch {
	case a.TakenAt.IsZero() || a.TakenAt.After(now) || r.SentAt.After(now):
		return now
	case a.TakenAt.Before(r.SentAt):
		return r.SentAt
	default:
		return a.TakenAt
	}
}

// refundSaid believes WeChat's verified word on a refund. CLOSED counts only when
// a query said so, because a new generation may follow [D7].
func (u *unit) refundSaid(i int, a RefundAnswer, byQuery bool) error {
	o, now := u.o, u.s.now()
	r := &o.Refunds[i]
	if a.RefundFen != 0 && a.RefundFen != r.Fen {
		first := r.WrongFen != a.RefundFen
		r.WrongFen, r.AskNow = a.RefundFen, true
		u.refundFails(i, opRefundQuery, kindUnknown, errors.New("the amount of the refund does not fit"))
		if first {
			return u.cannotRefund(CaseRefundRefused, fmt.Sprintf("WeChat speaks of %d fen for %s, sent were %d", a.RefundFen, r.OutRefundNo, r.Fen))
		}
		return nil
	}
	r.WrongFen, r.NeverTaken = 0, false
	if a.RefundID != "" {
		r.RefundID = a.RefundID
	}
	if r.AcceptedAt.IsZero() {
		r.AcceptedAt = r.takenAt(a, now)
	}
	r.Refused = ""
	was := r.Status
	switch {
	case a.State == RefundSuccess:
		return u.refundDone(i, "")
	case a.State == RefundClosed && byQuery:
		r.Status, r.EndedAt, r.AskNow = RefundEnded, now, false
		u.said("REFUND_CLOSED", r.OutRefundNo)
		if !r.Full { // an operator's part: the next generation is the same part again
			if o.endedRefunds(time.Time{}) >= generationsMax || len(o.Refunds) >= refundsAtMost {
				return u.cannotRefund(CaseRefundRefused, "WeChat closed "+r.OutRefundNo)
			}
			u.storeRefund(RefundRecord{Fen: r.Fen, Reason: r.Reason, By: r.By})
		}
	case a.State == RefundClosed:
		r.Status, r.AskNow, r.NextAt = RefundAccepted, true, now
		u.said("REFUND_NOTICE", "CLOSED, to be confirmed")
	case a.State == RefundAbnormal:
		r.Status, r.AskNow, r.NextAt = RefundFailed, false, now.Add(time.Hour)
		if was != RefundFailed {
			return u.cannotRefund(CaseRefundAbnormal, "WeChat cannot pay "+r.OutRefundNo+" out")
		}
	default: // PROCESSING
		if was != RefundAccepted {
			r.Status, r.Tries = RefundAccepted, 0
			o.Trouble = nil
			u.said("REFUND_ACCEPTED", r.OutRefundNo)
		}
		r.AskNow = false
		r.NextAt = now.Add(retryAfter(opRefundQuery, kindDone, r.Tries))
		r.Tries++
	}
	u.changed = true
	return nil
}

// refundDone books money that is back.
func (u *unit) refundDone(i int, evidence string) error {
	o := u.o
	r := &o.Refunds[i]
	r.Status, r.EndedAt, r.AskNow, r.Evidence = RefundDone, u.s.now(), false, evidence
	o.RefundedFen += r.Fen
	o.Trouble = nil
	u.said("REFUND_DONE", fmt.Sprintf("%s, %d fen", r.OutRefundNo, r.Fen))
	u.later(func(l Logger) {
		l.Info("compensation", "order_no", o.No, "kind", "refund", "out_refund_no", r.OutRefundNo, "result", "done")
	})
	if o.RefundedFen+o.elsewhereFen() >= o.Payment.TotalFen && (o.State == Refunding || o.State == NeedsAttention) {
		return u.moneyBack(fmt.Sprintf("%d fen", o.RefundedFen))
	}
	return nil
}

// moneyBack ends the refund of all that hisgate can send. What is missing is held by a
// refund in the merchant console that has yet to arrive, or cannot: a person has a case
// of it until it does.
func (u *unit) moneyBack(detail string) error {
	o := u.o
	if err := u.happened(evMoneyBack, detail); err != nil || o.allBack() || u.openOf(CaseConsoleRefund) != "" {
		return err
	}
	for i := range o.Elsewhere {
		if f := &o.Elsewhere[i]; f.State == RefundProcessing || f.State == RefundAbnormal {
			u.consoleCase(f, fmt.Sprintf("refund %s of %d fen (%s) is not back", cut(f.OutRefundNo, 64), f.Fen, f.State))
		}
	}
	return nil
}
