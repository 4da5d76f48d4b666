package payflow

import (
	"slices"
	"time"
)

// An order may have several open cases at once, of which each says something else:
// a second payment is to go back, the books of a day do not agree, the HIS hangs
// while the patient waits. None of them may keep a worse one from being opened.

// aboutOther tells whether a case of this reason is about something beside the
// order's own way: money that does not count as its payment, or the books of a day.
// It stands for nothing that the worker owes.
func (r CaseReason) aboutOther() bool {
	switch r {
	case CaseWrongPayment, CaseSecondPayment, CaseUnknownOrder:
		return true
	default:
		return r.reconciled()
	}
}

// own tells whether an open case is about the order itself. Of one that an earlier
// hisgate opened only the id is known.
func (o *Order) own(id string) bool {
	return !slices.Contains(o.Compared, id) && !o.CaseReasons[id].aboutOther()
}

// hasCaseOf tells whether a case of the reason is open.
func (o *Order) hasCaseOf(r CaseReason) bool {
	return slices.ContainsFunc(o.OpenCases, func(id string) bool { return o.CaseReasons[id] == r })
}

// ownCases counts the open cases about the order itself.
func (o *Order) ownCases() int {
	n := 0
	for _, id := range o.OpenCases {
		if o.own(id) {
			n++
		}
	}
	return n
}

// stands tells whether an open case says what is the matter now. While a person
// must decide that is each of the order's own; once they have, and the worker is at
// it again, what they decided about is past.
func (o *Order) stands(r CaseReason) bool {
	if o.State == NeedsAttention {
		return true
	}
	switch r {
	case "", CaseOverdue, CaseRefundStuck, CaseWorker:
		return true
	case CaseRefundAbnormal, CaseRefundRefused:
		i := o.openRefund()
		return o.State == Fulfilled || i >= 0 && o.Refunds[i].Status == RefundFailed
	default:
		return false
	}
}

// hasStanding tells whether one of the order's own cases stands.
func (o *Order) hasStanding() bool {
	return slices.ContainsFunc(o.OpenCases, func(id string) bool { return o.own(id) && o.stands(o.CaseReasons[id]) })
}

// overdueAt is when a case must be opened because the order is not at its end,
// whatever other cases it has; owed is false when none must. One that a person has
// decided about stands for the order until what they decided has had its time.
func (o *Order) overdueAt(set Settings) (due time.Time, owed bool) {
	if at, unseen := o.unseenDispute(); unseen {
		return at, true
	}
	if due, owed = obligation(o, set); !owed || o.hasStanding() {
		return due, false
	}
	if o.ownCases() > 0 {
		if decided := o.DecidedAt.Add(set.ProofGrace); decided.After(due) {
			due = decided
		}
	}
	return due, true
}

// unseenDispute is money that does not count as the order's payment and has no open
// case, which never happens.
func (o *Order) unseenDispute() (since time.Time, unseen bool) {
	for i := range o.Disputes {
		d := &o.Disputes[i]
		if !d.Settled && !slices.ContainsFunc(o.OpenCases, func(id string) bool {
			r := o.CaseReasons[id]
			return r == "" || r == CaseWrongPayment || r == CaseSecondPayment
		}) {
			return d.At, true
		}
	}
	return time.Time{}, false
}
