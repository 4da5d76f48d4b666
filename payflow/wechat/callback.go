package wechat

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/hisgate/hisgate/payflow"
)

const (
	maxCallback  = 64 << 10 // bytes; WeChat's are below two kilobytes
	gcmNonceSize = 12
	gcmAlgorithm = "AEAD_AES_256_GCM"
)

// Reasons of payflow.CallbackError.
const (
	reasonSignature = "SIGNATURE"
	reasonStale     = "STALE"
	reasonProbe     = "PROBE"
	reasonMalformed = "MALFORMED"
	reasonEventType = "EVENT_TYPE"
	reasonMerchant  = "MERCHANT"
	reasonNoKeys    = "KEYS_UNAVAILABLE"
)

// envelope is a notification as it comes: sealed.
type envelope struct {
	EventType    string `json:"event_type"`
	ResourceType string `json:"resource_type"`
	Resource     *struct {
		Algorithm      string `json:"algorithm"`
		Ciphertext     string `json:"ciphertext"`
		AssociatedData string `json:"associated_data"`
		Nonce          string `json:"nonce"`
		OriginalType   string `json:"original_type"`
	} `json:"resource"`
}

// content is what was sealed, of a payment or of a refund. Members of the other kind give a mix-up away.
type content struct {
	transactionBody
	OutRefundNo  string `json:"out_refund_no"`
	RefundID     string `json:"refund_id"`
	RefundStatus string `json:"refund_status"` // not status
}

// kind is what a callback address expects.
type kind struct {
	events   []string
	original string // original_type
}

var (
	paymentKind = kind{[]string{"TRANSACTION.SUCCESS"}, "transaction"}
	refundKind  = kind{[]string{"REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED"}, "refund"}
)

