package payflow_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

func TestCreateIsIdempotent(t *testing.T) {
	inHouse(t, func(h *house) {
		first := h.create("ORDER-1", payflow.Reserve)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				o, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve))
				if err != nil || o.Version != first.Version || o.Invoke == nil {
					t.Errorf("%+v, %v", o, err)
				}
			})
		}
		wg.Wait()
		if h.locks.left("A") != 7 || h.pay.count("prepay") != 1 {
			t.Errorf("left %d, prepays %d", h.locks.left("A"), h.pay.count("prepay"))
		}
		for name, change := range map[string]func(*payflow.CreateRequest){
			"items":     func(r *payflow.CreateRequest) { r.Items = []payflow.Item{{DrugID: "A", Quantity: 4}} },
			"strategy":  func(r *payflow.CreateRequest) { r.Strategy = payflow.Verify },
			"pharmacy":  func(r *payflow.CreateRequest) { r.PharmacyID = "Q" },
			"payer":     func(r *payflow.CreateRequest) { r.Payment.OpenID = "another" },
			"principal": func(r *payflow.CreateRequest) { r.Principal = "other" },
			"amount": func(r *payflow.CreateRequest) {
				r.Amount, r.Pricing = payflow.Amount{DrugsFen: 1000, TotalFen: 1000}, true
			},
		} {
			r := request("ORDER-1", payflow.Reserve)
			change(&r)
			var reused *payflow.OrderNoReusedError
			if _, err := h.svc.Create(h.Context(), r); !errors.As(err, &reused) {
				t.Errorf("%s: %v", name, err)
			}
		}
		// The same drug twice is summed, in any order; attributes stay the first's.
		r := request("ORDER-1", payflow.Reserve)
		r.Items = []payflow.Item{{DrugID: "A", Quantity: 1}, {DrugID: "A", Quantity: 2}}
		r.Attributes = map[string]string{"x": "y"}
		if o, err := h.svc.Create(h.Context(), r); err != nil || o.Attributes != nil {
			t.Errorf("%+v, %v", o.Attributes, err)
		}
	})
}

func TestFreightOnTopOfHISPrices(t *testing.T) {
	inHouse(t, func(h *house) {
		r := request("ORDER-1", payflow.Reserve)
		r.Amount, r.Pricing = payflow.Amount{OtherFen: 1500}, true
		bare, err := h.svc.Create(h.Context(), request("ORDER-2", payflow.Reserve))
		if err != nil {
			t.Fatal(err)
		}
		o, err := h.svc.Create(h.Context(), r)
		want := payflow.Amount{DrugsFen: bare.Amount.DrugsFen, OtherFen: 1500, TotalFen: bare.Amount.DrugsFen + 1500}
		if err != nil || o.Amount != want || o.Amount.DrugsFen == 0 {
			t.Errorf("%+v, %v, want %+v", o.Amount, err, want)
		}
		for fen, field := range map[int64]string{-1: "amount.other_fen", 1 << 60: "amount.other_fen"} {
			r := request("ORDER-3", payflow.Reserve)
			r.Amount, r.Pricing = payflow.Amount{OtherFen: fen}, true
			var invalid *payflow.InvalidError
			if _, err := h.svc.Create(h.Context(), r); !errors.As(err, &invalid) || invalid.Field != field {
				t.Errorf("other_fen %d: %v", fen, err)
			}
		}
		r = request("ORDER-4", payflow.Reserve)
		r.Amount = payflow.Amount{OtherFen: 1}
		if _, err := h.svc.Create(h.Context(), r); !errors.Is(err, payflow.ErrPricingNotAllowed) {
			t.Errorf("fees without the role: %v", err)
		}
	})
}

func TestCreateAtOnceFromManyCallers(t *testing.T) {
	inHouse(t, func(h *house) {
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if h.locks.count("lock") != 1 || h.pay.count("prepay") != 1 {
			t.Errorf("%d locks, %d prepays", h.locks.count("lock"), h.pay.count("prepay"))
		}
	})
}

