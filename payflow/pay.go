package payflow

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// storeIntent writes the exact bytes of the prepay into the order; e moves it to
// AWAITING_PAYMENT in the same durable step. From here on WeChat may hold money.
func (u *unit) storeIntent(e event) error {
	o := u.o
	if !o.PayDeadline.After(u.s.now().Add(u.s.set.LeastToPay)) {
		return u.stepDeadline() // a slow check took what time was left to pay [D10]
	}
	body, err := u.s.pay.BuildPrepay(prepayIntent(o, *o.Terms))
	if err != nil {
		field, _ := asType[*FieldError](err)
		if field == nil {
			return fmt.Errorf("build prepay: %w", err)
		}
		if o.State == Created {
			return u.reject(&Rejection{Reason: ReasonPrepayRefused, Detail: field.Error()})
		}
		o.EndReason = ReasonPrepayRefused
		return u.happened(evLockLost, field.Error())
	}
	o.Prepay = &PrepayRecord{Body: body, MchID: u.s.set.MchID, TimeExpire: o.PayDeadline, StoredAt: u.s.now()}
	o.PrepayWanted = false
	return u.happened(e, string(o.Terms.Method))
}

func prepayIntent(o *Order, t PaymentTerms) PrepayIntent {
	return PrepayIntent{
		Method: t.Method, OrderNo: o.No, AppID: t.AppID, OpenID: t.OpenID, ClientIP: t.ClientIP,
		Description: t.Description, Attach: t.Attach, TotalFen: o.Amount.TotalFen, TimeExpire: o.PayDeadline,
	}
}

// stepPrepay sends the stored bytes. An unknown outcome is repeated with the same
// bytes; only a verified refusal that repeating cannot change ends the order.
func (u *unit) stepPrepay(ctx context.Context) error {
	o := u.o
	var answer Prepay
	err := u.askPay(ctx, opPrepay, func(ctx context.Context) (err error) {
		answer, err = u.s.pay.Prepay(ctx, o.Terms.Method, o.Prepay.Body)
		return err
	})
	switch {
	case err == nil:
		now := u.s.now()
		p := o.Prepay
		p.AnsweredAt, p.PrepayID, p.CodeURL, p.H5URL = now, answer.PrepayID, answer.CodeURL, answer.H5URL
		o.Trouble, o.Tries, o.Polls = nil, 0, 1
		o.NextAt = now.Add(retryAfter(opQuery, kindDone, 0))
		u.said("PREPAID", "")
	case refusedWith(err, codeOrderPaid):
		return u.query(ctx)
	case outcomeOf(err) != kindRefused || refusedWith(err, passingCodes()...):
		u.retryLater(opPrepay, err)
	default:
		o.EndReason = ReasonPrepayRefused
		return u.happened(evPrepayRefused, codeOf(err)+" "+err.Error())
	}
	return nil
}

// passingCodes are refusals that say nothing about the request itself.
func passingCodes() []string {
	return []string{"SYSTEMERROR", "BANKERROR", "FREQUENCYLIMITED", "FREQUENCYLIMITEXCEED", "RATELIMITEXCEEDED"}
}

// query asks WeChat for the order's transaction and believes a verified answer.
func (u *unit) query(ctx context.Context) error {
	o := u.o
	tx, err := u.askTransaction(ctx)
	switch {
	case err == nil && tx.paid():
		return u.applyPaid(tx, "query")
	case err == nil && tx.State == TradeClosed && o.State == AwaitingPayment:
		o.EndReason = ReasonDeadline
		return u.happened(evEndedThere, "")
	case err == nil || refusedWith(err, codeNotExist):
		state := codeNotExist
		if err == nil {
			state = string(tx.State)
		}
		u.said("ASKED_WECHAT", state)
		if o.State == Closed {
			return nil // who asked is answered; its stock may still be on its way back
		}
		o.Trouble, o.Tries = nil, 0
		o.NextAt = u.s.now().Add(retryAfter(opQuery, kindDone, o.Polls))
		o.Polls++
	case o.State == Closed:
		u.said(opQuery+": "+outcomeOf(err), codeOf(err))
	default:
		u.retryLater(opQuery, err)
	}
	return nil
}

