package payflow

import "context"

// stepLock holds the stock of a RESERVE or HOLD order.
func (u *unit) stepLock(ctx context.Context) error {
	o := u.o
	var lk Lock
	err := u.s.outside(ctx, opLock, u.s.set.HISTimeout, func(ctx context.Context) (err error) {
		lk, err = u.s.locks.Lock(ctx, u.lockRequest())
		return err
	})
	if r := lockRejection(err); r != nil {
		return u.reject(r)
	}
	switch outcomeOf(err) {
	case kindDone:
	case kindEnded:
		o.EndReason = ReasonLockLost
		return u.happened(evLockLost, "the lock had ended already")
	default:
		u.retryLater(opLock, err)
		return nil
	}
	u.heard(lk)
	switch {
	case lk.Released:
		o.EndReason = ReasonLockLost
		return u.happened(evLockLost, "the lock was released already")
	case !lk.Held:
		u.retryLater(opLock, ErrPending)
		return nil
	}
	u.boundByFreeze(lk)
	if err := u.happened(evLocked, "HIS "+lk.HisNo); err != nil {
		return err
	}
	if !o.PayDeadline.After(u.s.now().Add(u.s.set.LeastToPay)) {
		o.EndReason = ReasonFreezeTooShort
		return u.happened(evLockLost, "no time to pay before the HIS freeze lapses")
	}
	return nil
}

// lockRejection turns a verified refusal of the first lock into a rejection:
// then nothing is held. nil for everything else.
func lockRejection(err error) *Rejection {
	if short, ok := asType[*ShortError](err); ok {
		return &Rejection{Reason: rejectedForStock, Shortages: short.Shortages}
	}
	refused, ok := asType[*RefusedError](err)
	if !ok || !refused.ForGood {
		return nil
	}
	detail := refused.Code + " " + refused.Message
	switch refused.Kind {
	case refusedInsufficient:
		return &Rejection{Reason: rejectedForStock, Shortages: refused.Shortages, Detail: detail}
	case refusedUnknownDrug:
		return &Rejection{Reason: ReasonUnknownDrug, Detail: detail}
	case refusedStopped:
		return &Rejection{Reason: ReasonStopped, Detail: detail}
	case refusedNotDivisible:
		return &Rejection{Reason: ReasonNotDivisible, Detail: detail}
	default:
		return &Rejection{Reason: ReasonHisRefused, Detail: detail}
	}
}

func (u *unit) lockRequest() LockRequest {
	o := u.o
	ttl := o.PayDeadline.Sub(u.s.now()) + u.s.set.LeastToPay
	if o.Payment != nil {
		ttl = paidTTL
	}
	return LockRequest{
		OrderNo: o.No, PharmacyID: o.PharmacyID, Items: o.Items, Attributes: o.Attributes,
		TTL: ttl, Paid: o.Payment != nil, NewAttempt: o.Lock.NewAttempt,
	}
}

// heard keeps what the lock said of itself.
func (u *unit) heard(lk Lock) {
	l := &u.o.Lock
	if lk.Attempt != l.Attempt {
		l.Settled, l.NewAttempt = false, false
	}
	l.Attempt, l.HisNo, l.FreezeEnds = lk.Attempt, lk.HisNo, lk.FreezeExpires
	l.Held = lk.Held
	if u.o.State == Created {
		l.Degraded = lk.Degraded
	}
	l.Settled = (lk.Released || lk.Cancelled) && lk.Settled
	u.changed = true
}

// boundByFreeze keeps the pay deadline at least 5 min before a HIS freeze lapses.
func (u *unit) boundByFreeze(lk Lock) {
	if lk.FreezeExpires.IsZero() {
		return
	}
	if latest := lk.FreezeExpires.Add(-freezeSlack); latest.Before(u.o.PayDeadline) {
		u.o.PayDeadline = wholeSecond(latest)
	}
}