func TestCreateRefusesBadInput(t *testing.T) {
	price := func(a payflow.Amount, lines ...int64) func(*payflow.CreateRequest) {
		return func(r *payflow.CreateRequest) {
			r.Amount, r.Pricing = a, true
			for i, f := range lines {
				r.Items[i].LineFen = f
			}
		}
	}
	tests := map[string]struct {
		change func(*payflow.CreateRequest)
		field  string
	}{
		"order_no short":     {func(r *payflow.CreateRequest) { r.OrderNo = "12345" }, "order_no"},
		"order_no long":      {func(r *payflow.CreateRequest) { r.OrderNo = strings.Repeat("a", 33) }, "order_no"},
		"order_no signs":     {func(r *payflow.CreateRequest) { r.OrderNo = "ORDER/1" }, "order_no"},
		"strategy":           {func(r *payflow.CreateRequest) { r.Strategy = "X" }, "strategy"},
		"pharmacy":           {func(r *payflow.CreateRequest) { r.PharmacyID = "" }, "pharmacy_id"},
		"no items":           {func(r *payflow.CreateRequest) { r.Items = nil }, "items"},
		"101 items":          {func(r *payflow.CreateRequest) { r.Items = make([]payflow.Item, 101) }, "items"},
		"no drug":            {func(r *payflow.CreateRequest) { r.Items[0].DrugID = "" }, "items[0].drug_id"},
		"negative quantity":  {func(r *payflow.CreateRequest) { r.Items[0].Quantity = -1 }, "items[0].quantity"},
		"huge quantity":      {func(r *payflow.CreateRequest) { r.Items[0].Quantity = 1 << 62 }, "items[0].quantity"},
		"no payment":         {func(r *payflow.CreateRequest) { r.Payment = nil }, "payment"},
		"method":             {func(r *payflow.CreateRequest) { r.Payment.Method = "CASH" }, "payment.method"},
		"no openid":          {func(r *payflow.CreateRequest) { r.Payment.OpenID = "" }, "payment.payer_openid"},
		"foreign appid":      {func(r *payflow.CreateRequest) { r.Payment.AppID = "wx9" }, "payment.appid"},
		"no description":     {func(r *payflow.CreateRequest) { r.Payment.Description = "" }, "payment.description"},
		"attribute":          {func(r *payflow.CreateRequest) { r.Attributes = map[string]string{"a": "\x00"} }, "attributes.a"},
		"sum of amounts":     {price(payflow.Amount{DrugsFen: 1, OtherFen: 1, TotalFen: 3}), "amount.total_fen"},
		"negative amount":    {price(payflow.Amount{DrugsFen: -1, OtherFen: 2, TotalFen: 1}), "amount"},
		"too much":           {price(payflow.Amount{DrugsFen: 10_000_001, TotalFen: 10_000_001}), "amount.total_fen"},
		"overflow":           {price(payflow.Amount{DrugsFen: 1 << 62, OtherFen: 1 << 62, TotalFen: -1 << 63}), "amount.total_fen"},
		"sum of lines":       {price(payflow.Amount{DrugsFen: 10, TotalFen: 10}, 9), "amount.drugs_fen"},
		"nothing to be paid": {price(payflow.Amount{OtherFen: 0}, 5), "amount.total_fen"},
	}
	inHouse(t, func(h *house) {
		for name, tt := range tests {
			r := request("ORDER-1", payflow.Reserve)
			tt.change(&r)
			_, err := h.svc.Create(h.Context(), r)
			var invalid *payflow.InvalidError
			if !errors.As(err, &invalid) || invalid.Field != tt.field {
				t.Errorf("%s: %v, want field %s", name, err, tt.field)
			}
		}
		r := request("ORDER-1", payflow.Reserve)
		r.Payment.Description = "too long"
		var field *payflow.FieldError
		if _, err := h.svc.Create(h.Context(), r); !errors.As(err, &field) {
			t.Errorf("what WeChat would not take: %v", err)
		}
		if _, err := h.svc.Get(h.Context(), "", "ORDER-1"); !errors.Is(err, payflow.ErrNotFound) {
			t.Errorf("something was stored: %v", err)
		}
	}, func(s *payflow.Settings) { s.AppIDs = []string{"wx1"} })
}