const (
	codeNotExist  = "ORDERNOTEXIST"
	codeOrderPaid = "ORDERPAID"
)

// paid tells whether money was taken. REFUND is money that went back elsewhere.
func (t Transaction) paid() bool { return t.State == TradeSuccess || t.State == TradeRefund }

// askPay makes one call to WeChat about the order. With another merchant than its
// payment is for, that merchant's WeChat knows nothing of it, and says so: it is not
// asked, and nothing is concluded until the settings are right.
func (u *unit) askPay(ctx context.Context, op string, call func(context.Context) error) error {
	return u.s.outside(ctx, op, u.s.set.PayTimeout, func(ctx context.Context) error {
		if now := u.s.set.MchID; u.o != nil && u.o.otherMerchant(now) {
			return &ChannelError{
				Op: op, Outcome: ChannelMisconfigured,
				Message: "the order's payment is for merchant " + u.o.Prepay.MchID + ", and hisgate was started with merchant " + now,
			}
		}
		return call(ctx)
	})
}

// otherMerchant tells whether the order's payment is for another merchant than this.
func (o *Order) otherMerchant(mchID string) bool {
	return o.Prepay != nil && o.Prepay.MchID != "" && mchID != "" && o.Prepay.MchID != mchID
}

func (u *unit) askTransaction(ctx context.Context) (tx Transaction, err error) {
	err = u.askPay(ctx, opQuery, func(ctx context.Context) (err error) {
		tx, err = u.s.pay.Query(ctx, u.no)
		return err
	})
	if err == nil && tx.OrderNo != u.no {
		err = errors.New("the answer is about another order")
	}
	return tx, err
}

// stepDeadline ends the time to pay; the stock stays held until WeChat's word.
func (u *unit) stepDeadline() error {
	u.o.EndReason = ReasonDeadline
	if u.o.State != AwaitingPayment && u.s.now().Before(u.o.PayDeadline) {
		u.o.EndReason = ReasonTooLate
	}
	return u.happened(evDeadline, "")
}

// stepEnd closes an order of which WeChat never heard: no intent to call prepay
// was ever stored, so it cannot hold money [D2].
func (u *unit) stepEnd() error { return u.happened(evClosed, "WeChat was never asked for a payment") }

// stepClose asks, then closes. Only a verified 204 or a verified CLOSED ends the
// order; ORDER_NOT_EXIST does so 5 min after time_expire, when nothing can be
// paid any more. Everything else keeps the stock and asks again [D2].
func (u *unit) stepClose(ctx context.Context) error {
	o := u.o
	tx, err := u.askTransaction(ctx)
	switch {
	case refusedWith(err, codeNotExist):
		over := o.Prepay.TimeExpire.Add(neverArrived)
		if !u.s.now().Before(over) {
			return u.happened(evClosed, "WeChat does not know the order, 5 min after it could be paid")
		}
		u.fail(opClose, kindPending, codeNotExist, "WeChat does not know the order yet")
		if o.NextAt.After(over) {
			o.NextAt = over
		}
		return nil
	case err != nil:
		u.retryLater(opClose, err)
		return nil
	case tx.paid():
		return u.applyPaid(tx, "query")
	case tx.State == TradeClosed:
		return u.happened(evClosed, "WeChat says CLOSED")
	}
	err = u.askPay(ctx, opClose, func(ctx context.Context) error {
		return u.s.pay.Close(ctx, o.No)
	})
	if err == nil {
		return u.happened(evClosed, "WeChat closed it (204)")
	}
	u.retryLater(opClose, err)
	if refusedWith(err, codeOrderPaid) {
		o.NextAt = u.s.now() // paid in between: the query will say so
		if o.Tries > 3 {
			o.NextAt = u.s.now().Add(time.Second)
		}
	}
	return nil
}