func refuse(reason, format string, args ...any) *payflow.CallbackError {
	return &payflow.CallbackError{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// ParsePayment implements payflow.PayChannel. The transaction is SUCCESS, or REFUND when WeChat repeats the notice of a
// payment that was refunded since. It does not block.
func (c *Channel) ParsePayment(ctx context.Context, cb payflow.Callback) (payflow.Transaction, error) {
	got, _, err := c.open(ctx, cb, paymentKind)
	if err != nil {
		return payflow.Transaction{}, err
	}
	t, wrong := got.transaction()
	switch {
	case got.OutRefundNo != "" || got.RefundStatus != "":
		err = refuse(reasonEventType, "a refund under a payment's event")
	case wrong != "":
		err = refuse(reasonMalformed, "it %s", wrong)
	case t.State != payflow.TradeSuccess && t.State != payflow.TradeRefund:
		err = refuse(reasonMalformed, "trade_state is not that of a payment")
	case !callbackNumberOK(t.OrderNo):
		err = refuse(reasonMalformed, "no out_trade_no")
	case !slices.Contains(c.appIDs, t.AppID):
		err = refuse(reasonMerchant, "appid %q is not configured", clean(t.AppID, 32))
	case t.Currency != currencyCNY:
		err = refuse(reasonMerchant, "currency is not CNY")
	default:
		return t, nil
	}
	return payflow.Transaction{}, err
}

// ParseRefund implements payflow.PayChannel. It does not block.
func (c *Channel) ParseRefund(ctx context.Context, cb payflow.Callback) (payflow.RefundAnswer, error) {
	got, event, err := c.open(ctx, cb, refundKind)
	if err != nil {
		return payflow.RefundAnswer{}, err
	}
	b := refundBody{
		OutTradeNo: got.OutTradeNo, OutRefundNo: got.OutRefundNo, RefundID: got.RefundID, Status: got.RefundStatus,
		SuccessTime: got.SuccessTime,
	}
	b.Amount.Refund, b.Amount.Total = got.Amount.Refund, got.Amount.Total
	a, wrong := b.answer()
	a.MchID = got.MchID
	switch {
	case got.TradeState != "":
		err = refuse(reasonEventType, "a payment under a refund's event")
	case wrong != "":
		err = refuse(reasonMalformed, "it %s", wrong)
	case event != "REFUND."+string(a.State):
		err = refuse(reasonEventType, "refund_status contradicts the event")
	case !callbackNumberOK(a.OrderNo) || checkOutRefundNo(a.OutRefundNo) != nil:
		err = refuse(reasonMalformed, "no out_trade_no or out_refund_no")
	case got.Amount.Currency != "" && got.Amount.Currency != currencyCNY:
		err = refuse(reasonMerchant, "currency is not CNY")
	default:
		return a, nil
	}
	return payflow.RefundAnswer{}, err
}

// callbackNumberOK takes numbers that are not of our making too: a payment of an order we do not know is a case (D4).
func callbackNumberOK(no string) bool {
	return no != "" && len(no) <= 32 && !strings.ContainsFunc(no, func(r rune) bool { return r <= ' ' || r > '~' })
}

// open verifies, checks and unseals cb, up to the merchant number, which both kinds have. Errors: *payflow.CallbackError.
//
// It does not use the SDK's ParseNotifyRequest, which panics on several signed bodies and prints the whole request in its
// errors, but the SDK's verifiers and decryption; what would make those panic is refused before.
func (c *Channel) open(ctx context.Context, cb payflow.Callback, want kind) (got content, event string, err error) {
	defer func() {
		if v := recover(); v != nil {
			got, event, err = content{}, "", refuse(reasonMalformed, "it cannot be read")
			c.log.ErrorContext(ctx, "panic in a WeChat Pay callback", "panic", fmt.Sprintf("%T", v))
		}
	}()
	if len(cb.Body) == 0 || len(cb.Body) > maxCallback {
		return got, "", refuse(reasonMalformed, "it has %d bytes", len(cb.Body))
	}
	now := cb.ReceivedAt
	if now.IsZero() {
		now = c.now()
	}
	m := signed{timestamp: cb.Timestamp, nonce: cb.Nonce, signature: cb.Signature, serial: cb.Serial, body: cb.Body}
	if err := c.keys.check(ctx, m, now); err != nil {
		return got, "", c.unverified(ctx, err)
	}
	var e envelope
	switch err := json.Unmarshal(cb.Body, &e); {
	case err != nil:
		return got, "", refuse(reasonMalformed, "it is not JSON of the documented form")
	case e.Resource == nil:
		return got, "", refuse(reasonMalformed, "it has no resource")
	case !slices.Contains(want.events, e.EventType):
		return got, "", refuse(reasonEventType, "event_type %q", clean(e.EventType, 64))
	case e.ResourceType != "encrypt-resource":
		return got, "", refuse(reasonMalformed, "resource_type %q", clean(e.ResourceType, 64))
	case e.Resource.OriginalType != "" && e.Resource.OriginalType != want.original:
		return got, "", refuse(reasonEventType, "original_type %q", clean(e.Resource.OriginalType, 64))
	}
	plain, err := c.unseal(e)
	if err != nil {
		return got, "", err
	}
	if !strings.HasPrefix(plain, "{") { // null would decode into anything, and change nothing
		return got, "", refuse(reasonMalformed, "what was sealed is no object")
	}
	if json.Unmarshal([]byte(plain), &got) != nil {
		return content{}, "", refuse(reasonMalformed, "what was sealed is not JSON of the documented form")
	}
	if got.MchID != c.mchID {
		return content{}, "", refuse(reasonMerchant, "it is about another merchant")
	}
	return got, e.EventType, nil
}

// unseal opens the resource. What is genuine and does not open was sealed with another APIv3 key: ours is wrong.
func (c *Channel) unseal(e envelope) (string, error) {
	r := e.Resource
	switch {
	case r.Algorithm != gcmAlgorithm:
		return "", refuse(reasonMalformed, "algorithm %q", clean(r.Algorithm, 64))
	case len(r.Nonce) != gcmNonceSize: // the standard library panics
		return "", refuse(reasonMalformed, "the nonce has %d bytes", len(r.Nonce))
	case r.Ciphertext == "":
		return "", refuse(reasonMalformed, "no ciphertext")
	}
	if _, err := base64.StdEncoding.DecodeString(r.Ciphertext); err != nil {
		return "", refuse(reasonMalformed, "the ciphertext is not base64")
	}
	plain, err := utils.DecryptAES256GCM(c.apiV3Key, r.AssociatedData, r.Nonce, r.Ciphertext)
	if err != nil {
		return "", refuse(reasonNoKeys, "it does not open: check the APIv3 key")
	}
	return strings.TrimSpace(plain), nil
}

// unverified refuses a callback whose signature is not believed.
func (c *Channel) unverified(ctx context.Context, err error) *payflow.CallbackError {
	reason := reasonSignature
	switch faultOf(err) {
	case faultProbe:
		reason = reasonProbe
	case faultStale:
		reason = reasonStale
	case faultNoKey:
		reason = reasonNoKeys
	}
	var s *signatureError
	if !errors.As(err, &s) {
		err = errors.New("the signature cannot be verified")
	}
	if let, _ := c.unsigned.Let(c.now()); let { // anybody can send them
		c.log.InfoContext(ctx, "WeChat Pay callback not verified", "reason", reason, "error", err)
	}
	return &payflow.CallbackError{Reason: reason, Err: err}
}
