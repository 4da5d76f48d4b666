package wechat_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/wechat"
	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// WeChat's answers about another order, merchant or refund are not about ours, however well they are signed.
func TestAnswersAboutSomethingElseAreUnknown(t *testing.T) {
	for name, bodies := range map[string][]string{
		"query": {
			`{"out_trade_no":"RX20261122002","mchid":"1900000109","trade_state":"CLOSED"}`,
			`{"out_trade_no":"RX20261122001","mchid":"1900000110","trade_state":"CLOSED"}`,
			`{"out_trade_no":"RX20261122001","mchid":"1900000109","trade_state":"BEWILDERED"}`,
			`{"out_trade_no":"RX20261122001","mchid":"1900000109"}`,
			`{"out_trade_no":"RX20261122001","mchid":"1900000109","trade_state":"SUCCESS","amount":{"total":1}}`,
			`{"out_trade_no":"RX20261122001","mchid":"1900000109","trade_state":"SUCCESS","transaction_id":"42"}`,
			`{"out_trade_no":"RX20261122001","mchid":"1900000109","trade_state":"SUCCESS","transaction_id":"42","amount":{"total":1.5}}`,
		},
		"refund": {
			`{"out_trade_no":"RX20261122002","out_refund_no":"RX20261122001-1","status":"SUCCESS","amount":{"refund":1}}`,
			`{"out_trade_no":"RX20261122001","out_refund_no":"RX20261122001-2","status":"SUCCESS","amount":{"refund":1}}`,
			`{"out_trade_no":"RX20261122001","out_refund_no":"RX20261122001-1","status":"BEWILDERED","amount":{"refund":1}}`,
			`{"out_trade_no":"RX20261122001","out_refund_no":"RX20261122001-1","refund_status":"SUCCESS","amount":{"refund":1}}`,
			`{"out_trade_no":"RX20261122001","out_refund_no":"RX20261122001-1","status":"SUCCESS"}`,
		},
		"query_refund": {
			`{"out_trade_no":"RX20261122001","out_refund_no":"RX20261122001-2","status":"CLOSED","amount":{"refund":1}}`,
		},
	} {
		for _, body := range bodies {
			channelError(t, calls[name](open(t, says(t, 200, body, wechatsim.SignGood)), "RX20261122001"), unknown)
		}
	}
}

// A coupon lowers payer_total; the order was paid in full (design §7: compare amount.total).
func TestQueryTellsTheTotalNotWhatThePatientPaid(t *testing.T) {
	sim := newSim(t)
	c := open(t, sim.RoundTripper())
	prepay(t, c, "RX20261122001")
	got := must(c.Query(t.Context(), "RX20261122001"))(t)
	if got.State != payflow.TradeNotPay || got.OrderNo != "RX20261122001" || got.MchID != mchID {
		t.Fatalf("unpaid: %+v", got)
	}
	id := must(sim.PayWith(t.Context(), "RX20261122001", wechatsim.Payment{CouponFen: 600}))(t)
	got = must(c.Query(t.Context(), "RX20261122001"))(t)
	paidAt := got.PaidAt
	got.PaidAt = payflow.Transaction{}.PaidAt
	want := payflow.Transaction{
		OrderNo: "RX20261122001", TransactionID: id, MchID: mchID, AppID: appID, OpenID: openID, State: payflow.TradeSuccess,
		TotalFen: 1600, Currency: "CNY",
	}
	if got != want || paidAt.IsZero() {
		t.Fatalf("paid at %s: %+v, want %+v", paidAt, got, want)
	}
	byID := must(c.QueryTransaction(t.Context(), id))(t)
	byID.PaidAt = payflow.Transaction{}.PaidAt
	if byID != want {
		t.Errorf("by its own number: %+v, want %+v", byID, want)
	}
	_, err := c.QueryTransaction(t.Context(), "4200000000000000")
	if e := channelError(t, err, refused); e.Code != "ORDERNOTEXIST" {
		t.Errorf("of a number that WeChat does not know: %v", e)
	}
	_, err = c.QueryTransaction(t.Context(), "")
	channelError(t, err, payflow.ChannelMisconfigured)
	other := `{"out_trade_no":"RX20261122001","mchid":"1900000109","trade_state":"SUCCESS","transaction_id":"43","amount":{"total":1}}`
	_, err = open(t, says(t, 200, other, wechatsim.SignGood)).QueryTransaction(t.Context(), "42")
	channelError(t, err, unknown)
	if _, err := c.Refund(t.Context(), refundOf("RX20261122001")); err != nil {
		t.Fatal(err)
	}
	if got = must(c.Query(t.Context(), "RX20261122001"))(t); got.State != payflow.TradeRefund || got.TotalFen != 1600 {
		t.Fatalf("refunded: %+v", got)
	}
}

func TestRefundIsTheSameUnderTheSameNumber(t *testing.T) {
	sim := newSim(t)
	sent := &record{next: sim.RoundTripper()}
	c := open(t, sent)
	prepay(t, c, "RX20261122001")
	_, err := c.Refund(t.Context(), refundOf("RX20261122001"))
	channelError(t, err, refused) // not paid
	if _, err := sim.Pay(t.Context(), "RX20261122001"); err != nil {
		t.Fatal(err)
	}
	_, err = c.QueryRefund(t.Context(), "RX20261122001-1")
	if e := channelError(t, err, refused); e.Code != "RESOURCENOTEXISTS" {
		t.Fatalf("no refund yet: %+v", e)
	}
	if err := sim.Inject(wechatsim.Fault{Op: wechatsim.OpRefund, Kind: wechatsim.KindNotEnough}); err != nil {
		t.Fatal(err)
	}
	r := refundOf("RX20261122001")
	r.Reason = strings.Repeat("缺", 100) + "\n"
	_, err = c.Refund(t.Context(), r)
	if e := channelError(t, err, refused); e.Code != "NOTENOUGH" {
		t.Fatalf("empty balance: %+v", e)
	}
	first := must(c.Refund(t.Context(), r))(t)
	second := must(c.Refund(t.Context(), r))(t)
	if first.RefundID == "" || first.RefundID != second.RefundID || first.RefundFen != 1600 || first.TotalFen != 1600 || first.OrderNo != r.OrderNo {
		t.Fatalf("refunds %+v and %+v", first, second)
	}
	bodies := map[string]bool{}
	for _, s := range sent.all() {
		if s.method == http.MethodPost && strings.HasSuffix(s.url, "/refunds") && strings.Contains(s.body, strings.Repeat("缺", 80)) {
			bodies[s.body] = true
		}
	}
	if len(bodies) != 1 {
		t.Fatalf("one refund was sent as %d different bodies", len(bodies))
	}
	if got := must(c.QueryRefund(t.Context(), r.OutRefundNo))(t); got.State != payflow.RefundSuccess || got.SuccessAt.IsZero() {
		t.Fatalf("refund: %+v", got)
	}
	if books := sim.Ledger(); len(books.Refunds) != 1 || books.Check() != nil {
		t.Fatalf("books: %v", books.Refunds)
	}
}

func TestPingNeedsAVerifiedAnswer(t *testing.T) {
	if err := open(t, newSim(t).RoundTripper()).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	channelError(t, open(t, says(t, 404, `{"code":"ORDER_NOT_EXIST"}`, wechatsim.SignTampered)).Ping(context.Background()), unknown)
	channelError(t, open(t, newSim(t).RoundTripper(), func(o *wechat.Options) { o.MerchantSerial = "77" }).Ping(t.Context()), misconfigured)
}
