package payflow_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// TestD2EveryAnswerAtTheDeadline plays all answers of the query, all answers of
// the close, and a payment before, between and after them, or none. Whatever
// happens: the stock is released only on WeChat's verified word, a payment ends
// fulfilled, and no payment ends closed with the stock back.
func TestD2EveryAnswerAtTheDeadline(t *testing.T) {
	failures := map[string]answer{
		"fine":               {},
		"unknown":            {err: errLost},
		"unknown but did":    {err: channelFailure(payflow.ChannelUnknown), did: true},
		"not sent":           {err: channelFailure(payflow.ChannelNotSent)},
		"misconfigured":      {err: channelFailure(payflow.ChannelMisconfigured)},
		"refused":            {err: refusal("x", "SYSTEMERROR")},
		"refused for closed": {err: refusal("x", "ORDERCLOSED")},
		"refused for paid":   {err: refusal("x", "ORDERPAID")},
		"hangs":              {hang: true},
	}
	payments := []string{"never", "before the query", "between query and close", "after the close"}
	for queryName, query := range failures {
		for closeName, closing := range failures {
			for _, when := range payments {
				t.Run(fmt.Sprintf("query %s, close %s, paid %s", queryName, closeName, when), func(t *testing.T) {
					t.Parallel()
					inHouse(t, func(h *house) {
						h.create("ORDER-1", payflow.Reserve)
						h.wait(30*time.Minute - 10*time.Second) // past the last poll before the deadline
						query, closing := query, closing
						pay := func() { h.pay.pay("ORDER-1") }
						switch when {
						case "before the query":
							query.call = pay
						case "between query and close":
							closing.call = pay
						}
						h.pay.on("query", query)
						h.pay.on("close", closing)
						h.locks.onReleases(func(no string) {
							tx, err := h.pay.Query(h.Context(), no)
							if err != nil || tx.State != payflow.TradeClosed {
								t.Errorf("released while WeChat says %s, %v", tx.State, err)
							}
						})
						h.wait(11 * time.Second)
						if when == "after the close" {
							h.wait(time.Minute)
							h.pay.on("close", answer{}) // whatever came before
							tx := h.pay.pay("ORDER-1")
							h.locks.onReleases(nil)
							h.callback(tx)
						}
						h.wait(20 * time.Minute)
						if when == "never" {
							h.is("ORDER-1", payflow.Closed)
							if left := h.locks.left("A"); left != 10 {
								t.Errorf("%d left", left)
							}
							return
						}
						h.is("ORDER-1", payflow.Fulfilled)
						if made := h.locks.made(); !slices.Equal(made, []string{"ORDER-1"}) {
							t.Errorf("made %v", made)
						}
					})
				})
			}
		}
	}
}

// Only a 204 or a CLOSED counts: as long as neither comes, the stock stays held,
// however long that takes.
func TestD2NothingElseReleases(t *testing.T) {
	for name, err := range map[string]error{
		"unknown":       errLost,
		"refused":       refusal("close", "USERPAYING"),
		"misconfigured": channelFailure(payflow.ChannelMisconfigured),
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.create("ORDER-1", payflow.Reserve)
				for range 1000 {
					h.pay.on("close", answer{err: err})
				}
				h.wait(6 * time.Hour)
				h.is("ORDER-1", payflow.Closing)
				if left := h.locks.left("A"); left != 7 {
					t.Errorf("%d left: the stock was released", left)
				}
			})
		})
	}
}

func TestD2PrepayThatNeverArrived(t *testing.T) {
	inHouse(t, func(h *house) {
		for range 1000 {
			h.pay.on("prepay", answer{err: errLost})
		}
		o, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve))
		if err != nil || o.State != payflow.AwaitingPayment || o.Next() != payflow.NextWait {
			t.Fatalf("%s, %v", o.State, err)
		}
		h.wait(35*time.Minute - time.Second)
		h.is("ORDER-1", payflow.Closing)
		if h.locks.left("A") != 7 {
			t.Error("released before WeChat's silence counted")
		}
		h.wait(2 * time.Second)
		h.is("ORDER-1", payflow.Closed)
		if h.locks.left("A") != 10 {
			t.Error("not released")
		}
		bodies := slices.Compact(slices.Clone(h.pay.bodies["ORDER-1"]))
		if len(bodies) != 1 {
			t.Errorf("a repeated prepay must be byte-identical: %v", bodies)
		}
	})
}

// Nothing was ever asked of WeChat: it cannot hold money, and is not asked.
func TestD2NoIntentReleasesWithoutAsking(t *testing.T) {
	inHouse(t, func(h *house) {
		r := request("ORDER-1", payflow.Hold)
		r.Payment = nil
		o, err := h.svc.Create(h.Context(), r)
		if err != nil || o.State != payflow.Locked || o.Next() != payflow.NextPrepay {
			t.Fatalf("%s, %v", o.State, err)
		}
		h.wait(15*time.Minute + time.Second)
		h.is("ORDER-1", payflow.Closed)
		if h.locks.left("A") != 10 || h.pay.count("query")+h.pay.count("close") != 0 {
			t.Errorf("left %d, asked %d", h.locks.left("A"), h.pay.count("query"))
		}
	})
}

