package payflow

import (
	"math"
	"time"
)

// action is the next thing to be done for an order.
type action struct {
	kind actionKind
	pool pool
	at   time.Time
	r    int // index of the refund, for those that work on one

	// alarm is when something that needs no outside call falls due, even while
	// the order waits in the queue of a pool that hangs; zero = never.
	alarm time.Time
}

type actionKind string

const (
	actNone        actionKind = ""
	actRead        actionKind = "read"         // letters, or an order that is not in memory
	actDeadline    actionKind = "deadline"     // the time to pay is over
	actCheck       actionKind = "check"        // price and stock at order time
	actLock        actionKind = "lock"         // hold the stock
	actLiveCheck   actionKind = "live_check"   // HOLD, a degraded lock [A10] or uncompared amounts [E2]: once more before the prepay
	actIntent      actionKind = "intent"       // store the bytes of the prepay
	actPrepay      actionKind = "prepay"       // send them
	actQuery       actionKind = "query"        // ask WeChat for the transaction
	actEnd         actionKind = "end"          // nothing was asked of WeChat: close
	actClose       actionKind = "close"        // query, then close
	actRelease     actionKind = "release"      // give the stock of an order that is over back
	actFulfil      actionKind = "fulfil"       // lock where needed, then confirm
	actSettle      actionKind = "settle"       // the fence before a refund [D1]
	actStoreRefund actionKind = "store_refund" // write the refund down, under the hourly limit [D6]
	actSendRefund  actionKind = "send_refund"
	actAskRefund   actionKind = "ask_refund"
	actRecall      actionKind = "recall"  // after a restore: what does WeChat know of it [B9]
	actOverdue     actionKind = "overdue" // the proof obligation falls due [D9]
)

// nextAction plans: it looks at the record alone, so a restart plans the same. Of
// what is possible it names what is due first; after a restore from a backup r,
// WeChat is asked about the order before anything else. ask overrides the waiting time of
// an outside call (someone is waiting for the answer).
func nextAction(o *Order, set Settings, r Restore, now time.Time, ask bool) action {
	var best action
	add := func(kind actionKind, p pool, at time.Time) {
		if r.recovering() && kind.begins() {
			return
		}
		if p == poolLocal && at.After(now) {
			best.alarm = earlier(best.alarm, at)
		}
		if at.Before(now) || at.Sub(now) > kind.longestWait() {
			at = now
		}
		// What needs no outside call goes first: it never waits behind one.
		local := p == poolLocal && best.pool != poolLocal
		if best.kind == actNone || at.Before(best.at) || at.Equal(best.at) && local {
			best.kind, best.pool, best.at = kind, p, at
		}
	}
	retry := o.NextAt
	if ask {
		retry = now
	}
	due, owed := o.overdueAt(set)
	if r.asksAbout(o) {
		add(actRecall, poolPay, retry)
		if owed {
			add(actOverdue, poolLocal, due)
		}
		return best
	}
	latest := o.PayDeadline.Add(-set.LeastToPay) // a prepay later than this makes no sense [D10]
	switch o.State {
	case Created:
		add(actDeadline, poolLocal, latest)
		if o.Priced {
			add(actLock, poolHIS, retry)
		} else {
			add(actCheck, poolHIS, retry)
		}
	case Locked:
		wanted := o.Strategy != Hold || o.PrepayWanted
		switch {
		case !wanted:
			add(actDeadline, poolLocal, o.PayDeadline)
		case o.Strategy == Hold || o.Lock.Degraded || o.Uncompared:
			add(actDeadline, poolLocal, latest)
			add(actLiveCheck, poolHIS, retry)
		default:
			add(actDeadline, poolLocal, latest)
			add(actIntent, poolLocal, now)
		}
	case AwaitingPayment:
		add(actDeadline, poolLocal, o.PayDeadline)
		if o.Prepay.AnsweredAt.IsZero() {
			add(actPrepay, poolPay, retry)
		} else {
			add(actQuery, poolPay, retry)
		}
	case Closing:
		if o.Prepay == nil {
			add(actEnd, poolLocal, now)
		} else {
			add(actClose, poolPay, retry)
		}
	case Closed:
		if ask && o.Prepay != nil {
			add(actQuery, poolPay, now)
		}
		if o.toRelease() {
			add(actRelease, poolHIS, o.NextAt)
		}
	case Fulfilled:
		if o.toRelease() {
			add(actRelease, poolHIS, o.NextAt)
		}
	case Paid:
		if o.Gone != nil {
			add(actSettle, poolHIS, retry)
		} else {
			add(actFulfil, poolHIS, retry)
		}
	case Refunding:
		i := o.openRefund()
		switch {
		case i >= 0 && o.Refunds[i].Status != RefundStored:
		case o.CancelHIS && r.recovering(): // begins something at the HIS
		case !o.fencePassed():
			add(actSettle, poolHIS, retry)
		case i < 0:
			add(actStoreRefund, poolLocal, now)
		}
	}
	if i := o.openRefund(); i >= 0 {
		if kind := o.refundAction(i); kind != actNone {
			add(kind, poolPay, o.Refunds[i].NextAt)
			best.r = i
		}
	}
	if owed {
		add(actOverdue, poolLocal, due)
	}
	return best
}

