package payflow

import (
	"fmt"
	"slices"
)

// wrongWith holds the fields of an order against each other and against its
// state, as the table of transitions leaves them.
func wrongWith(o *Order) (wrong []string) {
	must := func(holds bool, format string, args ...any) {
		if !holds {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	must(o.Version >= 1, "no version")
	must(!o.CreatedAt.IsZero() && !o.UpdatedAt.IsZero(), "no time of creation or change")
	must(len(o.Items) > 0, "no items")
	for i, it := range o.Items {
		must(it.Quantity >= 1 && it.DrugID != "", "%d units of drug %q", it.Quantity, it.DrugID)
		must(i == 0 || o.Items[i-1].DrugID < it.DrugID, "its items are not merged and sorted")
	}
	a := o.Amount
	must(!o.Priced || a.DrugsFen >= 0 && a.OtherFen >= 0 && a.DrugsFen+a.OtherFen == a.TotalFen,
		"%d fen of drugs and %d of other make %d", a.DrugsFen, a.OtherFen, a.TotalFen)

	switch o.State {
	case Created, Locked, AwaitingPayment, Closing, Closed, Rejected:
		must(o.Payment == nil, "it is %s, and paid", o.State)
	case Paid, Fulfilled, Refunding, Refunded, NeedsAttention:
		must(o.Payment != nil, "it is %s, and not paid", o.State)
	}
	must(o.State != AwaitingPayment || o.Prepay != nil && o.Terms != nil && o.Priced, "AWAITING_PAYMENT without a stored prepay")
	must(o.State != NeedsAttention || o.ownCases() > 0, "NEEDS_ATTENTION without an open case")
	must(o.State != Fulfilled || !o.FulfilledAt.IsZero(), "FULFILLED without a time")
	must(o.State != Rejected || o.Rejection != nil, "REJECTED without a reason")
	must(len(o.OpenCases) <= o.CaseSeq+len(o.Compared), "%d cases are open of %d", len(o.OpenCases), o.CaseSeq+len(o.Compared))
	for id := range o.CaseReasons {
		must(slices.Contains(o.OpenCases, id), "the reason of case %s, which is not open", id)
	}
	wrong = append(wrong, wrongMoney(o)...)
	return append(wrong, wrongHistory(o)...)
}

// wrongMoney: nothing goes back that was not paid, and the sums are those of the
// refunds [D7].
func wrongMoney(o *Order) (wrong []string) {
	if o.Payment == nil {
		if len(o.Refunds) > 0 || o.RefundedFen != 0 {
			wrong = append(wrong, "refunds of an order that is not paid")
		}
		return wrong
	}
	paid, done, taken := o.Payment.TotalFen, int64(0), int64(0)
	numbers := map[string]bool{}
	for i := range o.Refunds {
		r := &o.Refunds[i]
		if r.OutRefundNo != outRefundNo(o.No, r.Generation) || numbers[r.OutRefundNo] {
			wrong = append(wrong, fmt.Sprintf("refund %d has the number %s", r.Generation, r.OutRefundNo))
		}
		numbers[r.OutRefundNo] = true
		if r.Fen < 1 && (r.Status != RefundEnded || !r.SentAt.IsZero()) { // of a number that a restore skipped nothing is known
			wrong = append(wrong, fmt.Sprintf("refund %s of %d fen", r.OutRefundNo, r.Fen))
		}
		if r.Status == RefundStored && !r.AcceptedAt.IsZero() {
			wrong = append(wrong, fmt.Sprintf("refund %s was accepted, and never sent", r.OutRefundNo))
		}
		if r.Status == RefundDone {
			done += r.Fen
		}
		if r.Status != RefundEnded {
			taken += r.Fen
		}
	}
	switch {
	case o.PersonRefund != "" && o.RefundedFen == paid: // the rest went back by another way
	case done != o.RefundedFen:
		wrong = append(wrong, fmt.Sprintf("%d fen went back by its refunds, %d are booked", done, o.RefundedFen))
	}
	if o.PersonRefund == "" && taken > paid {
		wrong = append(wrong, fmt.Sprintf("refunds of %d fen for %d paid", taken, paid))
	}
	if o.RefundedFen > paid {
		wrong = append(wrong, fmt.Sprintf("%d fen went back of %d paid", o.RefundedFen, paid))
	}
	if o.State == Refunded && o.RefundedFen+o.elsewhereFen() < paid && !o.hasCaseOf(CaseConsoleRefund) {
		wrong = append(wrong, fmt.Sprintf("REFUNDED, and %d of %d fen went back", o.RefundedFen, paid))
	}
	return wrong
}

// wrongHistory: the last transition that the history still knows led to the state.
func wrongHistory(o *Order) []string {
	for i := len(o.History) - 1; i >= 0; i-- {
		switch h := &o.History[i]; {
		case h.Event == "OMITTED":
			return nil
		case h.To == o.State:
			return nil
		case h.To != "":
			return []string{fmt.Sprintf("it is %s, and its history ends with %s", o.State, h.To)}
		}
	}
	return []string{"no history"}
}