// E2: amounts from those who may price, and where two figures exist they agree.
func TestE2Amounts(t *testing.T) {
	inHouse(t, func(h *house) {
		given := func(no string, a payflow.Amount, line int64) payflow.CreateRequest {
			r := request(no, payflow.Reserve)
			r.Amount, r.Pricing, r.Items[0].LineFen = a, true, line
			return r
		}
		r := given("ORDER-0", payflow.Amount{DrugsFen: 1000, TotalFen: 1000}, 0)
		r.Pricing = false
		if _, err := h.svc.Create(h.Context(), r); !errors.Is(err, payflow.ErrPricingNotAllowed) {
			t.Errorf("without the role: %v", err)
		}
		// With freight, and lines that agree.
		o, err := h.svc.Create(h.Context(), given("ORDER-1", payflow.Amount{DrugsFen: 1000, OtherFen: 1500, TotalFen: 2500}, 1000))
		if err != nil || o.Amount.TotalFen != 2500 {
			t.Fatalf("%+v, %v", o.Amount, err)
		}
		if !strings.Contains(string(o.Prepay.Body), `"TotalFen":2500`) {
			t.Errorf("asked for %s", o.Prepay.Body)
		}
		for no, r := range map[string]payflow.CreateRequest{
			"ORDER-2": given("ORDER-2", payflow.Amount{DrugsFen: 999, TotalFen: 999}, 999),
			"ORDER-3": given("ORDER-3", payflow.Amount{DrugsFen: 999, TotalFen: 999}, 0),
		} {
			for range 2 {
				var changed *payflow.PriceChangedError
				if _, err := h.svc.Create(h.Context(), r); !errors.As(err, &changed) || len(changed.Gaps) != 1 || changed.Gaps[0].HisFen != 1000 || changed.Gaps[0].GivenFen != 999 {
					t.Errorf("%s: %v", no, err)
				}
			}
			h.is(no, payflow.Rejected)
		}
		// The HIS tells no price: given amounts stand, others cannot be made.
		h.locks.mu.Lock()
		h.locks.price["A"] = ""
		h.locks.mu.Unlock()
		if _, err := h.svc.Create(h.Context(), given("ORDER-4", payflow.Amount{DrugsFen: 999, TotalFen: 999}, 0)); err != nil {
			t.Error(err)
		}
		var p *payflow.PreconditionError
		if _, err := h.svc.Create(h.Context(), request("ORDER-5", payflow.Reserve)); !errors.As(err, &p) || p.Reason != payflow.ReasonPriceUnknown {
			t.Errorf("%v", err)
		}
		if h.pay.count("prepay") != 2 {
			t.Errorf("%d prepays", h.pay.count("prepay"))
		}
	})
}

// E2: the HIS could not be asked for prices when the order came. Before the patient
// can pay they are compared all the same, also after a restart.
func TestE2AmountsAreComparedBeforeThePrepay(t *testing.T) {
	tests := map[string]struct {
		given   int64
		checks  []answer // at order time
		live    []answer // before the prepay
		changed bool
	}{
		"another price":             {given: 1, checks: many(1, answer{err: payflow.ErrUnavailable}), changed: true},
		"the same price":            {given: 1000, checks: many(1, answer{err: payflow.ErrUnavailable})},
		"another price, only later": {given: 1, checks: many(1, answer{err: payflow.ErrUnavailable}), live: many(3, answer{err: payflow.ErrUnavailable}), changed: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.locks.on("check", tt.checks...)
				h.locks.on("check_live", tt.live...)
				r := request("ORDER-1", payflow.Reserve)
				r.Pricing, r.Amount = true, payflow.Amount{DrugsFen: tt.given, TotalFen: tt.given}
				_, err := h.svc.Create(h.Context(), r)
				if len(tt.live) > 0 {
					h.is("ORDER-1", payflow.Locked)
					h.crash()
					h.wait(time.Minute)
					_, err = h.svc.Create(h.Context(), r)
				}
				var changed *payflow.PriceChangedError
				if errors.As(err, &changed) != tt.changed || !tt.changed && err != nil {
					t.Errorf("%v", err)
				}
				if n := h.pay.count("prepay"); (n == 0) != tt.changed {
					t.Errorf("%d prepays", n)
				}
				if h.wait(time.Minute); tt.changed && h.locks.left("A") != 10 {
					t.Error("the stock is still held")
				}
			})
		})
	}
}

