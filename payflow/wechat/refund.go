package wechat

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"

	"github.com/hisgate/hisgate/payflow"
)

type refundRequest struct {
	OutTradeNo  string `json:"out_trade_no"`
	OutRefundNo string `json:"out_refund_no"`
	Reason      string `json:"reason,omitempty"`
	NotifyURL   string `json:"notify_url,omitempty"`
	Amount      struct {
		Refund   int64  `json:"refund"`
		Total    int64  `json:"total"`
		Currency string `json:"currency"`
	} `json:"amount"`
}

// refundBody is a refund as answers spell it. Callbacks say refund_status where these say status.
type refundBody struct {
	OutTradeNo  string `json:"out_trade_no"`
	OutRefundNo string `json:"out_refund_no"`
	RefundID    string `json:"refund_id"`
	Status      string `json:"status"`
	CreateTime  string `json:"create_time"`
	SuccessTime string `json:"success_time"`
	Amount      struct {
		Refund int64 `json:"refund"`
		Total  int64 `json:"total"`
	} `json:"amount"`
}

// answer reads b, and returns what contradicts WeChat's documents, "" when nothing does.
func (b refundBody) answer() (a payflow.RefundAnswer, wrong string) {
	a = payflow.RefundAnswer{
		OrderNo: b.OutTradeNo, OutRefundNo: b.OutRefundNo, RefundID: b.RefundID, State: payflow.RefundState(b.Status),
		RefundFen: b.Amount.Refund, TotalFen: b.Amount.Total, TakenAt: parseTime(b.CreateTime), SuccessAt: parseTime(b.SuccessTime),
	}
	switch a.State {
	case payflow.RefundSuccess, payflow.RefundClosed, payflow.RefundProcessing, payflow.RefundAbnormal:
	default:
		return a, "has a refund status that is not documented"
	}
	if a.RefundFen <= 0 {
		return a, "has no amount"
	}
	return a, ""
}

var outRefundNoForm = regexp.MustCompile(`^[0-9A-Za-z_|*@-]{1,64}$`)

// Refund implements payflow.PayChannel. The same intent is always sent as the same bytes; a reason that is too long is cut
// to 80 characters, since it only informs the patient. The amounts of the answer are those of the refund that WeChat holds
// under this number: a caller compares them.
//
// Refused with NOTENOUGH: the merchant's balance; the same refund can be sent again. Refused with RESOURCENOTEXISTS: no such
// paid order.
func (c *Channel) Refund(ctx context.Context, r payflow.RefundIntent) (payflow.RefundAnswer, error) {
	if e := checkRefund(r); e != nil {
		return payflow.RefundAnswer{}, badInput(opRefund, e)
	}
	req := refundRequest{
		OutTradeNo: r.OrderNo, OutRefundNo: r.OutRefundNo, Reason: cut(clean(r.Reason, len(r.Reason)), 80), NotifyURL: c.refundNotifyURL,
	}
	req.Amount.Refund, req.Amount.Total, req.Amount.Currency = r.RefundFen, r.TotalFen, currencyCNY
	body, err := json.Marshal(req)
	if err != nil {
		return payflow.RefundAnswer{}, badInput(opRefund, &payflow.FieldError{Field: "refund", Reason: "cannot be encoded"})
	}
	answer, err := c.call(ctx, opRefund, "/v3/refund/domestic/refunds", body, http.StatusOK)
	if err != nil {
		return payflow.RefundAnswer{}, err
	}
	got, e := readRefund(opRefund, answer, r.OutRefundNo)
	if e == nil && got.OrderNo != r.OrderNo {
		e = unreadable(opRefund, http.StatusOK, "is about another order")
	}
	if e != nil {
		return payflow.RefundAnswer{}, e
	}
	return got, nil
}

func checkRefund(r payflow.RefundIntent) *payflow.FieldError {
	if e := checkOrderNo(r.OrderNo); e != nil {
		return e
	}
	if e := checkOutRefundNo(r.OutRefundNo); e != nil {
		return e
	}
	switch {
	case r.RefundFen <= 0:
		return &payflow.FieldError{Field: "refund_fen", Reason: "must be at least 1"}
	case r.RefundFen > r.TotalFen:
		return &payflow.FieldError{Field: "refund_fen", Reason: "is more than was paid"}
	}
	return nil
}

func checkOutRefundNo(no string) *payflow.FieldError {
	if !outRefundNoForm.MatchString(no) {
		return &payflow.FieldError{Field: "out_refund_no", Reason: "must be 1 to 64 of 0-9 A-Z a-z _ - | * @"}
	}
	return nil
}

// cut keeps the first n characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// QueryRefund implements payflow.PayChannel. Refused with RESOURCENOTEXISTS when WeChat does not know the number.
func (c *Channel) QueryRefund(ctx context.Context, outRefundNo string) (payflow.RefundAnswer, error) {
	if e := checkOutRefundNo(outRefundNo); e != nil {
		return payflow.RefundAnswer{}, badInput(opQueryRefund, e)
	}
	answer, err := c.call(ctx, opQueryRefund, "/v3/refund/domestic/refunds/"+url.PathEscape(outRefundNo), nil, http.StatusOK)
	if err != nil {
		return payflow.RefundAnswer{}, err
	}
	got, e := readRefund(opQueryRefund, answer, outRefundNo)
	if e != nil {
		return payflow.RefundAnswer{}, e
	}
	return got, nil
}

func readRefund(o op, answer []byte, outRefundNo string) (payflow.RefundAnswer, *payflow.ChannelError) {
	var b refundBody
	if json.Unmarshal(answer, &b) != nil {
		return payflow.RefundAnswer{}, unreadable(o, http.StatusOK, "is not JSON of the documented form")
	}
	if b.OutRefundNo != outRefundNo {
		return payflow.RefundAnswer{}, unreadable(o, http.StatusOK, "is about another refund")
	}
	got, wrong := b.answer()
	if wrong != "" {
		return payflow.RefundAnswer{}, unreadable(o, http.StatusOK, wrong)
	}
	return got, nil
}
