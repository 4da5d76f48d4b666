package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// fakePay is WeChat Pay as far as the edge can see it. The body of a callback
// says what becomes of it.
type fakePay struct {
	mu   sync.Mutex
	paid map[string]payflow.Transaction
	last payflow.Callback
	hang bool // callbacks wait for their time to end
}

func newFakePay() *fakePay { return &fakePay{paid: map[string]payflow.Transaction{}} }

func (f *fakePay) pay(orderNo string, fen int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paid[orderNo] = payflow.Transaction{
		OrderNo: orderNo, TransactionID: "T" + orderNo, AppID: "wx1", State: payflow.TradeSuccess,
		TotalFen: fen, Currency: "CNY", PaidAt: time.Now(),
	}
}

// TradeBill has one payment that nobody here knows of.
func (f *fakePay) TradeBill(_ context.Context, day time.Time, each func(payflow.BillRow) error) (payflow.BillTotals, error) {
	f.pay("STRANGER-1", 500)
	row := payflow.BillRow{At: day, AppID: "wx1", OrderNo: "STRANGER-1", TransactionID: "TSTRANGER-1", State: "SUCCESS", OrderFen: 500}
	return payflow.BillTotals{Rows: 1, OrderFen: 500, SHA1: "ab"}, each(row)
}

func (f *fakePay) BuildPrepay(p payflow.PrepayIntent) ([]byte, error) { return json.Marshal(p) }

func (f *fakePay) Prepay(context.Context, payflow.Method, []byte) (payflow.Prepay, error) {
	return payflow.Prepay{PrepayID: "wxPREPAY"}, nil
}

func (f *fakePay) Query(_ context.Context, orderNo string) (payflow.Transaction, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if tx, ok := f.paid[orderNo]; ok {
		return tx, nil
	}
	return payflow.Transaction{OrderNo: orderNo, State: payflow.TradeNotPay}, nil
}

func (f *fakePay) QueryTransaction(ctx context.Context, id string) (payflow.Transaction, error) {
	return f.Query(ctx, strings.TrimPrefix(id, "T"))
}

func (f *fakePay) Close(context.Context, string) error { return nil }

func (f *fakePay) Refund(_ context.Context, r payflow.RefundIntent) (payflow.RefundAnswer, error) {
	return payflow.RefundAnswer{
		OrderNo: r.OrderNo, OutRefundNo: r.OutRefundNo, RefundID: "R", State: payflow.RefundSuccess,
		RefundFen: r.RefundFen, TotalFen: r.TotalFen, SuccessAt: time.Now(),
	}, nil
}

func (f *fakePay) QueryRefund(_ context.Context, no string) (payflow.RefundAnswer, error) {
	return payflow.RefundAnswer{OutRefundNo: no, State: payflow.RefundSuccess}, nil
}

func (f *fakePay) Invoke(_ payflow.Method, appID, prepayID string) (map[string]string, error) {
	return map[string]string{"appId": appID, "package": "prepay_id=" + prepayID, "paySign": "x"}, nil
}

func (f *fakePay) ParsePayment(ctx context.Context, c payflow.Callback) (payflow.Transaction, error) {
	f.mu.Lock()
	f.last = c
	hang := f.hang
	f.mu.Unlock()
	if hang {
		<-ctx.Done()
		return payflow.Transaction{}, ctx.Err()
	}
	switch body := string(c.Body); body {
	case "broken":
		return payflow.Transaction{}, errors.New("secret cause")
	case "panic":
		panic("oops")
	case "good":
		return payflow.Transaction{OrderNo: "NOBODYS", TransactionID: "T1", State: payflow.TradeSuccess, TotalFen: 1, Currency: "CNY", PaidAt: time.Now()}, nil
	default:
		return payflow.Transaction{}, &payflow.CallbackError{Reason: body}
	}
}

func (f *fakePay) ParseRefund(context.Context, payflow.Callback) (payflow.RefundAnswer, error) {
	return payflow.RefundAnswer{}, &payflow.CallbackError{Reason: "SIGNATURE"}
}
