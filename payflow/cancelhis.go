package payflow

import "context"

// cancelAtHIS has the HIS take the order back whose money an operator gives back:
// the refund follows its acknowledgement [C1] [D1]. A HIS that refuses makes a
// case; who then refunds does so with the HIS order standing.
func (u *unit) cancelAtHIS(ctx context.Context) error {
	o := u.o
	var lk Lock
	err := u.s.outside(ctx, opCancel, u.s.set.HISTimeout, func(ctx context.Context) (err error) {
		lk, err = u.s.locks.Cancel(ctx, o.No)
		return err
	})
	u.later(func(l Logger) {
		l.Info("compensation", "order_no", o.No, "kind", "cancel_his_order", "his_order_no", o.HisOrderNo, "his_code", codeOf(err), "result", outcomeOf(err))
	})
	switch outcomeOf(err) {
	case kindDone:
		u.heard(lk)
		if !o.Lock.Settled {
			u.retryLater(opCancel, ErrUnsettled)
			return nil
		}
		o.NextAt, o.Tries, o.Trouble = u.s.now(), 0, nil
		u.said("HIS_ORDER_CANCELLED", o.HisOrderNo)
	case kindRefused, kindEnded, kindNotFound:
		o.CancelHIS = false
		detail := "to be refunded, and the HIS does not cancel its order " + o.HisOrderNo + ": " + err.Error()
		if err := u.happened(evPark, detail); err != nil {
			return err
		}
		u.openCase(CaseRefused, caseFacts{Detail: detail})
	default:
		u.retryLater(opCancel, err)
	}
	return nil
}

// cancelGivenUp is a person who does not wait for the HIS any longer: the money goes
// back with the HIS order standing, as far as anybody knows.
func (u *unit) cancelGivenUp(r *RefundCaseRequest) Words {
	o := u.o
	o.CancelHIS, o.RefundBy = false, r.Actor
	o.NextAt, o.Tries, o.Trouble = u.s.now(), 0, nil
	u.note(HistoryEntry{Event: "CANCEL_GIVEN_UP", Actor: r.Actor, Detail: o.HisOrderNo})
	return wordsRefundStanding()
}
