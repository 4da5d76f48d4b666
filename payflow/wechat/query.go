package wechat

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// transactionBody is a transaction as queries and payment callbacks spell it.
type transactionBody struct {
	AppID         string `json:"appid"`
	MchID         string `json:"mchid"`
	OutTradeNo    string `json:"out_trade_no"`
	TransactionID string `json:"transaction_id"`
	TradeState    string `json:"trade_state"`
	SuccessTime   string `json:"success_time"`
	Payer         struct {
		OpenID string `json:"openid"`
	} `json:"payer"`
	Amount struct {
		Total    int64  `json:"total"`  // what the order costs; payer_total is less by a coupon
		Refund   int64  `json:"refund"` // in refund callbacks
		Currency string `json:"currency"`
	} `json:"amount"`
}

// transaction reads b, and returns what contradicts WeChat's documents, "" when nothing does.
func (b transactionBody) transaction() (t payflow.Transaction, wrong string) {
	t = payflow.Transaction{
		OrderNo: b.OutTradeNo, TransactionID: b.TransactionID, MchID: b.MchID, AppID: b.AppID, OpenID: b.Payer.OpenID,
		State: payflow.TradeState(b.TradeState), TotalFen: b.Amount.Total, Currency: b.Amount.Currency,
		PaidAt: parseTime(b.SuccessTime),
	}
	switch t.State {
	case payflow.TradeSuccess, payflow.TradeRefund:
		switch {
		case t.TransactionID == "":
			return t, "says paid, but has no transaction_id"
		case t.TotalFen <= 0:
			return t, "says paid, but has no amount"
		}
	case payflow.TradeNotPay, payflow.TradeClosed, payflow.TradeRevoked, payflow.TradeUserPaying, payflow.TradePayError:
	default:
		return t, "has a trade_state that is not documented"
	}
	return t, ""
}

// parseTime reads WeChat's times. A time that cannot be read is the zero time: it must not hide money.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// Query implements payflow.PayChannel. The transaction's appid and currency are handed on as they are, also when they are
// not ours: it is the order's business to compare them, with the amount.
func (c *Channel) Query(ctx context.Context, orderNo string) (payflow.Transaction, error) {
	if e := checkOrderNo(orderNo); e != nil {
		return payflow.Transaction{}, badInput(opQuery, e)
	}
	return c.transaction(ctx, "out-trade-no/"+orderNo, func(b *transactionBody) bool { return b.OutTradeNo == orderNo })
}

// maxTransactionID is how long a number of WeChat's is at most.
const maxTransactionID = 32

// QueryTransaction implements payflow.PayChannel.
func (c *Channel) QueryTransaction(ctx context.Context, transactionID string) (payflow.Transaction, error) {
	if transactionID == "" || len(transactionID) > maxTransactionID {
		return payflow.Transaction{}, badInput(opQuery, &payflow.FieldError{Field: "transaction_id", Reason: "must have 1 to 32 characters"})
	}
	return c.transaction(ctx, "id/"+url.PathEscape(transactionID), func(b *transactionBody) bool { return b.TransactionID == transactionID })
}

// transaction asks for one, under the path below /v3/pay/transactions/; the answer must
// be about the one that was meant.
func (c *Channel) transaction(ctx context.Context, path string, meant func(*transactionBody) bool) (payflow.Transaction, error) {
	path = "/v3/pay/transactions/" + path + "?" + url.Values{"mchid": {c.mchID}}.Encode()
	answer, err := c.call(ctx, opQuery, path, nil, http.StatusOK)
	if err != nil {
		return payflow.Transaction{}, err
	}
	var b transactionBody
	if json.Unmarshal(answer, &b) != nil {
		return payflow.Transaction{}, unreadable(opQuery, http.StatusOK, "is not JSON of the documented form")
	}
	if !meant(&b) || b.MchID != c.mchID {
		return payflow.Transaction{}, unreadable(opQuery, http.StatusOK, "is about another payment or merchant")
	}
	t, wrong := b.transaction()
	if wrong != "" {
		return payflow.Transaction{}, unreadable(opQuery, http.StatusOK, wrong)
	}
	return t, nil
}

func checkOrderNo(orderNo string) *payflow.FieldError {
	if !outTradeNoForm.MatchString(orderNo) {
		return &payflow.FieldError{Field: "order_no", Reason: "must be 6 to 32 of 0-9 A-Z a-z _ -"}
	}
	return nil
}
