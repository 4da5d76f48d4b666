package wechatsim

import (
	"net/http"
	"time"
)

// RefundState is WeChat's refund status.
type RefundState string

// The states of a refund.
const (
	RefundProcessing RefundState = "PROCESSING"
	RefundSuccess    RefundState = "SUCCESS"
	RefundClosed     RefundState = "CLOSED"   // nothing was given back; another out_refund_no may try again
	RefundAbnormal   RefundState = "ABNORMAL" // the patient's card cannot take it; a person must act
)

// Refund is a refund in the books. Amounts are in fen.
type Refund struct {
	OutRefundNo   string      `json:"out_refund_no"`
	RefundID      string      `json:"refund_id"`
	OutTradeNo    string      `json:"out_trade_no"`
	TransactionID string      `json:"transaction_id"`
	State         RefundState `json:"state"`
	Total         int64       `json:"total"`  // of the trade
	Amount        int64       `json:"amount"` // given back, coupons included
	PayerAmount   int64       `json:"payer_amount"`
	Reason        string      `json:"reason,omitempty"`
	NotifyURL     string      `json:"notify_url,omitempty"`
	Console       bool        `json:"console,omitempty"` // made by a person in the merchant console
	CreatedAt     time.Time   `json:"created_at"`
	EndedAt       time.Time   `json:"ended_at,omitzero"`
}

type refund struct {
	Refund
	trade *trade
}

const (
	maxRefundParts = 50
	refundYear     = 365 * 24 * time.Hour
)

type refundRequest struct {
	TransactionID string `json:"transaction_id"`
	OutTradeNo    string `json:"out_trade_no"`
	OutRefundNo   string `json:"out_refund_no"`
	Reason        string `json:"reason"`
	NotifyURL     string `json:"notify_url"`
	Amount        *struct {
		Refund   int64  `json:"refund"`
		Total    int64  `json:"total"`
		Currency string `json:"currency"`
	} `json:"amount"`
}

func (s *Sim) decodeRefund(_ *http.Request, body []byte) (call, *apiError) {
	var req refundRequest
	if e := decodeJSON(body, &req); e != nil {
		return call{}, e
	}
	c := call{outTradeNo: req.OutTradeNo, outRefundNo: req.OutRefundNo}
	if e := checkRefund(req); e != nil {
		return c, e
	}
	if c.outTradeNo == "" {
		s.mu.Lock()
		if t := s.paid[req.TransactionID]; t != nil {
			c.outTradeNo = t.OutTradeNo
		}
		s.mu.Unlock()
	}
	c.apply = func(now time.Time, f Fault) answer {
		end := RefundSuccess
		switch f.Kind {
		case KindEndClosed:
			end = RefundClosed
		case KindEndAbnormal:
			end = RefundAbnormal
		}
		rf, e := s.refund(req, end, now)
		if e != nil {
			return s.failure(e)
		}
		return jsonAnswer(http.StatusOK, refundBody(rf))
	}
	return c, nil
}

func checkRefund(req refundRequest) *apiError {
	if e := first(
		checkNumber("/out_refund_no", req.OutRefundNo, 1, 64, "_-|*@"),
		checkText("/reason", req.Reason, 0, 80),
	); e != nil {
		return e
	}
	if req.NotifyURL != "" {
		if e := checkNotifyURL(req.NotifyURL, 256); e != nil {
			return e
		}
	}
	switch {
	case req.TransactionID == "" && req.OutTradeNo == "":
		return paramError("/out_trade_no", "transaction_id和out_trade_no必须二选一")
	case req.Amount == nil:
		return paramError("/amount", "必填，但输入为空")
	case req.Amount.Refund < 1:
		return paramError("/amount/refund", "值小于最小值 1")
	case req.Amount.Total < 1:
		return paramError("/amount/total", "值小于最小值 1")
	case req.Amount.Currency != "CNY":
		return paramError("/amount/currency", "境内商户号仅支持CNY")
	}
	return nil
}

