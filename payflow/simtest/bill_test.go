package simtest_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// beijing is the zone of WeChat's bills.
var beijing = time.FixedZone("Asia/Shanghai", 8*60*60)

func dayOf(t time.Time) string { return t.In(beijing).Format(time.DateOnly) }

func midnight(t time.Time) time.Time {
	t = t.In(beijing)
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, beijing)
}

// rows are the trade bill of a day: every payment that was made on it, and every
// refund that was taken on it, in order, as the books have them now.
func (c *wechat) rows(day string) (rows []payflow.BillRow) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	for _, t := range c.inOrder {
		for _, m := range t.money {
			if dayOf(m.at) == day {
				rows = append(rows, payflow.BillRow{
					At: m.at.Truncate(time.Second), AppID: m.appID, MchID: merchant, OrderNo: t.no, TransactionID: m.id,
					State: "SUCCESS", Currency: "CNY", OrderFen: m.fen,
				})
			}
		}
		for _, rf := range t.refunds {
			if dayOf(rf.taken) == day {
				rows = append(rows, payflow.BillRow{
					At: rf.taken.Truncate(time.Second), AppID: rf.money.appID, MchID: merchant, OrderNo: t.no, TransactionID: rf.money.id,
					State: "REFUND", Currency: "CNY", OrderFen: rf.money.fen,
					OutRefundNo: rf.no, RefundID: rf.id, RefundFen: rf.fen, RefundState: string(rf.state),
				})
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b payflow.BillRow) int { return cmp.Compare(a.At.Unix(), b.At.Unix()) })
	return rows
}

// days are those of which the bill has rows, but for the most recent.
func (c *wechat) days(before time.Time) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var days []string
	add := func(t time.Time) {
		if d := dayOf(t); t.Before(before) && !slices.Contains(days, d) {
			days = append(days, d)
		}
	}
	for _, t := range c.inOrder {
		for _, m := range t.money {
			add(m.at)
		}
		for _, rf := range t.refunds {
			add(rf.taken)
		}
	}
	slices.Sort(days)
	return days
}

// billTroubles are what may come of fetching a bill, beside the troubles of every
// call. They do not end with the other trouble: the morning after is calm.
var billTroubles = []struct {
	what string
	err  error
}{
	{"reconcile: the bill is late", payflow.ErrBillNotReady},
	{"reconcile: the hash of the bill is wrong", &payflow.BillError{Reason: "its SHA1 is not the one that was announced"}},
	{"reconcile: the bill is cut off", &payflow.BillError{Line: 2, Reason: "the sums are missing"}},
	{"reconcile: the bill cannot be fetched", &payflow.ChannelError{Op: "bill", Outcome: payflow.ChannelUnknown, Status: 500}},
}

// troubledBills is how many of the first tries for a day's bill may meet trouble.
const troubledBills = 4

// TradeBill hands out the day's bill as WeChat's books make it, once it is there.
func (c channel) TradeBill(ctx context.Context, day time.Time, each func(payflow.BillRow) error) (payflow.BillTotals, error) {
	w, name := c.w, dayOf(day)
	none := payflow.BillTotals{}
	r := c.l.throw("bill", name)
	say := func(what string) { w.trace.say("hisgate", "WeChat bill of %s → %s", name, what) }
	if !sleep(ctx, r.between(100*time.Millisecond, 2*time.Second)) || c.l.dead() {
		return none, &payflow.ChannelError{Op: "bill", Outcome: payflow.ChannelUnknown, Err: context.Cause(ctx)}
	}
	switch {
	case w.out(payDown):
		return none, &payflow.ChannelError{Op: "bill", Outcome: payflow.ChannelNotSent, Err: errCut}
	case time.Now().Before(midnight(day).AddDate(0, 0, 1).Add(w.plan.billReady)):
		say("not there yet")
		w.tally.fault("reconcile: the bill is not there yet")
		return none, payflow.ErrBillNotReady
	}
	tries := w.billTried(name)
	troubled := tries <= troubledBills && !w.closing()
	if t := pick(r, billTroubles...); troubled && r.chance(0.25) {
		w.tally.fault(t.what)
		say(t.err.Error())
		return none, t.err
	}
	if troubled && r.chance(0.12) {
		w.later(r.between(time.Millisecond, 3*time.Second), func() { w.pullPlug(c.l) })
	}
	rows := c.w.wechat.rows(name)
	w.tally.fault("reconcile: a bill is compared" + note(len(rows) == 0, ", an empty one"))
	say(fmt.Sprintf("%d rows", len(rows)))
	totals := payflow.BillTotals{Rows: int64(len(rows)), Empty: len(rows) == 0, SHA1: fmt.Sprintf("%s-%d", name, len(rows))}
	for i := range rows {
		if rows[i].OutRefundNo == "" {
			totals.OrderFen += rows[i].OrderFen
		} else {
			totals.RefundFen += rows[i].RefundFen
		}
		if err := each(rows[i]); err != nil {
			return none, err
		}
	}
	return totals, nil
}