func TestCreateRejects(t *testing.T) {
	for want, prepare := range map[string]func(*fakeLocks, *payflow.CreateRequest){
		payflow.ReasonUnknownDrug:  func(_ *fakeLocks, r *payflow.CreateRequest) { r.Items[0].DrugID = "nobody" },
		payflow.ReasonStopped:      func(l *fakeLocks, _ *payflow.CreateRequest) { l.stopped["A"] = true },
		payflow.ReasonNotDivisible: func(l *fakeLocks, _ *payflow.CreateRequest) { l.multiple["A"] = 2 },
	} {
		for _, s := range strategies {
			t.Run(want+" "+string(s), func(t *testing.T) {
				inHouse(t, func(h *house) {
					r := request("ORDER-1", s)
					prepare(h.locks, &r)
					for range 2 {
						var p *payflow.PreconditionError
						if _, err := h.svc.Create(h.Context(), r); !errors.As(err, &p) || p.Reason != want {
							t.Errorf("%v", err)
						}
					}
					h.is("ORDER-1", payflow.Rejected)
				})
			})
		}
	}
}

// No answer about the stock leaves the order CREATED; a repeat joins it.
func TestCreateWhileTheHISIsAway(t *testing.T) {
	for _, s := range strategies {
		for name, err := range map[string]error{"unavailable": payflow.ErrUnavailable, "misconfigured": payflow.ErrMisconfigured, "pending": payflow.ErrPending} {
			t.Run(name+" "+string(s), func(t *testing.T) {
				inHouse(t, func(h *house) {
					op := map[payflow.Strategy]string{payflow.Reserve: "lock", payflow.Hold: "lock", payflow.Verify: "check_live", payflow.Refund: "check"}[s]
					h.locks.on(op, answer{err: err}, answer{err: err})
					_, got := h.svc.Create(h.Context(), request("ORDER-1", s))
					var notYet *payflow.NotYetError
					if !errors.As(got, &notYet) || !errors.Is(got, err) {
						t.Fatalf("%v", got)
					}
					h.is("ORDER-1", payflow.Created)
					h.wait(time.Minute)
					if _, err := h.svc.Create(h.Context(), request("ORDER-1", s)); err != nil {
						t.Fatal(err)
					}
					h.create("ORDER-1", s)
				})
			})
		}
	}
}

// A lock that is recorded but not yet held is no ground for a prepay.
func TestNoPrepayBeforeTheStockIsHeld(t *testing.T) {
	inHouse(t, func(h *house) {
		h.locks.pending = true
		var notYet *payflow.NotYetError
		if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve)); !errors.As(err, &notYet) || !errors.Is(err, payflow.ErrPending) {
			t.Fatalf("%v", err)
		}
		h.is("ORDER-1", payflow.Created)
		h.locks.mu.Lock()
		h.locks.pending = false
		h.locks.mu.Unlock()
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.AwaitingPayment)
	})
}

func TestCreatedOrderExpiresToo(t *testing.T) {
	inHouse(t, func(h *house) {
		for range 100 {
			h.locks.on("lock", answer{err: payflow.ErrPending})
		}
		_, _ = h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve))
		h.wait(time.Hour)
		h.is("ORDER-1", payflow.Closed)
		if h.locks.count("release") == 0 || h.pay.count("query") != 0 {
			t.Error("not released, or WeChat asked")
		}
	})
}

