package wechatsim_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/services/refunddomestic"

	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// bubbled opens a simulator and a merchant with one paid order of 1600 fen, in a bubble.
func bubbled(t *testing.T, run func(t *testing.T, sim *wechatsim.Sim, m *merchant), change ...func(*wechatsim.Options)) {
	t.Helper()
	keys(t)
	synctest.Test(t, func(t *testing.T) {
		sim := open(t, change...)
		m := newMerchant(t, sim, wechatsim.ModePublicKey)
		m.prepay("ORDER0001")
		if _, err := sim.Pay(t.Context(), "ORDER0001"); err != nil {
			t.Fatal(err)
		}
		run(t, sim, m)
		if err := sim.Ledger().Check(); err != nil {
			t.Error(err)
		}
	})
}

func TestRefundIsAcceptedThenDone(t *testing.T) {
	bubbled(t, func(t *testing.T, sim *wechatsim.Sim, m *merchant) {
		rf, err := m.refund("ORDER0001", "R1", 1600)
		if err != nil {
			t.Fatal(err)
		}
		if *rf.Status != refunddomestic.STATUS_PROCESSING || rf.SuccessTime != nil || *rf.Amount.Refund != 1600 {
			t.Errorf("accepted: %v", rf)
		}
		if got := m.state("ORDER0001"); got != "REFUND" {
			t.Errorf("trade is %s", got)
		}
		time.Sleep(4 * time.Second)
		if got := m.refundState("R1"); got != "PROCESSING" {
			t.Errorf("after 4 s: %s", got)
		}
		time.Sleep(time.Second)
		if got := m.refundState("R1"); got != "SUCCESS" {
			t.Errorf("after 5 s: %s", got)
		}
		trade, _ := sim.Ledger().Trade("ORDER0001")
		if trade.Refunded != 1600 || trade.Refunding != 0 {
			t.Errorf("books: %+v", trade)
		}
	}, func(o *wechatsim.Options) { o.RefundDelay = 5 * time.Second })
}

func TestRefundIsIdempotentByItsNumber(t *testing.T) {
	bubbled(t, func(t *testing.T, sim *wechatsim.Sim, m *merchant) {
		one, err := m.refund("ORDER0001", "R1", 600)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		again, err := m.refund("ORDER0001", "R1", 600)
		if err != nil || *again.RefundId != *one.RefundId || *again.Status != refunddomestic.STATUS_SUCCESS {
			t.Errorf("again: %v, %v", again, err)
		}
		if _, err := m.refund("ORDER0001", "R1", 601); code(err) != "Bad Request INVALID_REQUEST" {
			t.Errorf("another amount: %v", err)
		}
		if n := len(sim.Ledger().RefundsOf("ORDER0001")); n != 1 {
			t.Errorf("%d refunds", n)
		}
	})
}