// longestWait is more than such a step waits for its next try: a time beyond it was
// planned before the wall clock was set back, and is over.
func (k actionKind) longestWait() time.Duration {
	switch k {
	case actDeadline, actOverdue: // not the time of a next try
		return math.MaxInt64
	case actSendRefund, actAskRefund:
		return 2 * time.Hour
	default:
		return 10 * time.Minute
	}
}

// begins tells whether the action begins something at WeChat or the HIS that was
// not under way: not while a recovery stands [B9].
func (k actionKind) begins() bool {
	switch k {
	case actCheck, actLock, actLiveCheck, actIntent, actPrepay, actStoreRefund, actSendRefund:
		return true
	default:
		return false
	}
}

// ended tells whether the order rests: only a letter, a question or a person
// brings it back.
func (o *Order) ended() bool {
	if o.openRefund() >= 0 {
		return false
	}
	switch o.State {
	case Rejected, Refunded:
		return true
	case Closed, Fulfilled:
		return !o.toRelease()
	default:
		return false
	}
}

// toRelease tells whether the order is over and its stock still to be given back:
// CLOSED, or FULFILLED by a person's word, by another way than its lock.
func (o *Order) toRelease() bool {
	if o.State == Fulfilled {
		return o.ByHand && !o.Lock.Settled
	}
	return o.Strategy.holds() && !o.Lock.Settled
}

// deductedUnpaid tells whether the stock of an order that is over should go back, and
// the HIS has deducted it: what the HIS made stands until a person has seen to it.
func (o *Order) deductedUnpaid() bool {
	return o.State == Closed && o.Trouble != nil && o.Trouble.Op == opRelease && o.Trouble.Kind == kindConfirmed
}

// fenced tells whether a refund of all has to wait until the HIS cannot apply the
// order's lock any more [D1]. A fulfilled order refunded knowingly does not: its
// lock is done, unless the HIS order is to be taken back first. One fulfilled by
// hand does: its lock is still to be given back.
func (o *Order) fenced() bool { return !o.WasFulfilled || o.ByHand || o.CancelHIS }

// fencePassed tells whether nothing of the order's lock is in the way of a refund of all.
func (o *Order) fencePassed() bool { return o.Lock.Settled || !o.fenced() }

// openRefund is the index of the refund that may still pay out, or -1. There is
// at most one: a new one waits for the end of the last.
func (o *Order) openRefund() int {
	for i := range o.Refunds {
		if o.Refunds[i].open() {
			return i
		}
	}
	return -1
}

// refundAction is what the open refund wants. One that was never sent is sent
// only while the order's state stands for it; what was sent is followed to its
// end in any state [D6].
func (o *Order) refundAction(i int) actionKind {
	r := &o.Refunds[i]
	sending := o.State == Refunding || o.State == Fulfilled
	switch {
	case r.Status == RefundStored && sending && (o.State == Fulfilled || o.fencePassed()):
		return actSendRefund
	case r.Status == RefundStored:
		return actNone
	case r.Status == RefundSent && sending && !r.AskNow:
		return actSendRefund
	default:
		return actAskRefund
	}
}

// retryAfter is how long a step waits after its n-th failure.
func retryAfter(op, kind string, n int) time.Duration {
	steps := []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second,
		30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
	}
	switch {
	case kind == kindMisconfigured:
		steps = []time.Duration{30 * time.Second, time.Minute, 5 * time.Minute}
	case kind == kindNotEnough:
		steps = []time.Duration{5 * time.Minute, 10 * time.Minute, 30 * time.Minute}
	case op == opRefundQuery:
		steps = []time.Duration{
			time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
			30 * time.Minute, time.Hour,
		}
	case op == opQuery:
		steps = pollSteps()
	}
	return steps[min(n, len(steps)-1)]
}

// pollSteps are the waits between the queries of an unpaid order (§7.4).
func pollSteps() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Second, 20 * time.Second, 30 * time.Second,
		time.Minute, 3 * time.Minute, 5 * time.Minute,
	}
}
