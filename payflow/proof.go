package payflow

import (
	"context"
	"time"
)

// obligation is the proof obligation of §7.7 for an order's own payment: from due
// on, a case of its own must be open. owed is false when nothing is owed: no money,
// or the order is at its end. Time counts from when hisgate learned of the payment,
// by its own clock.
func obligation(o *Order, set Settings) (due time.Time, owed bool) {
	if o.Payment == nil {
		return time.Time{}, false
	}
	since := o.Payment.KnownAt
	if o.WasFulfilled {
		since = o.RefundWantedAt // it was proven until a person wanted the money back
	}
	if i := o.openRefund(); i >= 0 && (o.State == Refunding || o.State == Fulfilled) {
		r := &o.Refunds[i]
		switch {
		case r.Status == RefundFailed:
			return r.AcceptedAt, true
		case !r.AcceptedAt.IsZero():
			return r.AcceptedAt.Add(set.RefundGrace), true
		case o.State == Fulfilled:
			return r.StoredAt.Add(set.ProofGrace), true
		}
	}
	switch o.State {
	case Fulfilled, Refunded:
		return time.Time{}, false
	case Paid, Refunding:
		return since.Add(set.ProofGrace), true
	default: // NEEDS_ATTENTION, or money in a state that knows none
		return since, true
	}
}

// stepOverdue opens the case that the proof obligation asks for [D9].
func (u *unit) stepOverdue() error {
	o := u.o
	reason, detail := CaseOverdue, "paid, and not at its end in time"
	if i := o.openRefund(); i >= 0 && !o.Refunds[i].AcceptedAt.IsZero() {
		reason, detail = CaseRefundStuck, "refund "+o.Refunds[i].OutRefundNo+" was accepted and is not done"
	}
	if t := o.Trouble; t != nil {
		detail += ": " + t.Op + " " + t.Kind + " " + t.Code + " " + t.Text
	}
	u.openCase(reason, caseFacts{Detail: detail})
	u.said("CASE_OPENED", string(reason))
	return nil
}

// unproven says why an order breaks the obligation now; "" = it holds. With
// work left and no case, the next action must be planned: nextAction always
// names one in PAID and REFUNDING, or the worker is at it.
func unproven(o *Order, set Settings, now time.Time) string {
	due, owed := obligation(o, set)
	_, unseen := o.unseenDispute()
	switch {
	case unseen:
		return "money in dispute without an open case"
	case !owed || o.ownCases() > 0:
		return ""
	case !due.After(now):
		return "no end, no accepted refund and no open case in time"
	case nextAction(o, set, Restore{}, now, false).kind == actNone:
		return "no next action"
	default:
		return ""
	}
}

// proofSlack is the time a worker may need to open a case that falls due.
const proofSlack = 5 * time.Second

// Proof checks the obligation over all orders with money that are not at rest;
// an order comes to rest only when it is fulfilled, refunded, closed or rejected.
// It reads memory and does not block.
func (s *Service) Proof(context.Context) (ProofReport, error) {
	if s.pay == nil {
		return ProofReport{}, ErrDisabled
	}
	now := s.now()
	r := ProofReport{At: now}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		o := e.order
		if o == nil || o.Payment == nil && len(o.Disputes) == 0 {
			continue
		}
		r.Checked++
		why := unproven(o, s.set, now.Add(-proofSlack))
		if why == "" {
			for _, id := range o.OpenCases {
				if c := s.cases[id]; c == nil || c.Owner == "" || c.Deadline.IsZero() {
					why = "case " + id + " has no owner or no deadline"
				}
			}
		}
		if why != "" {
			u := Unproven{OrderNo: o.No, State: o.State, Why: why}
			if o.Payment != nil {
				u.PaidAt = o.Payment.PaidAt
			}
			r.Unproven = append(r.Unproven, u)
		}
	}
	for _, c := range s.cases {
		r.OpenCases++
		if now.After(c.Deadline) {
			r.OverdueCases++
		}
	}
	return r, nil
}
