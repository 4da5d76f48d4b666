package payflow_test

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

var beijing = time.FixedZone("Beijing", 8*60*60)

func dayOf(t time.Time) string { return t.In(beijing).Format(time.DateOnly) }

// TradeBill is WeChat's bill: what was paid and refunded on the day, as the test edits it.
func (f *fakePay) TradeBill(ctx context.Context, day time.Time, each func(payflow.BillRow) error) (totals payflow.BillTotals, err error) {
	name := dayOf(day)
	var rows []payflow.BillRow
	if err := f.play(ctx, "bill", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		for no, t := range f.trades {
			if t.TransactionID != "" && dayOf(t.PaidAt) == name {
				rows = append(rows, payflow.BillRow{
					At: t.PaidAt, AppID: t.AppID, OrderNo: no, TransactionID: t.TransactionID, State: "SUCCESS", OrderFen: t.TotalFen,
				})
			}
		}
		for id, tx := range f.seconds {
			if dayOf(tx.PaidAt) == name {
				rows = append(rows, payflow.BillRow{
					At: tx.PaidAt, AppID: tx.AppID, OrderNo: tx.OrderNo, TransactionID: id, State: "SUCCESS", OrderFen: tx.TotalFen,
				})
			}
		}
		for no, r := range f.refunds {
			if dayOf(f.takenAt[no]) != name {
				continue
			}
			row := payflow.BillRow{
				At: f.takenAt[no], OrderNo: r.OrderNo, State: "REFUND", OutRefundNo: no, RefundFen: r.RefundFen, RefundState: string(r.State),
			}
			if t := f.trades[r.OrderNo]; t != nil {
				row.AppID, row.TransactionID = t.AppID, t.TransactionID
			}
			rows = append(rows, row)
		}
		if f.editRow != nil {
			rows = f.editRow(name, rows)
		}
		return nil
	}); err != nil {
		return totals, err
	}
	slices.SortFunc(rows, func(a, b payflow.BillRow) int {
		return strings.Compare(a.OrderNo+a.OutRefundNo, b.OrderNo+b.OutRefundNo)
	})
	totals.Empty = len(rows) == 0
	for _, r := range rows {
		totals.Rows, totals.OrderFen, totals.RefundFen = totals.Rows+1, totals.OrderFen+r.OrderFen, totals.RefundFen+r.RefundFen
		if err := each(r); err != nil {
			return totals, err
		}
	}
	return totals, nil
}

// console is somebody who refunds in the merchant console.
func (f *fakePay) console(no, outRefundNo string, fen int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refunds[outRefundNo] = &payflow.RefundAnswer{OrderNo: no, OutRefundNo: outRefundNo, RefundID: "R", MchID: "M1", State: payflow.RefundSuccess, RefundFen: fen, TakenAt: f.now()}
	f.takenAt[outRefundNo] = f.now()
}

// stranger is somebody who paid for an order that was never made here.
func (f *fakePay) stranger(no, transactionID string, fen int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trades[no] = &trade{Transaction: payflow.Transaction{
		OrderNo: no, TransactionID: transactionID, State: payflow.TradeSuccess, TotalFen: fen, PaidAt: f.now(), MchID: "M1",
	}}
}

// bills changes the rows of all bills from now on; nil = no more.
func (f *fakePay) bills(edit func(day string, rows []payflow.BillRow) []payflow.BillRow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.editRow = edit
}

// HISOrders is the HIS's list of the day, as the test edits it.
func (f *fakeLocks) HISOrders(ctx context.Context, day time.Time) (list []payflow.HISOrder, err error) {
	name := dayOf(day)
	err = f.play(ctx, "his_orders", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		for no, l := range f.locks {
			if l.Confirmed && dayOf(l.madeAt) == name {
				list = append(list, payflow.HISOrder{HisNo: l.HisNo, HisOrderNo: l.HisOrderNo, OrderNo: no, DrugsFen: l.fen, Cancelled: l.Cancelled})
			}
		}
		slices.SortFunc(list, func(a, b payflow.HISOrder) int { return strings.Compare(a.HisNo, b.HisNo) })
		if f.editList != nil {
			list = f.editList(name, list)
		}
		return nil
	})
	return list, err
}

// LookAgain finds what the test put there.
func (f *fakeLocks) LookAgain(ctx context.Context, _ time.Time) (looked, found int, err error) {
	err = f.play(ctx, "look_again", func() error { return nil })
	return f.found, f.found, err
}

// lists changes the HIS's lists from now on; nil = no more.
func (f *fakeLocks) lists(edit func(day string, list []payflow.HISOrder) []payflow.HISOrder) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.editList = edit
}

// fenOf says what the HIS thinks an order costs.
func (f *fakeLocks) fenOf(no string, fen int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.locks[no].fen = fen
}
