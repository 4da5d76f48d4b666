package wechatsim

import (
	"net/http"
	"time"
)

// TradeState is WeChat's trade_state.
type TradeState string

// The states that a direct merchant's order can have here.
const (
	TradeNotPay  TradeState = "NOTPAY"
	TradeSuccess TradeState = "SUCCESS"
	TradeRefund  TradeState = "REFUND" // paid, and a refund was accepted
	TradeClosed  TradeState = "CLOSED"
)

func (t TradeState) text() string {
	switch t {
	case TradeNotPay:
		return "订单未支付"
	case TradeSuccess:
		return "支付成功"
	case TradeRefund:
		return "订单发生过退款，退款详情请查询退款单"
	case TradeClosed:
		return "订单已关闭"
	}
	return ""
}

// Trade is an order in the books. Amounts are in fen; times that did not come yet are zero.
type Trade struct {
	OutTradeNo    string     `json:"out_trade_no"`
	AppID         string     `json:"appid"`
	TradeType     string     `json:"trade_type"` // JSAPI, NATIVE, MWEB, APP
	Description   string     `json:"description"`
	Attach        string     `json:"attach,omitempty"`
	NotifyURL     string     `json:"notify_url"`
	OpenID        string     `json:"openid,omitempty"`
	State         TradeState `json:"state"`
	Total         int64      `json:"total"`
	PayerTotal    int64      `json:"payer_total,omitempty"` // Total less coupons, once paid
	Refunded      int64      `json:"refunded,omitempty"`    // refunds that ended SUCCESS
	Refunding     int64      `json:"refunding,omitempty"`   // refunds that are PROCESSING or ABNORMAL
	TransactionID string     `json:"transaction_id,omitempty"`
	PrepayID      string     `json:"prepay_id"`
	CodeURL       string     `json:"code_url"`
	CreatedAt     time.Time  `json:"created_at"`
	PrepaidAt     time.Time  `json:"prepaid_at"` // when PrepayID was issued
	TimeExpire    time.Time  `json:"time_expire"`
	PaidAt        time.Time  `json:"paid_at,omitzero"`
	ClosedAt      time.Time  `json:"closed_at,omitzero"`
}

type trade struct {
	Trade
	params  string // the first prepay, canonical
	burned  bool   // never ordered, only closed
	refunds []*refund
}

// restate works the state and the sums of a paid trade out of its refunds. Under mu.
func (t *trade) restate() {
	t.State, t.Refunded, t.Refunding = TradeSuccess, 0, 0
	for _, rf := range t.refunds {
		switch rf.State {
		case RefundClosed:
			continue
		case RefundSuccess:
			t.Refunded += rf.Amount
		default:
			t.Refunding += rf.Amount
		}
		t.State = TradeRefund
	}
}

func (s *Sim) checkMchID(r *http.Request) *apiError {
	switch mchID := r.URL.Query().Get("mchid"); mchID {
	case s.opts.MchID:
		return nil
	case "":
		return queryError("mchid", "必填，但输入为空")
	}
	return invalidRequest("请求的商户号与签名的商户号不一致")
}

func (s *Sim) decodeQuery(r *http.Request, _ []byte) (call, *apiError) {
	no := r.PathValue("no")
	c := call{outTradeNo: no}
	if e := first(checkTradeNo(no), s.checkMchID(r)); e != nil {
		return c, e
	}
	c.apply = func(time.Time, Fault) answer { return s.answerTrade(s.trades[no]) }
	return c, nil
}

func (s *Sim) decodeQueryID(r *http.Request, _ []byte) (call, *apiError) {
	id := r.PathValue("id")
	if e := s.checkMchID(r); e != nil {
		return call{}, e
	}
	return call{apply: func(time.Time, Fault) answer { return s.answerTrade(s.paid[id]) }}, nil
}

func (s *Sim) answerTrade(t *trade) answer {
	if t == nil || t.burned {
		return s.failure(notFound("ORDER_NOT_EXIST", "订单不存在"))
	}
	return jsonAnswer(http.StatusOK, s.transaction(t))
}

func (s *Sim) decodeClose(r *http.Request, body []byte) (call, *apiError) {
	no := r.PathValue("no")
	c := call{outTradeNo: no}
	var req struct {
		MchID string `json:"mchid"`
	}
	if e := first(decodeJSON(body, &req), checkTradeNo(no)); e != nil {
		return c, e
	}
	if req.MchID != s.opts.MchID {
		return c, invalidRequest("请求的商户号与签名的商户号不一致")
	}
	c.apply = func(now time.Time, _ Fault) answer {
		if e := s.close(no, now); e != nil {
			return s.failure(e)
		}
		return answer{status: http.StatusNoContent}
	}
	return c, nil
}

// close ends an unpaid trade; closing it again changes nothing and is answered alike. Under mu.
func (s *Sim) close(no string, now time.Time) *apiError {
	t := s.trades[no]
	switch {
	case t == nil && s.opts.CloseBurnsUnknown:
		s.trades[no] = &trade{Trade: Trade{OutTradeNo: no, State: TradeClosed, ClosedAt: now}, burned: true}
	case t == nil:
		return notFound("ORDER_NOT_EXIST", "订单不存在")
	case t.TransactionID != "":
		return &apiError{Status: http.StatusBadRequest, Code: "ORDER_PAID", Message: "订单已支付，不能关闭"}
	case t.State == TradeNotPay:
		t.State, t.ClosedAt = TradeClosed, now
	}
	return nil
}