// refund accepts a refund, or finds the same one again. Under mu.
func (s *Sim) refund(req refundRequest, end RefundState, now time.Time) (*refund, *apiError) {
	t := s.trades[req.OutTradeNo]
	if req.TransactionID != "" { // where both are given, WeChat goes by this one
		t = s.paid[req.TransactionID]
	}
	if t == nil || t.TransactionID == "" {
		return nil, notFound("RESOURCE_NOT_EXISTS", "订单不存在或未支付")
	}
	mismatch := invalidRequest("订单金额或退款金额与之前请求不一致，请核实后再试")
	if rf := s.refunds[req.OutRefundNo]; rf != nil {
		if rf.trade != t || rf.Amount != req.Amount.Refund || rf.Total != req.Amount.Total {
			return nil, mismatch
		}
		return rf, nil
	}
	taken := t.Refunded + t.Refunding
	switch {
	case req.Amount.Total != t.Total:
		return nil, mismatch
	case now.Sub(t.PaidAt) > refundYear:
		return nil, &apiError{Status: http.StatusForbidden, Code: "TRADE_OVERDUE", Message: "订单已经超过退款期限"}
	case taken == t.Total:
		return nil, invalidRequest("订单已全额退款")
	case taken+req.Amount.Refund > t.Total:
		return nil, invalidRequest("退款金额大于可退金额")
	case len(t.refunds) >= maxRefundParts:
		return nil, invalidRequest("单笔交易退款次数不能超过50次")
	}
	if n := len(t.refunds); n > 0 && now.Sub(t.refunds[n-1].CreatedAt) < s.opts.RefundSpacing {
		return nil, &apiError{Status: http.StatusTooManyRequests, Code: "FREQUENCY_LIMITED", Message: "同一笔订单多次退款的请求需相隔1分钟"}
	}
	rf := &refund{
		Refund: Refund{
			OutRefundNo: req.OutRefundNo, RefundID: s.newRefundID(now), OutTradeNo: t.OutTradeNo,
			TransactionID: t.TransactionID, State: RefundProcessing, Total: t.Total, Amount: req.Amount.Refund,
			PayerAmount: payerShare(t, req.Amount.Refund), Reason: req.Reason, NotifyURL: req.NotifyURL, CreatedAt: now,
		},
		trade: t,
	}
	t.refunds = append(t.refunds, rf)
	s.refunds[rf.OutRefundNo] = rf
	s.refunded = append(s.refunded, rf)
	t.restate()
	s.at(now.Add(s.opts.RefundDelay), func(at time.Time) { s.endRefund(rf, end, at) })
	return rf, nil
}

// payerShare is what of a refund goes to the payer, the rest being coupons; the last fen go with the last refund.
func payerShare(t *trade, amount int64) int64 {
	given, paid := amount, int64(0)
	for _, rf := range t.refunds {
		if rf.State != RefundClosed {
			given += rf.Amount
			paid += rf.PayerAmount
		}
	}
	if given == t.Total {
		return t.PayerTotal - paid
	}
	return amount * t.PayerTotal / t.Total
}

// endRefund settles a refund and tells the merchant. Under mu.
func (s *Sim) endRefund(rf *refund, end RefundState, at time.Time) {
	rf.State, rf.EndedAt = end, at
	rf.trade.restate()
	if rf.NotifyURL == "" {
		return
	}
	summary := map[RefundState]string{RefundSuccess: "退款成功", RefundClosed: "退款关闭", RefundAbnormal: "退款异常"}[end]
	s.announce(rf.NotifyURL, OpNotifyRefund, "REFUND."+string(end), summary, rf.OutTradeNo, rf.OutRefundNo, s.refundNotice(rf), at)
}

func (s *Sim) decodeRefundQuery(r *http.Request, _ []byte) (call, *apiError) {
	no := r.PathValue("no")
	c := call{outRefundNo: no}
	if e := checkNumber("/out_refund_no", no, 1, 64, "_-|*@"); e != nil {
		return c, e
	}
	c.apply = func(time.Time, Fault) answer {
		rf := s.refunds[no]
		if rf == nil {
			return s.failure(notFound("RESOURCE_NOT_EXISTS", "退款单不存在"))
		}
		return jsonAnswer(http.StatusOK, refundBody(rf))
	}
	return c, nil
}
