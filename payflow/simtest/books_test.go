package simtest_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/payflow"
)

// Reconciliation in the story: hisgate compares each day by itself in the morning
// after, and the accountant has it done when they like.

// billTried counts the tries for a day's bill.
func (w *world) billTried(day string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bills[day]++
	return w.bills[day]
}

// compare is the accountant, who has the day before compared now.
func (w *world) compare() {
	day := dayOf(w.wall().AddDate(0, 0, -1))
	_ = w.ask("accountant", func(ctx context.Context, l *life) error {
		r, err := l.orders.RunReconciliation(ctx, day, "会计")
		w.trace.say("accountant", "has %s compared → %s, %d differences %v", day, r.Status, r.Open(), err)
		if err == nil {
			w.tally.fault("reconcile: the accountant asks for a day")
		}
		return err
	})
}

// uncompared names a day of the story whose books are not compared yet, "" when
// there is none.
func (w *world) uncompared(ctx context.Context, l *life) string {
	if !w.plan.reconcile {
		return ""
	}
	for _, day := range w.wechat.days(w.trace.start.Add(lastDay)) {
		r, err := l.orders.GetReconciliation(ctx, day)
		if err != nil || r.Status != payflow.ReconciliationDone {
			return fmt.Sprintf("the books of %s are not compared: %s %s %v", day, r.Status, r.Failure, err)
		}
	}
	return ""
}

// lastDay bounds the days that must be compared in the end: what persons give back
// in the merchant console later is of no interest.
const lastDay = troubles + 6*time.Hour

// auditBooks compares every day once more, twice: the second time must find just
// what the first did, and open no case. Then it looks at what was found over the
// whole story.
func (w *world) auditBooks(l *life) {
	if !w.plan.reconcile {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
	defer cancel()
	for _, day := range w.wechat.days(w.trace.start.Add(lastDay)) {
		first, ok := w.compared(ctx, l, day)
		open, err := l.openCases(ctx)
		if !ok || err != nil {
			continue
		}
		second, ok := w.compared(ctx, l, day)
		again, err := l.openCases(ctx)
		if !ok || err != nil {
			continue
		}
		if a, b := found(&first), found(&second); !slices.Equal(a, b) || first.Matched != second.Matched || first.HISMatched != second.HISMatched {
			w.violated("reconciliation twice gives the same", "", "%s: %v, %d rows matched; then %v, %d", day, a, first.Matched, b, second.Matched)
		}
		if len(open) != len(again) {
			w.violated("reconciliation twice gives the same", "", "%s: cases %v, then %v", day, caseIDs(open), caseIDs(again))
		}
		for i := range second.Differences {
			w.tally.fault("reconcile: found " + string(second.Differences[i].Kind))
			w.justified(day, &second.Differences[i])
		}
	}
}

// compared has a day compared and waits for the end of it.
func (w *world) compared(ctx context.Context, l *life, day string) (r payflow.Reconciliation, ok bool) {
	r, err := l.orders.RunReconciliation(ctx, day, "auditor")
	for n := 0; err == nil && r.Status != payflow.ReconciliationDone && n < 200; n++ {
		time.Sleep(time.Minute) // a troubled bill is tried again by itself
		r, err = l.orders.GetReconciliation(ctx, day)
	}
	if err != nil || r.Status != payflow.ReconciliationDone {
		w.violated("the books of a day are compared", "", "%s: %s %s %v", day, r.Status, r.Failure, err)
		return r, false
	}
	return r, true
}

func found(r *payflow.Reconciliation) (kinds []string) {
	for i := range r.Differences {
		if d := &r.Differences[i]; !d.Gone {
			kinds = append(kinds, fmt.Sprintf("%s %s %s %s %s", d.Kind, d.OrderNo, d.TransactionID, d.OutRefundNo, d.HisNo))
		}
	}
	slices.Sort(kinds)
	return kinds
}

// justified: a difference is one. Bill and books are one here, so where neither
// the clock nor the ledger was set back, and no person did anything by hand,
// hisgate and WeChat never contradict each other.
func (w *world) justified(day string, d *payflow.Difference) {
	if len(w.plan.jumps) > 0 || w.thrownBack() {
		return
	}
	switch d.Kind {
	case payflow.DiffUnnoticed, payflow.DiffElsewhere:
		return
	case payflow.DiffState:
		if w.wechat.paidTwice(d.OrderNo) {
			return // asked about an order, WeChat tells of its first payment
		}
	case payflow.DiffHISCancelled, payflow.DiffHISUnmatched, payflow.DiffHISMissing:
		if w.byPerson(d.OrderNo) || w.atTheHIS(d.OrderNo) {
			return
		}
	}
	w.violated("reconciliation finds what is there", d.OrderNo, "%s: %s %s: %s", day, d.Kind, d.HisNo, d.Detail)
}

// atTheHIS tells whether somebody cancelled an order of this number at the HIS.
func (w *world) atTheHIS(no string) bool {
	for _, o := range w.his.Books().Orders {
		if ownNo(o.HisNo, no) && slices.ContainsFunc(o.Orders, func(p simhis.PlacedBook) bool { return p.Canceled }) {
			return true
		}
	}
	return false
}
