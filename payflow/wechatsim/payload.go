package wechatsim

import "time"

// Transaction is a trade as queries answer it and as TRANSACTION.SUCCESS carries it.
type Transaction struct {
	AppID          string             `json:"appid"`
	MchID          string             `json:"mchid"`
	OutTradeNo     string             `json:"out_trade_no"`
	TransactionID  string             `json:"transaction_id,omitempty"`
	TradeType      string             `json:"trade_type,omitempty"`
	TradeState     TradeState         `json:"trade_state"`
	TradeStateDesc string             `json:"trade_state_desc"`
	BankType       string             `json:"bank_type,omitempty"`
	Attach         string             `json:"attach,omitempty"`
	SuccessTime    string             `json:"success_time,omitempty"` // RFC 3339, +08:00
	Payer          *Payer             `json:"payer,omitempty"`
	Amount         *TransactionAmount `json:"amount,omitempty"`
	Promotions     []Promotion        `json:"promotion_detail,omitempty"`
}

// Payer is who paid.
type Payer struct {
	OpenID string `json:"openid"`
}

// TransactionAmount is in fen. PayerTotal is Total less coupons.
type TransactionAmount struct {
	Total         int64  `json:"total"`
	PayerTotal    int64  `json:"payer_total,omitempty"`
	Currency      string `json:"currency,omitempty"`
	PayerCurrency string `json:"payer_currency,omitempty"`
}

// Promotion is a coupon that the patient used; Amount in fen.
type Promotion struct {
	CouponID string `json:"coupon_id"`
	Name     string `json:"name"`
	Scope    string `json:"scope"`
	Type     string `json:"type"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// RefundNotice is what REFUND.SUCCESS, REFUND.CLOSED and REFUND.ABNORMAL carry. Mind refund_status: a refund query says
// status.
type RefundNotice struct {
	MchID               string             `json:"mchid"`
	OutTradeNo          string             `json:"out_trade_no"`
	TransactionID       string             `json:"transaction_id"`
	OutRefundNo         string             `json:"out_refund_no"`
	RefundID            string             `json:"refund_id"`
	RefundStatus        RefundState        `json:"refund_status"`
	SuccessTime         string             `json:"success_time,omitempty"`
	UserReceivedAccount string             `json:"user_received_account"`
	Amount              RefundNoticeAmount `json:"amount"`
}

// RefundNoticeAmount is in fen.
type RefundNoticeAmount struct {
	Total       int64 `json:"total"`
	Refund      int64 `json:"refund"`
	PayerTotal  int64 `json:"payer_total"`
	PayerRefund int64 `json:"payer_refund"`
}

// refundAnswer is a refund as POST and GET answer it.
type refundAnswer struct {
	RefundID            string             `json:"refund_id"`
	OutRefundNo         string             `json:"out_refund_no"`
	TransactionID       string             `json:"transaction_id"`
	OutTradeNo          string             `json:"out_trade_no"`
	Channel             string             `json:"channel"`
	UserReceivedAccount string             `json:"user_received_account"`
	SuccessTime         string             `json:"success_time,omitempty"`
	CreateTime          string             `json:"create_time"`
	Status              RefundState        `json:"status"`
	FundsAccount        string             `json:"funds_account"`
	Amount              refundAnswerAmount `json:"amount"`
	PromotionDetail     []Promotion        `json:"promotion_detail"`
}

type refundAnswerAmount struct {
	Total            int64  `json:"total"`
	Refund           int64  `json:"refund"`
	PayerTotal       int64  `json:"payer_total"`
	PayerRefund      int64  `json:"payer_refund"`
	SettlementRefund int64  `json:"settlement_refund"`
	SettlementTotal  int64  `json:"settlement_total"`
	DiscountRefund   int64  `json:"discount_refund"`
	Currency         string `json:"currency"`
}

const userReceivedAccount = "支付用户零钱"

func (s *Sim) transaction(t *trade) Transaction {
	x := Transaction{
		AppID: t.AppID, MchID: s.opts.MchID, OutTradeNo: t.OutTradeNo,
		TradeState: t.State, TradeStateDesc: t.State.text(),
		Amount: &TransactionAmount{Total: t.Total, PayerCurrency: "CNY"},
	}
	if t.TransactionID == "" {
		return x
	}
	x.TransactionID, x.TradeType, x.BankType, x.Attach = t.TransactionID, t.TradeType, "OTHERS", t.Attach
	x.SuccessTime, x.Payer = rfc3339(t.PaidAt), &Payer{t.OpenID}
	x.Amount = &TransactionAmount{t.Total, t.PayerTotal, "CNY", "CNY"}
	if coupon := t.Total - t.PayerTotal; coupon > 0 {
		x.Promotions = []Promotion{{"1000109019", "立减", "GLOBAL", "NOCASH", coupon, "CNY"}}
	}
	return x
}

func (s *Sim) refundNotice(rf *refund) RefundNotice {
	n := RefundNotice{
		MchID: s.opts.MchID, OutTradeNo: rf.OutTradeNo, TransactionID: rf.TransactionID, OutRefundNo: rf.OutRefundNo,
		RefundID: rf.RefundID, RefundStatus: rf.State, UserReceivedAccount: userReceivedAccount,
		Amount: RefundNoticeAmount{rf.Total, rf.Amount, rf.trade.PayerTotal, rf.PayerAmount},
	}
	if rf.State == RefundSuccess {
		n.SuccessTime = rfc3339(rf.EndedAt)
	}
	return n
}

func refundBody(rf *refund) refundAnswer {
	a := refundAnswer{
		RefundID: rf.RefundID, OutRefundNo: rf.OutRefundNo, TransactionID: rf.TransactionID, OutTradeNo: rf.OutTradeNo,
		Channel: "ORIGINAL", UserReceivedAccount: userReceivedAccount, CreateTime: rfc3339(rf.CreatedAt),
		Status: rf.State, FundsAccount: "AVAILABLE", PromotionDetail: []Promotion{},
		Amount: refundAnswerAmount{
			Total: rf.Total, Refund: rf.Amount, PayerTotal: rf.trade.PayerTotal, PayerRefund: rf.PayerAmount,
			SettlementRefund: rf.PayerAmount, SettlementTotal: rf.trade.PayerTotal,
			DiscountRefund: rf.Amount - rf.PayerAmount, Currency: "CNY",
		},
	}
	if rf.State == RefundSuccess {
		a.SuccessTime = rfc3339(rf.EndedAt)
	}
	return a
}

// Transaction returns a trade as a notification would carry it now, to be altered and sealed by hand. An unknown trade
// is ErrNoTrade.
func (s *Sim) Transaction(outTradeNo string) (Transaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.opts.Now())
	t := s.trades[outTradeNo]
	if t == nil || t.burned {
		return Transaction{}, ErrNoTrade
	}
	return s.transaction(t), nil
}

// RefundNotice returns a refund as a notification would carry it now, to be altered and sealed by hand. An unknown
// refund is ErrNoTrade.
func (s *Sim) RefundNotice(outRefundNo string) (RefundNotice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.opts.Now())
	rf := s.refunds[outRefundNo]
	if rf == nil {
		return RefundNotice{}, ErrNoTrade
	}
	return s.refundNotice(rf), nil
}

// prepayLife is how long a prepay_id (and the code_url or h5_url made of it) can be paid.
const prepayLife = 2 * time.Hour