func TestD10PrepayTooLate(t *testing.T) {
	inHouse(t, func(h *house) {
		if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Hold)); err != nil {
			t.Fatal(err)
		}
		h.wait(14*time.Minute + 2*time.Second)
		_, err := h.svc.Prepay(h.Context(), payflow.PrepayRequest{Principal: "web", OrderNo: "ORDER-1"})
		var p *payflow.PreconditionError
		if !errors.As(err, &p) || p.Reason != payflow.ReasonTooLate {
			t.Fatalf("%v", err)
		}
		h.is("ORDER-1", payflow.Locked)
	})
}

// D10: a check that takes long must not leave a patient with seconds to pay.
func TestD10SlowCheckLeavesNoPrepay(t *testing.T) {
	slow := func() { time.Sleep(28 * time.Second) }
	late := []answer{{err: payflow.ErrUnavailable, call: slow}, {err: payflow.ErrUnavailable, call: slow}, {call: slow}}
	for name, ask := range map[string]func(*house){
		"VERIFY": func(h *house) {
			_, _ = h.svc.Create(h.Context(), request("ORDER-1", payflow.Verify))
		},
		"a degraded lock": func(h *house) {
			h.locks.degraded = true
			_, _ = h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.locks.on("check_live", late...)
				ask(h)
				h.wait(100 * time.Second)
				o := h.is("ORDER-1", payflow.Closed)
				if o.EndReason != payflow.ReasonTooLate || o.Prepay != nil || h.pay.count("prepay") != 0 {
					t.Errorf("%s, prepay %+v", o.EndReason, o.Prepay)
				}
			}, func(s *payflow.Settings) { s.VerifyWindow, s.ReserveWindow = 2*time.Minute, 2*time.Minute })
		})
	}
}

// A7: the pay deadline lies 5 min before the HIS freeze lapses; with no room left
// the order is not offered at all.
func TestDeadlineWithinTheFreeze(t *testing.T) {
	inHouse(t, func(h *house) {
		h.locks.freezeEnds = 20 * time.Minute
		start := time.Now()
		o := h.create("ORDER-1", payflow.Reserve)
		if got := o.PayDeadline.Sub(start); got > 15*time.Minute || got < 15*time.Minute-2*time.Second {
			t.Errorf("deadline after %v", got)
		}
		if !o.Prepay.TimeExpire.Equal(o.PayDeadline) {
			t.Error("time_expire is not the pay deadline")
		}
		h.locks.freezeEnds = 5*time.Minute + 30*time.Second
		_, err := h.svc.Create(h.Context(), request("ORDER-2", payflow.Reserve))
		var p *payflow.PreconditionError
		if !errors.As(err, &p) || p.Reason != payflow.ReasonFreezeTooShort {
			t.Fatalf("%v", err)
		}
		h.wait(time.Second)
		h.is("ORDER-2", payflow.Closed)
		if h.locks.left("A") != 7 || h.pay.count("prepay") != 1 {
			t.Errorf("left %d, prepays %d", h.locks.left("A"), h.pay.count("prepay"))
		}
	})
}

func TestPollingFindsALostCallback(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		var asked []time.Duration
		start := time.Now()
		for range 9 {
			h.pay.on("query", answer{call: func() { asked = append(asked, time.Since(start)) }})
		}
		h.wait(12 * time.Minute)
		want := []time.Duration{5, 10, 30, 60, 120, 300, 600}
		for i := range want {
			want[i] *= time.Second
		}
		if !slices.Equal(asked, want) {
			t.Errorf("asked after %v, want %v", asked, want)
		}
		h.pay.pay("ORDER-1")
		h.wait(5 * time.Minute)
		h.is("ORDER-1", payflow.Fulfilled)
	})
}

func TestSyncFindsLateMoneyOnAClosedOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		h.closedOrder("ORDER-1", "", payflow.Reserve)
		if o, err := h.svc.Sync(h.Context(), "web", "ORDER-1"); err != nil || o.State != payflow.Closed {
			t.Fatalf("%s, %v", o.State, err)
		}
		h.wait(2 * time.Second)
		h.pay.pay("ORDER-1")
		if _, err := h.svc.Sync(h.Context(), "web", "ORDER-1"); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Second)
		h.is("ORDER-1", payflow.Fulfilled)
	})
}

func TestSyncAsksAtOnceButNotMoreThanOnceASecond(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.wait(time.Minute + 10*time.Second)
		h.pay.pay("ORDER-1")
		before := h.pay.count("query")
		o, err := h.svc.Sync(h.Context(), "web", "ORDER-1")
		if err != nil || o.Payment == nil {
			t.Fatalf("%+v, %v", o.State, err)
		}
		if _, err := h.svc.Sync(h.Context(), "stranger", "ORDER-1"); !errors.Is(err, payflow.ErrNotFound) {
			t.Errorf("a stranger got %v", err)
		}
		h.create("ORDER-2", payflow.Reserve)
		h.wait(2 * time.Second)
		for range 50 {
			if _, err := h.svc.Sync(h.Context(), "web", "ORDER-2"); err != nil {
				t.Fatal(err)
			}
		}
		if n := h.pay.count("query") - before; n != 2 {
			t.Errorf("%d queries for two orders", n)
		}
	})
}