func TestRefundRules(t *testing.T) {
	apart := func(o *wechatsim.Options) { o.RefundSpacing = -1 }
	bubbled(t, func(t *testing.T, sim *wechatsim.Sim, m *merchant) {
		m.prepay("UNPAID01")
		for _, tt := range []struct {
			no, refundNo string
			fen          int64
			want         string
		}{
			{"UNKNOWN1", "R0", 1, "Not Found RESOURCE_NOT_EXISTS"},
			{"UNPAID01", "R0", 1, "Not Found RESOURCE_NOT_EXISTS"},
			{"ORDER0001", "R0", 0, "Bad Request PARAM_ERROR"},
			{"ORDER0001", "R/0", 1, "Bad Request PARAM_ERROR"},
			{"ORDER0001", "R0", 1601, "Bad Request INVALID_REQUEST"},
			{"ORDER0001", "R1", 1500, ""},
			{"ORDER0001", "R2", 101, "Bad Request INVALID_REQUEST"},
			{"ORDER0001", "R3", 100, ""},
			{"ORDER0001", "R4", 1, "Bad Request INVALID_REQUEST"},
		} {
			if _, err := m.refund(tt.no, tt.refundNo, tt.fen); code(err) != tt.want {
				t.Errorf("%d fen of %s as %s: %v, want %q", tt.fen, tt.no, tt.refundNo, err, tt.want)
			}
		}
	}, apart)
	bubbled(t, func(t *testing.T, _ *wechatsim.Sim, m *merchant) {
		for i := range 50 {
			if _, err := m.refund("ORDER0001", fmt.Sprintf("R%d", i), 1); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := m.refund("ORDER0001", "R50", 1); code(err) != "Bad Request INVALID_REQUEST" {
			t.Errorf("part 51: %v", err)
		}
	}, apart)
	bubbled(t, func(t *testing.T, _ *wechatsim.Sim, m *merchant) {
		if _, err := m.refund("ORDER0001", "R1", 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		if _, err := m.refund("ORDER0001", "R2", 1); code(err) != "Too Many Requests FREQUENCY_LIMITED" {
			t.Errorf("after 59 s: %v", err)
		}
		time.Sleep(time.Second)
		if _, err := m.refund("ORDER0001", "R2", 1); err != nil {
			t.Errorf("after a minute: %v", err)
		}
	})
	bubbled(t, func(t *testing.T, _ *wechatsim.Sim, m *merchant) {
		time.Sleep(365*24*time.Hour + time.Second)
		if _, err := m.refund("ORDER0001", "R1", 1); code(err) != "Forbidden TRADE_OVERDUE" {
			t.Errorf("after a year: %v", err)
		}
	})
}

func TestRefundByTransactionID(t *testing.T) {
	bubbled(t, func(t *testing.T, sim *wechatsim.Sim, m *merchant) {
		trade, _ := sim.Ledger().Trade("ORDER0001")
		inject(t, sim, wechatsim.Fault{Op: wechatsim.OpRefund, OutTradeNo: "ORDER0001", Kind: wechatsim.KindNotEnough})
		service := refunddomestic.RefundsApiService{Client: m.client}
		create := func() (*refunddomestic.Refund, error) {
			rf, _, err := service.Create(t.Context(), refunddomestic.CreateRequest{
				TransactionId: &trade.TransactionID, OutRefundNo: core.String("R1"),
				Amount: &refunddomestic.AmountReq{Refund: core.Int64(1600), Total: core.Int64(1600), Currency: core.String("CNY")},
			})
			return rf, err
		}
		if _, err := create(); code(err) != "Forbidden NOT_ENOUGH" {
			t.Errorf("while the balance is short: %v", err)
		}
		if rf, err := create(); err != nil || *rf.OutTradeNo != "ORDER0001" {
			t.Errorf("with money again: %v, %v", rf, err)
		}
	})
}

func TestRefundEnds(t *testing.T) {
	for _, tt := range []struct {
		kind  wechatsim.FaultKind
		state string
		trade string
		event string
		left  bool // the amount may be refunded under another number
	}{
		{wechatsim.KindPass, "SUCCESS", "REFUND", "REFUND.SUCCESS", false},
		{wechatsim.KindEndClosed, "CLOSED", "SUCCESS", "REFUND.CLOSED", true},
		{wechatsim.KindEndAbnormal, "ABNORMAL", "REFUND", "REFUND.ABNORMAL", false},
	} {
		t.Run(tt.state, func(t *testing.T) {
			box := newMailbox(t)
			bubbled(t, func(t *testing.T, sim *wechatsim.Sim, m *merchant) {
				inject(t, sim, wechatsim.Fault{Op: wechatsim.OpRefund, Kind: tt.kind})
				if rf, err := m.refund("ORDER0001", "R1", 1600); err != nil || *rf.Status != refunddomestic.STATUS_PROCESSING {
					t.Fatalf("accepted: %v, %v", rf, err)
				}
				time.Sleep(time.Minute)
				if got := m.refundState("R1"); got != tt.state {
					t.Errorf("refund is %s", got)
				}
				if got := m.state("ORDER0001"); got != tt.trade {
					t.Errorf("trade is %s, want %s", got, tt.trade)
				}
				sim.DeliverDue(t.Context())
				if got := box.all(); len(got) != 2 || got[1].event != tt.event || got[1].content["refund_status"] != tt.state {
					t.Errorf("callbacks: %+v", got)
				}
				if _, err := m.refund("ORDER0001", "R2", 1600); (err == nil) != tt.left {
					t.Errorf("another number: %v", err)
				}
			}, box.into)
		})
	}
}

// With a coupon the payer gets back what he paid, and over all parts neither more nor less.
func TestRefundOfACoupon(t *testing.T) {
	keys(t)
	sim := open(t, func(o *wechatsim.Options) { o.RefundSpacing = -1 })
	m := newMerchant(t, sim, wechatsim.ModePublicKey)
	m.prepay("ORDER0001")
	if _, err := sim.PayWith(t.Context(), "ORDER0001", wechatsim.Payment{CouponFen: 333}); err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for i, fen := range []int64{500, 500, 600} {
		rf, err := m.refund("ORDER0001", fmt.Sprintf("R%d", i), fen)
		if err != nil {
			t.Fatal(err)
		}
		if *rf.Amount.PayerRefund+*rf.Amount.DiscountRefund != fen {
			t.Errorf("part %d: %v", i, rf.Amount)
		}
		sum += *rf.Amount.PayerRefund
	}
	if sum != 1600-333 {
		t.Errorf("the payer got %d fen back, paid %d", sum, 1600-333)
	}
}

func TestConsoleRefund(t *testing.T) {
	box := newMailbox(t)
	bubbled(t, func(t *testing.T, sim *wechatsim.Sim, m *merchant) {
		if _, err := sim.Refund(t.Context(), "UNKNOWN1", 1, ""); !errors.Is(err, wechatsim.ErrRefused) {
			t.Errorf("unknown order: %v", err)
		}
		if _, err := sim.Refund(t.Context(), "ORDER0001", 1601, ""); !errors.Is(err, wechatsim.ErrRefused) {
			t.Errorf("too much: %v", err)
		}
		if _, err := sim.Refund(t.Context(), "ORDER0001", 1600, "退药"); err != nil {
			t.Fatal(err)
		}
		if got := m.state("ORDER0001"); got != "REFUND" {
			t.Errorf("trade is %s", got)
		}
		time.Sleep(time.Minute)
		sim.DeliverDue(t.Context())
		if got := box.all(); len(got) != 1 {
			t.Errorf("%d callbacks, want the payment's alone", len(got))
		}
		if _, err := m.refund("ORDER0001", "R1", 1); code(err) != "Bad Request INVALID_REQUEST" {
			t.Errorf("and again by API: %v", err)
		}
	}, box.into)
}

// [I4] The judge of the books sees what must never be there.
func TestBooksCheck(t *testing.T) {
	paid := wechatsim.Trade{OutTradeNo: "A", Total: 100, TransactionID: "4200"}
	part := func(no, trade string, fen int64, state wechatsim.RefundState) wechatsim.Refund {
		return wechatsim.Refund{OutRefundNo: no, OutTradeNo: trade, Amount: fen, State: state}
	}
	for _, tt := range []struct {
		name    string
		trades  []wechatsim.Trade
		refunds []wechatsim.Refund
		good    bool
	}{
		{"all given back", []wechatsim.Trade{paid}, []wechatsim.Refund{part("1", "A", 60, "SUCCESS"), part("2", "A", 40, "PROCESSING")}, true},
		{"closed ones do not count", []wechatsim.Trade{paid}, []wechatsim.Refund{part("1", "A", 100, "CLOSED"), part("2", "A", 100, "SUCCESS")}, true},
		{"too much", []wechatsim.Trade{paid}, []wechatsim.Refund{part("1", "A", 100, "SUCCESS"), part("2", "A", 1, "PROCESSING")}, false},
		{"same number twice", []wechatsim.Trade{paid}, []wechatsim.Refund{part("1", "A", 1, "SUCCESS"), part("1", "A", 1, "SUCCESS")}, false},
		{"never paid", []wechatsim.Trade{{OutTradeNo: "A", Total: 100}}, []wechatsim.Refund{part("1", "A", 1, "SUCCESS")}, false},
		{"unknown trade", nil, []wechatsim.Refund{part("1", "B", 1, "SUCCESS")}, false},
	} {
		if err := (wechatsim.Books{Trades: tt.trades, Refunds: tt.refunds}).Check(); (err == nil) != tt.good {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