// The second check of a HOLD order asks the HIS now, and blocks when short or
// dearer; its own hold does not count against it [A9].
func TestHoldIsCheckedAgainBeforePrepay(t *testing.T) {
	inHouse(t, func(h *house) {
		r := request("ORDER-1", payflow.Hold)
		r.Payment = nil
		if _, err := h.svc.Create(h.Context(), r); err != nil {
			t.Fatal(err)
		}
		prepay := func() (payflow.Order, error) {
			return h.svc.Prepay(h.Context(), payflow.PrepayRequest{Principal: "web", OrderNo: "ORDER-1", Payment: jsapi()})
		}
		if _, err := h.svc.Prepay(h.Context(), payflow.PrepayRequest{Principal: "web", OrderNo: "ORDER-1"}); err == nil {
			t.Error("prepay without payment terms")
		}
		h.locks.sell("A", 8) // 7 were left: the counter took one of ours
		var short *payflow.ShortError
		if _, err := prepay(); !errors.As(err, &short) || short.Shortages[0].Available != 2 {
			t.Fatalf("%v", err)
		}
		h.is("ORDER-1", payflow.Locked)
		h.locks.sell("A", -1)
		h.locks.mu.Lock()
		h.locks.price["A"] = "3.34"
		h.locks.mu.Unlock()
		var changed *payflow.PriceChangedError
		if _, err := prepay(); !errors.As(err, &changed) {
			t.Fatalf("%v", err)
		}
		h.locks.mu.Lock()
		h.locks.price["A"] = "3.333"
		h.locks.stale = true
		h.locks.mu.Unlock()
		if _, err := prepay(); !errors.Is(err, payflow.ErrUnavailable) {
			t.Fatalf("an old figure is no second check: %v", err)
		}
		h.locks.mu.Lock()
		h.locks.stale = false
		h.locks.mu.Unlock()
		o, err := prepay() // exactly our own 3 are there
		if err != nil || o.Next() != payflow.NextPay || o.Invoke == nil {
			t.Fatalf("%s, %v", o.State, err)
		}
		if h.pay.count("prepay") != 1 {
			t.Errorf("%d prepays", h.pay.count("prepay"))
		}
		other := jsapi()
		other.OpenID = "somebody else"
		var p *payflow.PreconditionError
		if _, err := h.svc.Prepay(h.Context(), payflow.PrepayRequest{Principal: "web", OrderNo: "ORDER-1", Payment: other}); !errors.As(err, &p) || p.Reason != payflow.ReasonOtherPayer {
			t.Errorf("%v", err)
		}
		if _, err := h.svc.Prepay(h.Context(), payflow.PrepayRequest{Principal: "stranger", OrderNo: "ORDER-1"}); !errors.Is(err, payflow.ErrNotFound) {
			t.Errorf("a stranger: %v", err)
		}
		// signed afresh each time
		before := o.Invoke["timeStamp"]
		h.wait(3 * time.Second)
		if again, err := prepay(); err != nil || again.Invoke["timeStamp"] == before {
			t.Errorf("%v, %v", again.Invoke, err)
		}
	})
}

// A HOLD order that was blocked once and then expired did not end for the stock.
func TestHoldBlockedAndExpired(t *testing.T) {
	inHouse(t, func(h *house) {
		if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Hold)); err != nil {
			t.Fatal(err)
		}
		h.locks.sell("A", 9)
		if _, err := h.svc.Prepay(h.Context(), payflow.PrepayRequest{Principal: "web", OrderNo: "ORDER-1"}); err == nil {
			t.Fatal("not blocked")
		}
		h.wait(16 * time.Minute)
		o, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Hold))
		if err != nil || o.State != payflow.Closed || o.EndReason != payflow.ReasonDeadline {
			t.Errorf("%s %s, %v", o.State, o.EndReason, err)
		}
		var p *payflow.PreconditionError
		if _, err := h.svc.Prepay(h.Context(), payflow.PrepayRequest{Principal: "web", OrderNo: "ORDER-1"}); !errors.As(err, &p) || p.Reason != payflow.ReasonDeadline {
			t.Errorf("%v", err)
		}
	})
}

// A10: a lock that was judged on an old reading is checked live before any prepay.
func TestA10DegradedLockIsCheckedLive(t *testing.T) {
	t.Run("fine", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.locks.degraded = true
			o := h.create("ORDER-1", payflow.Reserve)
			if h.locks.count("check_live") != 1 || o.Lock.Degraded {
				t.Errorf("%d live checks, degraded %v", h.locks.count("check_live"), o.Lock.Degraded)
			}
		})
	})
	t.Run("not answered yet", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.locks.degraded = true
			h.locks.on("check_live", answer{err: payflow.ErrUnavailable}, answer{err: payflow.ErrUnavailable})
			o, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve))
			if err != nil || o.State != payflow.Locked || o.Next() != payflow.NextWait || h.pay.count("prepay") != 0 {
				t.Fatalf("%s, %v", o.State, err)
			}
			h.wait(10 * time.Second)
			h.is("ORDER-1", payflow.AwaitingPayment)
		})
	})
	t.Run("short", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.locks.degraded = true
			h.locks.on("lock", answer{call: func() { h.locks.sell("A", 0) }})
			h.locks.on("check_live", answer{call: func() { h.locks.sell("A", 9) }})
			var short *payflow.ShortError
			if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve)); !errors.As(err, &short) {
				t.Fatalf("%v", err)
			}
			synctest.Wait()
			h.is("ORDER-1", payflow.Closed)
			if h.pay.count("prepay") != 0 {
				t.Error("prepaid")
			}
		})
	})
}