// stepRelease gives the stock of an order back that is over: CLOSED, or fulfilled
// by hand.
func (u *unit) stepRelease(ctx context.Context) error {
	o := u.o
	lk, err := u.settle(ctx)
	switch {
	case err == nil && o.Lock.Settled:
		u.said("STOCK_RELEASED", "HIS "+lk.HisNo)
		u.later(func(l Logger) {
			l.Info("compensation", "order_no", o.No, "kind", "release", "his_no", lk.HisNo, "result", "done")
		})
		o.Trouble, o.Tries, o.ByHand = nil, 0, false
	case err == nil:
		u.retryLater(opRelease, ErrUnsettled)
	case outcomeOf(err) == kindConfirmed:
		return u.deductedAfterAll(lk)
	default:
		u.retryLater(opRelease, err)
	}
	return nil
}

// deductedAfterAll: the stock should go back, and the HIS says that it made its
// order. For an order that a person called fulfilled this may be that very order.
func (u *unit) deductedAfterAll(lk Lock) error {
	o := u.o
	if _, err := u.fire(evConfirmed, "", lk.HisOrderNo); err != nil {
		return err
	}
	if o.State == Fulfilled {
		o.ByHand = false
		u.said("HIS_ORDER_FOUND", lk.HisOrderNo)
		if lk.HisOrderNo != o.HisOrderNo {
			u.openCase(CaseTwoOrders, caseFacts{Detail: "fulfilled as " + o.HisOrderNo + ", and the HIS made " + lk.HisOrderNo})
		}
		return nil
	}
	u.fail(opRelease, kindConfirmed, "", "")
	u.openCase(CaseLockDoubt, caseFacts{Detail: "the HIS deducted for an order that was not paid: " + lk.HisOrderNo})
	return nil
}

// settle asks for the release of the order's lock and looks whether the HIS can
// still apply anything of it: the fence before every refund [D1]. Errors:
// ErrConfirmed when the HIS deducted, or what kept the question from an answer.
func (u *unit) settle(ctx context.Context) (Lock, error) {
	var lk Lock
	err := u.s.outside(ctx, opRelease, u.s.set.HISTimeout, func(ctx context.Context) (err error) {
		lk, err = u.s.locks.Release(ctx, u.o.No)
		return err
	})
	if outcomeOf(err) == kindConfirmed && lk.Confirmed {
		return lk, ErrConfirmed // before a restore from a backup, for a lock that nobody remembers [B9]
	}
	if outcomeOf(err) == kindConfirmed {
		// Deducted, unless the HIS order was cancelled since.
		var got Lock
		if e := u.s.outside(ctx, opRelease, u.s.set.HISTimeout, func(ctx context.Context) (err error) {
			got, err = u.s.locks.Get(ctx, u.o.No)
			return err
		}); e != nil {
			return Lock{}, e
		}
		u.heard(got)
		if got.Cancelled && got.Settled {
			return got, nil
		}
		if u.o.Lock.Disowned && u.o.Lock.Checked {
			u.o.Lock.Settled = true // it is no order of this money's, says a person who looked
			return got, nil
		}
		return got, ErrConfirmed
	}
	if kind := outcomeOf(err); kind == kindNotFound || kind == kindForgotten && u.o.Lock.Checked {
		return u.neverHeld(ctx)
	}
	if err != nil {
		return Lock{}, err
	}
	u.heard(lk)
	if lk.Confirmed && !lk.Cancelled {
		return lk, ErrConfirmed
	}
	return lk, nil
}

// neverHeld settles an order that has no lock and can leave no tombstone: its number
// is that of somebody else's lock, or a person looked at the HIS [C1]. Nothing of it
// can be confirmed.
// Errors: what kept the question from an answer, or ErrUnsettled.
func (u *unit) neverHeld(ctx context.Context) (Lock, error) {
	var lk Lock
	err := u.s.outside(ctx, opRelease, u.s.set.HISTimeout, func(ctx context.Context) (err error) {
		lk, err = u.s.locks.Get(ctx, u.o.No)
		return err
	})
	switch {
	case outcomeOf(err) == kindNotFound:
		u.o.Lock.Held, u.o.Lock.Settled = false, true
		u.changed = true
		return Lock{}, nil
	case err != nil:
		return Lock{}, err
	default:
		u.heard(lk) // there is one after all: release it next time
		return lk, ErrUnsettled
	}
}
