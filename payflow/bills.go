package payflow

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Bills hands out WeChat's trade bills, for reconciliation.
type Bills interface {
	// TradeBill fetches the trade bill (payments and refunds) of a Beijing day and
	// hands its rows to each, in the order in which they stand. Nothing of a bill is
	// handed out before the whole of it was read and checked: its hash against the
	// signed answer that announced it, every row, and the sums that it ends with. Its
	// memory does not grow with the bill. An error of each ends it and is returned.
	//
	// Errors: ErrBillNotReady, *BillError (nothing of the bill may be believed), and
	// *ChannelError for calls that did not succeed.
	TradeBill(ctx context.Context, day time.Time, each func(BillRow) error) (BillTotals, error)
}

// ErrBillNotReady: WeChat has not made the day's bill yet. Ask again later.
var ErrBillNotReady = errors.New("WeChat has not made the bill yet")

// BillError: a bill came that must not be believed.
type BillError struct {
	Line   int // 0 = the file as a whole
	Reason string
}

func (e *BillError) Error() string {
	if e.Line == 0 {
		return "trade bill: " + e.Reason
	}
	return fmt.Sprintf("trade bill, line %d: %s", e.Line, e.Reason)
}

// BillRow is one row of a trade bill: a payment, or a refund when OutRefundNo is
// set. Amounts are in fen.
type BillRow struct {
	At            time.Time // the trade's time, to the second
	AppID         string
	MchID         string
	OrderNo       string // out_trade_no
	TransactionID string
	State         string // SUCCESS, REFUND, REVOKED
	Currency      string
	OrderFen      int64 // 订单金额: what the order cost, coupons included
	OutRefundNo   string
	RefundID      string
	RefundFen     int64  // 申请退款金额
	RefundState   string // SUCCESS, PROCESSING, FAIL, CLOSED, ABNORMAL
}

// refund tells whether the row is about a refund.
func (r *BillRow) refund() bool { return r.OutRefundNo != "" }

// BillTotals is what a bill says of itself, verified against its rows.
type BillTotals struct {
	Rows      int64
	OrderFen  int64
	RefundFen int64
	Empty     bool   // WeChat says that there was no trade on that day
	SHA1      string // of the file, in hex; "" for an empty day
}

// beijing is the zone of bills, of the days of reconciliation and of the HIS's
// calendar. It has had no daylight saving time since 1991.
func beijing() *time.Location { return time.FixedZone("Asia/Shanghai", 8*60*60) }