// VERIFY falls back to the cached figure while the HIS cannot be asked; REFUND
// never asks.
func TestVerifyAsksLiveRefundDoesNot(t *testing.T) {
	inHouse(t, func(h *house) {
		h.locks.stale = true
		h.create("ORDER-1", payflow.Verify)
		h.create("ORDER-2", payflow.Refund)
		if h.locks.count("check_live") != 1 || h.locks.count("check") != 1 || h.locks.count("lock") != 0 {
			t.Errorf("%d live, %d cached, %d locks", h.locks.count("check_live"), h.locks.count("check"), h.locks.count("lock"))
		}
	})
}

func TestPrepayRefusedForGood(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.on("prepay", answer{err: refusal("prepay", "PARAMERROR")})
		for range 2 {
			var p *payflow.PreconditionError
			if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve)); !errors.As(err, &p) || p.Reason != payflow.ReasonPrepayRefused {
				t.Errorf("%v", err)
			}
		}
		h.wait(36 * time.Minute) // an intent was stored: WeChat's silence must be certain first
		h.is("ORDER-1", payflow.Closed)
		if h.locks.left("A") != 10 {
			t.Error("not released")
		}
	})
}

// The first prepay arrived, its answer was lost, and the patient paid all the same.
func TestPrepayRepeatedAfterThePayment(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.on("prepay", answer{err: errLost, did: true})
		if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve)); err != nil {
			t.Fatal(err)
		}
		h.pay.pay("ORDER-1")
		h.wait(3 * time.Second)
		h.is("ORDER-1", payflow.Fulfilled)
	})
}

func TestPrepayWhileWeChatIsAway(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.on("prepay", answer{err: refusal("prepay", "SYSTEMERROR")}, answer{err: channelFailure(payflow.ChannelNotSent)}, answer{err: errLost, did: true})
		o, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve))
		if err != nil || o.Next() != payflow.NextWait {
			t.Fatalf("%s, %v", o.Next(), err)
		}
		h.wait(10 * time.Second)
		if o := h.get("ORDER-1"); o.Next() != payflow.NextPay {
			t.Errorf("%s, %+v", o.Next(), o.Trouble)
		}
	})
}

func TestNativeHasACodeAndNoInvoke(t *testing.T) {
	inHouse(t, func(h *house) {
		o := h.create("ORDER-1", payflow.Reserve, func(r *payflow.CreateRequest) {
			r.Payment = &payflow.PaymentTerms{Method: payflow.Native, AppID: "wx1", Description: "药费"}
		})
		if o.Prepay.CodeURL == "" || o.Invoke != nil {
			t.Errorf("%+v, %v", o.Prepay, o.Invoke)
		}
	})
}

// An app pays with the OpenSDK, whose keys and signature are others than a page's.
func TestAppIsInvokedAsAnApp(t *testing.T) {
	inHouse(t, func(h *house) {
		o := h.create("ORDER-1", payflow.Reserve, func(r *payflow.CreateRequest) {
			r.Payment = &payflow.PaymentTerms{Method: payflow.App, AppID: "wx1", Description: "药费"}
		})
		if o.Invoke["prepayid"] != "wx-ORDER-1" || o.Invoke["appId"] != "" {
			t.Errorf("%v", o.Invoke)
		}
	})
}

func TestActiveOrdersAreBounded(t *testing.T) {
	inHouse(t, func(h *house) {
		for i := range 3 {
			h.create(fmt.Sprintf("ORDER-%d", i), payflow.Refund)
		}
		if _, err := h.svc.Create(h.Context(), request("ORDER-3", payflow.Refund)); !errors.Is(err, payflow.ErrBusy) {
			t.Errorf("%v", err)
		}
		h.create("ORDER-0", payflow.Refund) // a repeat is welcome
		h.wait(31 * time.Minute)
		h.create("ORDER-3", payflow.Refund)
	}, func(s *payflow.Settings) { s.MaxActive = 3 })
}

// B10: a nearly full disk takes no new orders; what is under way goes on.
func TestB10DiskReserve(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.disk.SetFree(1<<20, nil)
		if _, err := h.svc.Create(h.Context(), request("ORDER-2", payflow.Reserve)); !errors.Is(err, payflow.ErrDiskReserve) {
			t.Errorf("%v", err)
		}
		h.callback(h.pay.pay("ORDER-1"))
		h.is("ORDER-1", payflow.Fulfilled)
	})
}
