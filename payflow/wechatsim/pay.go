package wechatsim

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// Payment is how the patient pays. The zero value pays the whole amount with the openid of the order.
type Payment struct {
	CouponFen int64  // taken off by a coupon; the merchant still gets the whole amount
	OpenID    string // of the payer, for orders without one (default: a made-up one)
}

// Pay is the patient paying an order. It returns the transaction id. Errors: ErrNoTrade (never prepaid), ErrAlreadyPaid,
// ErrClosed, ErrExpired (past time_expire), ErrPrepayExpired, or the error of ctx. The notification goes out from Run.
func (s *Sim) Pay(ctx context.Context, outTradeNo string) (transactionID string, err error) {
	return s.PayWith(ctx, outTradeNo, Payment{})
}

// PayWith is Pay with a coupon or another payer.
func (s *Sim) PayWith(ctx context.Context, outTradeNo string, p Payment) (transactionID string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	s.settle(now)
	return s.pay(s.trades[outTradeNo], p, now)
}

// PayInvoke is the patient paying in a mini-program that was given invoke, the parameters of wx.requestPayment: it checks
// their keys and paySign as WeChat's client does, besides what Pay checks. ErrBadInvoke tells what is wrong with them.
func (s *Sim) PayInvoke(ctx context.Context, invoke map[string]string) (transactionID string, err error) {
	for _, key := range []string{"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"} {
		if invoke[key] == "" {
			return "", fmt.Errorf("%w: %s is missing", ErrBadInvoke, key)
		}
	}
	if invoke["signType"] != "RSA" {
		return "", fmt.Errorf("%w: signType is %q, not RSA", ErrBadInvoke, invoke["signType"])
	}
	prepayID, ok := strings.CutPrefix(invoke["package"], "prepay_id=")
	if !ok {
		return "", fmt.Errorf("%w: package is not prepay_id=…", ErrBadInvoke)
	}
	signature, err := base64.StdEncoding.DecodeString(invoke["paySign"])
	if err != nil {
		return "", fmt.Errorf("%w: paySign is not base64", ErrBadInvoke)
	}
	message := invoke["appId"] + "\n" + invoke["timeStamp"] + "\n" + invoke["nonceStr"] + "\n" + invoke["package"] + "\n"
	sum := sha256.Sum256([]byte(message))
	if rsa.VerifyPKCS1v15(s.ring.merchant, crypto.SHA256, sum[:], signature) != nil {
		return "", fmt.Errorf("%w: paySign does not verify", ErrBadInvoke)
	}
	return s.payBy(ctx, func(t *trade) bool {
		return t.PrepayID == prepayID && t.AppID == invoke["appId"] && t.TradeType == "JSAPI"
	})
}

// PayCodeURL is the patient scanning the QR code of a Native order.
func (s *Sim) PayCodeURL(ctx context.Context, codeURL string) (transactionID string, err error) {
	return s.payBy(ctx, func(t *trade) bool { return t.CodeURL == codeURL && t.TradeType == "NATIVE" })
}

func (s *Sim) payBy(ctx context.Context, is func(*trade) bool) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	s.settle(now)
	for _, t := range s.tradeOrder {
		if is(t) {
			return s.pay(t, Payment{}, now)
		}
	}
	return "", ErrNoTrade
}

// pay takes the money. Under mu.
func (s *Sim) pay(t *trade, p Payment, now time.Time) (string, error) {
	switch {
	case t == nil || t.burned:
		return "", ErrNoTrade
	case t.TransactionID != "":
		return "", fmt.Errorf("%w: %s", ErrAlreadyPaid, t.OutTradeNo)
	case t.State == TradeClosed:
		return "", fmt.Errorf("%w: %s", ErrClosed, t.OutTradeNo)
	case !now.Before(t.TimeExpire):
		return "", fmt.Errorf("%w: %s", ErrExpired, t.OutTradeNo)
	case now.Sub(t.PrepaidAt) >= prepayLife:
		return "", fmt.Errorf("%w: %s", ErrPrepayExpired, t.OutTradeNo)
	case p.CouponFen < 0 || p.CouponFen > t.Total:
		return "", fmt.Errorf("wechatsim: a coupon of %d fen for an order of %d", p.CouponFen, t.Total)
	}
	t.TransactionID, t.PaidAt, t.State = s.newTransactionID(now), now, TradeSuccess
	t.PayerTotal = t.Total - p.CouponFen
	if t.OpenID == "" {
		t.OpenID = or(p.OpenID, "oSimulatedPayer0000000000000")
	}
	s.paid[t.TransactionID] = t
	s.announce(t.NotifyURL, OpNotifyPayment, "TRANSACTION.SUCCESS", "支付成功", t.OutTradeNo, "", s.transaction(t), now)
	return t.TransactionID, nil
}

// Backdate makes a payment, and the refunds of its order, a matter of another time, so that the bill of a past day has
// them. What was told of them before stays told. Errors: ErrNoTrade for an order that was not paid.
func (s *Sim) Backdate(outTradeNo string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.trades[outTradeNo]
	if t == nil || t.TransactionID == "" {
		return ErrNoTrade
	}
	t.PaidAt = at
	for _, rf := range t.refunds {
		rf.CreatedAt = at
	}
	return nil
}

// Refund is a person refunding fen of an order in the merchant console: hisgate learns of it only by query or bill, for
// no notification is sent. It returns the refund id. Errors: ErrRefused with WeChat's words, or the error of ctx.
func (s *Sim) Refund(ctx context.Context, outTradeNo string, fen int64, reason string) (refundID string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	s.settle(now)
	req := refundRequest{OutTradeNo: outTradeNo, Reason: reason, OutRefundNo: fmt.Sprintf("CONSOLE%06d%010d", s.instance, s.nextID())}
	req.Amount = &struct {
		Refund   int64  `json:"refund"`
		Total    int64  `json:"total"`
		Currency string `json:"currency"`
	}{fen, 1, "CNY"}
	if t := s.trades[outTradeNo]; t != nil {
		req.Amount.Total = max(t.Total, 1)
	}
	e := checkRefund(req)
	var rf *refund
	if e == nil {
		rf, e = s.refund(req, RefundSuccess, now)
	}
	if e != nil {
		return "", fmt.Errorf("%w: %d %s %s", ErrRefused, e.Status, e.Code, e.Message)
	}
	rf.Console = true
	return rf.RefundID, nil
}
