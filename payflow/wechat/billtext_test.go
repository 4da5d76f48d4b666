package wechat

import (
	"strings"
	"testing"

	"github.com/hisgate/hisgate/payflow"
)

// FuzzBillText: whatever comes, rows are whole or there are none, and a bill that is taken adds up.
func FuzzBillText(f *testing.F) {
	const names = "交易时间,微信订单号,商户订单号,交易状态,商户退款单号,退款状态,商品名称,商户数据包,订单金额,申请退款金额"
	const sums = "\r\n总交易单数,订单总金额,申请退款总金额\r\n"
	f.Add("\ufeff" + names + sums + "`0,`0.00,`0.00\r\n")
	f.Add(names + "\r\n`2026-11-21 12:00:00,`42,`ORDER1,`SUCCESS,`0,`,`药,`a,`16.00,`0.00" + sums + "`1,`16.00,`0.00")
	f.Add(names + "\n`2026-11-21 12:00:00,`42,`ORDER1,`REFUND,`R1,`SUCCESS,`a,`b\nc,`x,`0.00,`16.00" + sums + "`1,`0.00,`16.00")
	f.Fuzz(func(t *testing.T, text string) {
		var rows, order, refund int64
		totals, err := readBill(t.Context(), strings.NewReader(text), func(r payflow.BillRow) error {
			rows, order, refund = rows+1, order+r.OrderFen, refund+r.RefundFen
			if r.OrderNo == "" || r.TransactionID == "" || r.State == "" || r.At.IsZero() {
				t.Errorf("half a row: %+v", r)
			}
			return nil
		})
		if err == nil && (totals.Rows != rows || totals.OrderFen != order || totals.RefundFen != refund) {
			t.Errorf("%+v for %d rows, %d and %d fen", totals, rows, order, refund)
		}
	})
}

func TestYuanBecomesFenExactly(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "0.00": 0, "0.01": 1, "16": 1600, "16.5": 1650, "16.50000": 1650, "-1.01": -101, "99999999999.99": 9999999999999,
	} {
		if got, err := parseYuan(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", ".", "-", ".5", "1.001", "1,000.00", "1e3", "１", "1.0x", "--1", "123456789012"} {
		if got, err := parseYuan(text); err == nil {
			t.Errorf("%q: taken for %d fen", text, got)
		}
	}
}
