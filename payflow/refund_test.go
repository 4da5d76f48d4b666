package payflow_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// goneOrder makes a VERIFY order whose stock is sold before the payment.
func (h *house) goneOrder(no string) {
	h.Helper()
	h.create(no, payflow.Verify)
	left := h.locks.left("A")
	h.locks.sell("A", left)
	h.callback(h.pay.pay(no))
	h.locks.sell("A", -left)
}

// D1: no refund before the lock is durably over at the HIS.
func TestD1RefundWaitsForTheLockToSettle(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.locks.settles(false)
		h.locks.on("confirm", h.locks.refuseConfirm("ORDER-1", "insufficient"))
		h.locks.on("release", answer{err: payflow.ErrPending}, answer{err: payflow.ErrUnavailable}, answer{err: errLost, did: true})
		h.callback(h.pay.pay("ORDER-1"))
		h.wait(9 * time.Minute)
		h.is("ORDER-1", payflow.Paid)
		if n := h.pay.count("refund"); n != 0 {
			t.Fatalf("%d refunds while the HIS could still apply the lock", n)
		}
		h.wait(2 * time.Minute)
		h.onlyCase(payflow.CaseOverdue) // D9: the proof obligation does not wait
		h.locks.settles(true)
		h.wait(6 * time.Minute)
		h.is("ORDER-1", payflow.Refunding)
		if n := h.pay.count("refund"); n != 1 {
			t.Errorf("%d refunds", n)
		}
		h.noCases()
	})
}

// D1: the HIS deducted after all: then there is nothing to refund.
func TestD1DeductedAfterAll(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.locks.on("confirm", answer{did: true, err: &payflow.RefusedError{Kind: "insufficient", ForGood: true}})
		h.callback(h.pay.pay("ORDER-1"))
		h.is("ORDER-1", payflow.Fulfilled)
		if len(h.pay.sentRefunds()) != 0 {
			t.Error("refunded a fulfilled order")
		}
	})
}

// Unknown is never failed: whatever keeps the HIS from answering, the order is
// asked about again and not refunded.
func TestUnknownIsNeverRefunded(t *testing.T) {
	for name, err := range map[string]error{
		"pending": payflow.ErrPending, "unavailable": payflow.ErrUnavailable, "unknown": errLost,
		"misconfigured": payflow.ErrMisconfigured, "unsettled": payflow.ErrUnsettled,
		"insufficient but not for good": &payflow.RefusedError{Kind: "insufficient"},
	} {
		for _, s := range strategies {
			t.Run(name+" "+string(s), func(t *testing.T) {
				inHouse(t, func(h *house) {
					h.create("ORDER-1", s)
					for range 12 {
						h.locks.on("confirm", answer{err: err})
						h.locks.on("lock", answer{err: err})
					}
					h.callback(h.pay.pay("ORDER-1"))
					h.wait(11 * time.Minute)
					h.is("ORDER-1", payflow.Paid)
					h.onlyCase(payflow.CaseOverdue)
					if name == "misconfigured" && h.alerted("misconfigured") == 0 {
						t.Error("no alert")
					}
					h.wait(2 * time.Hour)
					h.is("ORDER-1", payflow.Fulfilled)
					h.noCases() // it went by itself
					if h.pay.count("refund") != 0 {
						t.Error("refunded because of an unknown outcome")
					}
				})
			})
		}
	}
}

func TestPriceAndOtherRefusalsNeedAPerson(t *testing.T) {
	for kind, want := range map[string]payflow.CaseReason{
		"price_changed": payflow.CasePrice, "amount_mismatch": payflow.CasePrice, "other": payflow.CaseRefused,
	} {
		for _, forGood := range []bool{true, false} {
			t.Run(fmt.Sprint(kind, forGood), func(t *testing.T) {
				inHouse(t, func(h *house) {
					h.create("ORDER-1", payflow.Reserve)
					h.locks.on("confirm", answer{err: &payflow.RefusedError{Kind: kind, ForGood: forGood, Code: "E7"}})
					h.callback(h.pay.pay("ORDER-1"))
					h.is("ORDER-1", payflow.NeedsAttention)
					c := h.onlyCase(want)
					if _, err := h.svc.RetryFulfilment(h.Context(), verb(c, "r1")); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					h.is("ORDER-1", payflow.Fulfilled)
					h.noCases()
				})
			})
		}
	}
}

// D6: the limit is durable, gates only first sends, and makes cases of the rest.
func TestD6HourlyLimit(t *testing.T) {
	inHouse(t, func(h *house) {
		for i := range 5 {
			h.goneOrder(fmt.Sprintf("ORDER-%d", i))
			if i == 1 {
				h.crash() // the count survives
			}
		}
		if got := h.pay.sentRefunds(); len(got) != 3 {
			t.Fatalf("refunds %v", got)
		}
		for _, no := range []string{"ORDER-3", "ORDER-4"} {
			if o := h.is(no, payflow.NeedsAttention); len(o.Refunds) != 0 {
				t.Errorf("%s: %+v", no, o.Refunds)
			}
		}
		if h.alerted("refund_limit") == 0 {
			t.Error("no alert")
		}
		// What was sent is followed to its end, and a new generation is no first send.
		h.pay.set("ORDER-0-R1", payflow.RefundClosed)
		h.wait(2 * time.Minute)
		if got := h.pay.sentRefunds(); got["ORDER-0-R2"] != 1000 {
			t.Errorf("refunds %v", got)
		}
		brake := h.svc.Stats().Brake
		if !brake.Shut || brake.Used != 3 || brake.Limit != 3 {
			t.Errorf("brake %+v", brake)
		}
		if _, err := h.svc.ResumeRefunds(h.Context(), payflow.ResumeRequest{Etag: "0", RequestID: "r", Actor: "boss"}); err == nil {
			t.Error("resumed with a stale etag")
		}
		req := payflow.ResumeRequest{Etag: brake.Etag, RequestID: "r1", Actor: "boss", Note: "the counter sold a lot"}
		for range 2 { // a repeat answers the same
			a, err := h.svc.ResumeRefunds(h.Context(), req)
			if err != nil || a.Resumed != 2 || a.Remaining != 0 {
				t.Fatalf("%+v, %v", a, err)
			}
			synctest.Wait()
		}
		if got := h.pay.sentRefunds(); len(got) != 6 {
			t.Errorf("refunds %v", got)
		}
		h.is("ORDER-4", payflow.Refunding)
		h.noCases()
	}, func(s *payflow.Settings) { s.AutoRefundsPerHour = 3 })
}

func TestD6LimitIsPerHour(t *testing.T) {
	inHouse(t, func(h *house) {
		h.goneOrder("ORDER-0")
		h.goneOrder("ORDER-1")
		h.is("ORDER-1", payflow.NeedsAttention)
		h.wait(time.Hour)
		h.goneOrder("ORDER-2")
		h.is("ORDER-2", payflow.Refunding)
		// An operator's refund is not automatic.
		cs, _, _ := h.svc.ListCases(h.Context(), payflow.CaseQuery{OpenOnly: true, OrderNo: "ORDER-1"})
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(cs[0], "r1")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		h.is("ORDER-1", payflow.Refunding)
		if got := h.pay.sentRefunds(); got["ORDER-1-R1"] != 1000 {
			t.Errorf("%v", got)
		}
	}, func(s *payflow.Settings) { s.AutoRefundsPerHour = 1 })
}

// More are parked than an hour takes: the oldest go first, the rest stay cases.
func TestD6ResumeStaysWithinTheLimit(t *testing.T) {
	inHouse(t, func(h *house) {
		for i := range 4 {
			h.goneOrder(fmt.Sprintf("ORDER-%d", i))
			h.wait(time.Second)
		}
		releases := h.locks.count("release")
		a, err := h.svc.ResumeRefunds(h.Context(), payflow.ResumeRequest{Etag: h.svc.Stats().Brake.Etag, RequestID: "r1", Actor: "boss"})
		if err != nil || a.Resumed != 1 || a.Remaining != 2 {
			t.Fatalf("%+v, %v", a, err)
		}
		synctest.Wait()
		h.is("ORDER-1", payflow.Refunding)
		h.is("ORDER-2", payflow.NeedsAttention)
		if n := h.locks.count("release"); n != releases+1 {
			t.Errorf("%d looks at the lock before the refund [D1]", n-releases)
		}
	}, func(s *payflow.Settings) { s.AutoRefundsPerHour = 1 })
}

// SENT is durable before the call: whatever becomes of it, nobody may take the
// refund for unsent.
func TestRefundIsMarkedSentBeforeTheCall(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.on("refund", answer{call: func() {
			if o := h.get("ORDER-1"); o.Refunds[0].Status != payflow.RefundSent || o.Refunds[0].SentAt.IsZero() {
				t.Errorf("during the call: %+v", o.Refunds[0])
			}
		}})
		h.goneOrder("ORDER-1")
		if h.pay.count("refund") != 1 {
			t.Errorf("%d calls", h.pay.count("refund"))
		}
	})
}

// D9: an order that waits in the queue of a hanging pool becomes a case in time
// all the same. A refund that was written down and never sent is then withdrawn
// by a retry.
func TestRetryWithdrawsAnUnsentRefund(t *testing.T) {
	inHouse(t, func(h *house) {
		gate := make(chan struct{})
		h.create("ORDER-1", payflow.Verify)
		h.pay.on("prepay", answer{call: func() { <-gate }})
		if _, err := h.svc.Create(h.Context(), small2(request("STUCK-1", payflow.Reserve))); err != nil {
			t.Fatal(err)
		}
		h.locks.sell("A", 9)
		h.callback(h.pay.pay("ORDER-1"))
		h.wait(11 * time.Minute)
		if o := h.is("ORDER-1", payflow.Refunding); o.Refunds[0].Status != payflow.RefundStored {
			t.Fatalf("%+v", o.Refunds)
		}
		h.locks.sell("A", -9)
		c := h.onlyCase(payflow.CaseOverdue)
		if _, err := h.svc.RetryFulfilment(h.Context(), verb(c, "r")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		h.is("ORDER-1", payflow.Fulfilled)
		close(gate)
		h.wait(time.Hour)
		h.is("ORDER-1", payflow.Fulfilled)
		if got := h.pay.sentRefunds(); len(got) != 0 {
			t.Errorf("fulfilled and refunded: %v", got)
		}
		h.noCases()
	}, func(s *payflow.Settings) { s.PayWorkers = 1 })
}

// The fence looks at the lock afresh for each decision to refund [D1].
func TestD1EachDecisionLooksAtTheLock(t *testing.T) {
	inHouse(t, func(h *house) {
		h.closedOrder("ORDER-1", "", payflow.Reserve)
		releases := h.locks.count("release")
		if _, err := h.svc.Cancel(h.Context(), payflow.CancelRequest{Principal: "web", OrderNo: "ORDER-1"}); err != nil {
			t.Fatal(err)
		}
		h.callback(h.pay.pay("ORDER-1")) // late and unwanted, but the limit is 0
		h.is("ORDER-1", payflow.NeedsAttention)
		if n := h.locks.count("release"); n != releases+1 {
			t.Errorf("%d looks", n-releases)
		}
		c := h.onlyCase(payflow.CaseRefundLimit)
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "r")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := h.locks.count("release"); n != releases+2 || len(h.pay.sentRefunds()) != 1 {
			t.Errorf("%d looks, refunds %v", n-releases, h.pay.sentRefunds())
		}
	}, func(s *payflow.Settings) { s.AutoRefundsPerHour = 0 })
}

func TestRefundOlderThanAYear(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		first := h.pay.pay("ORDER-1")
		first.PaidAt = first.PaidAt.Add(-366 * 24 * time.Hour)
		h.callback(first)
		h.is("ORDER-1", payflow.Fulfilled)
		var p *payflow.PreconditionError
		if _, err := h.svc.Refund(h.Context(), payflow.RefundRequest{OrderNo: "ORDER-1", Reason: "x", Fulfilled: true, Actor: "a", RequestID: "r"}); !errors.As(err, &p) {
			t.Errorf("%v", err)
		}
		h.create("ORDER-2", payflow.Reserve)
		old := h.pay.pay("ORDER-2")
		old.PaidAt = old.PaidAt.Add(-366 * 24 * time.Hour)
		h.locks.on("confirm", h.locks.refuseConfirm("ORDER-2", "insufficient"))
		h.callback(old)
		h.is("ORDER-2", payflow.NeedsAttention)
		h.onlyCase(payflow.CaseRefundRefused)
		if h.pay.count("refund") != 0 {
			t.Error("sent")
		}
	})
}

// D7: one number while anything is unknown; a new generation only after a query
// that says CLOSED; never more than was paid.
func TestD7Generations(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.on("refund", answer{err: errLost}, answer{err: errLost, did: true}, answer{err: channelFailure(payflow.ChannelMisconfigured)})
		h.goneOrder("ORDER-1")
		h.wait(2 * time.Minute)
		o := h.is("ORDER-1", payflow.Refunding)
		if got := h.pay.sentRefunds(); len(got) != 1 || len(o.Refunds) != 1 {
			t.Fatalf("refunds %v", got)
		}
		// A notice that says CLOSED is not enough: the query decides.
		notCertain := h.pay.set("ORDER-1-R1", payflow.RefundProcessing)
		notCertain.State = payflow.RefundClosed
		if err := h.svc.RefundCallback(h.Context(), notice(notCertain)); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Second)
		if got := h.pay.sentRefunds(); len(got) != 1 {
			t.Fatalf("a new generation on a notice alone: %v", got)
		}
		h.pay.set("ORDER-1-R1", payflow.RefundClosed)
		h.wait(time.Hour)
		if got := h.pay.sentRefunds(); len(got) != 2 || got["ORDER-1-R2"] != 1000 {
			t.Fatalf("refunds %v", got)
		}
		h.pay.set("ORDER-1-R2", payflow.RefundSuccess)
		h.wait(time.Hour)
		if o := h.is("ORDER-1", payflow.Refunded); o.RefundedFen != 1000 {
			t.Errorf("refunded %d", o.RefundedFen)
		}
	})
}

// WeChat closed the refund so often that a person must look: when they want the money
// to go back all the same, because the patient's account is in order now, it does.
func TestAPersonSendsWhatWeChatClosedAgainAndAgain(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.answerRefunds(payflow.RefundClosed)
		h.goneOrder("ORDER-1")
		h.wait(time.Hour)
		h.is("ORDER-1", payflow.NeedsAttention)
		if got := h.pay.sentRefunds(); len(got) != 4 {
			t.Errorf("refunds %v", got)
		}
		c := h.onlyCase(payflow.CaseRefundRefused)
		h.pay.answerRefunds(payflow.RefundSuccess)
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "r1")}); err != nil {
			t.Fatal(err)
		}
		h.wait(2 * time.Minute)
		o := h.is("ORDER-1", payflow.Refunded)
		if got := h.pay.sentRefunds(); len(got) != 5 || got["ORDER-1-R5"] != 1000 || o.RefundedFen != 1000 {
			t.Errorf("%d fen went back: %v", o.RefundedFen, got)
		}
		h.noCases()
	})
}

func TestRefundNotEnoughIsRetriedWithTheSameNumber(t *testing.T) {
	inHouse(t, func(h *house) {
		for range 3 {
			h.pay.on("refund", answer{err: refusal("refund", "NOTENOUGH")})
		}
		h.goneOrder("ORDER-1")
		h.wait(11 * time.Minute)
		h.onlyCase(payflow.CaseOverdue)
		if h.alerted("not_enough") == 0 {
			t.Error("no alert")
		}
		h.wait(2 * time.Hour)
		h.is("ORDER-1", payflow.Refunding)
		if got := h.pay.sentRefunds(); len(got) != 1 || got["ORDER-1-R1"] != 1000 {
			t.Errorf("refunds %v", got)
		}
		h.noCases()
	})
}

func TestRefundAbnormal(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.answerRefunds(payflow.RefundAbnormal)
		h.goneOrder("ORDER-1")
		h.is("ORDER-1", payflow.NeedsAttention)
		c := h.onlyCase(payflow.CaseRefundAbnormal)
		// Its sum stays reserved: neither a second refund nor the drugs.
		for name, do := range map[string]func() error{
			"refund": func() error {
				_, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "a")})
				return err
			},
			"retry": func() error { _, err := h.svc.RetryFulfilment(h.Context(), verb(c, "b")); return err },
			"mark fulfilled": func() error {
				_, err := h.svc.MarkFulfilled(h.Context(), payflow.MarkFulfilledRequest{VerbRequest: verb(c, "c"), HisOrderNo: "X"})
				return err
			},
		} {
			var p *payflow.PreconditionError
			if err := do(); !errors.As(err, &p) {
				t.Errorf("%s: %v", name, err)
			}
		}
		// Settled in the merchant platform, it is found by query.
		h.pay.set("ORDER-1-R1", payflow.RefundSuccess)
		h.wait(2 * time.Hour)
		h.is("ORDER-1", payflow.Refunded)
		h.noCases()
	})
}

func TestRefundRefused(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.on("refund", answer{err: refusal("refund", "USERACCOUNTABNORMAL")})
		h.goneOrder("ORDER-1")
		h.is("ORDER-1", payflow.NeedsAttention)
		c := h.onlyCase(payflow.CaseRefundRefused)
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "r1")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		h.is("ORDER-1", payflow.Refunding)
		if got := h.pay.sentRefunds(); len(got) != 1 || got["ORDER-1-R1"] != 1000 {
			t.Errorf("sent again under another number: %v", got)
		}
		h.noCases()
	})
}

// An earlier try was taken, the repeat is refused: the query tells.
func TestRefundRefusedButTaken(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.on("refund", answer{err: errLost, did: true}, answer{err: refusal("refund", "INVALIDREQUEST")})
		h.pay.answerRefunds(payflow.RefundSuccess)
		h.goneOrder("ORDER-1")
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Refunded)
	})
}

func TestRefundStuckAfter72Hours(t *testing.T) {
	inHouse(t, func(h *house) {
		h.goneOrder("ORDER-1")
		h.wait(71 * time.Hour)
		h.noCases()
		h.wait(2 * time.Hour)
		h.onlyCase(payflow.CaseRefundStuck)
		h.pay.set("ORDER-1-R1", payflow.RefundSuccess)
		h.wait(2 * time.Hour)
		h.is("ORDER-1", payflow.Refunded)
		h.noCases()
	})
}

// The 72 hours count from when WeChat took the refund, also where it is told hours
// later, because the answer to the call was lost and no question came through.
func TestTheTimeOfARefundCountsFromWhenWeChatTookIt(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.on("refund", answer{err: errLost, did: true})
		for range 48 {
			h.pay.on("refund", answer{err: errLost})
			h.pay.on("refund_query", answer{err: errLost})
		}
		began := time.Now()
		h.goneOrder("ORDER-1")
		for h.get("ORDER-1").Refunds[0].AcceptedAt.IsZero() {
			h.wait(time.Minute)
		}
		if told := time.Since(began); told < 150*time.Minute {
			t.Fatalf("it was told after %s", told)
		}
		h.wait(74*time.Hour - time.Since(began)) // it is asked about each hour
		h.onlyCase(payflow.CaseRefundStuck)
	})
}

func TestOperatorRefund(t *testing.T) {
	ask := func(fen int64, request string) payflow.RefundRequest {
		return payflow.RefundRequest{OrderNo: "ORDER-1", Fen: fen, Reason: "破损", Fulfilled: true, Actor: "cashier", RequestID: request}
	}
	reason := func(t *testing.T, err error, want string) {
		t.Helper()
		var p *payflow.PreconditionError
		if !errors.As(err, &p) || p.Reason != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		_, err := h.svc.Refund(h.Context(), ask(0, "r0"))
		reason(t, err, payflow.ReasonNotPaid)
		h.callback(h.pay.pay("ORDER-1"))
		h.is("ORDER-1", payflow.Fulfilled)

		unsaid := ask(100, "r1")
		unsaid.Fulfilled = false
		_, err = h.svc.Refund(h.Context(), unsaid)
		reason(t, err, payflow.ReasonKnowingly)
		_, err = h.svc.Refund(h.Context(), ask(1001, "r1"))
		reason(t, err, payflow.ReasonRefundTooMuch)

		h.pay.answerRefunds(payflow.RefundSuccess)
		for range 2 { // the same request twice is one refund
			if _, err := h.svc.Refund(h.Context(), ask(300, "r1")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		var reused *payflow.RequestReusedError
		if _, err := h.svc.Refund(h.Context(), ask(301, "r1")); !errors.As(err, &reused) {
			t.Errorf("%v", err)
		}
		if o := h.is("ORDER-1", payflow.Fulfilled); o.RefundedFen != 300 {
			t.Errorf("refunded %d", o.RefundedFen)
		}
		_, err = h.svc.Refund(h.Context(), ask(300, "r2"))
		reason(t, err, payflow.ReasonRefundInProgress) // one minute apart
		h.wait(2 * time.Minute)
		_, err = h.svc.Refund(h.Context(), ask(701, "r2"))
		reason(t, err, payflow.ReasonRefundTooMuch) // D7: never more than was paid
		if _, err := h.svc.Refund(h.Context(), ask(0, "r2")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if o := h.is("ORDER-1", payflow.Refunded); o.RefundedFen != 1000 || h.pay.sentRefunds()["ORDER-1-R2"] != 700 {
			t.Errorf("refunded %d, sent %v", o.RefundedFen, h.pay.sentRefunds())
		} else if o.Refunds[0].By != "cashier" || o.Refunds[1].By != "cashier" { // of a part, and of all the rest
			t.Errorf("refunds by %q and %q", o.Refunds[0].By, o.Refunds[1].By)
		}
		h.noCases()
	})
}

// A part that WeChat does not take in time is a case; the order stays FULFILLED.
func TestPartialRefundIsWatchedToo(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		for range 3 {
			h.pay.on("refund", answer{err: refusal("refund", "NOTENOUGH")})
		}
		if _, err := h.svc.Refund(h.Context(), payflow.RefundRequest{OrderNo: "ORDER-1", Fen: 10, Reason: "x", Fulfilled: true, Actor: "a", RequestID: "r"}); err != nil {
			t.Fatal(err)
		}
		h.wait(11 * time.Minute)
		h.onlyCase(payflow.CaseOverdue)
		h.wait(2 * time.Hour)
		h.noCases()
		h.pay.set("ORDER-1-R1", payflow.RefundAbnormal)
		h.wait(2 * time.Hour)
		h.is("ORDER-1", payflow.Fulfilled)
		c := h.onlyCase(payflow.CaseRefundAbnormal)
		if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "r"), Evidence: "cash"}); err != nil {
			t.Fatal(err)
		}
		if o := h.is("ORDER-1", payflow.Fulfilled); o.RefundedFen != 10 {
			t.Errorf("%d fen", o.RefundedFen)
		}
		h.noCases()
	})
}

func TestOperatorRefundWhileTheHISIsAsked(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.locks.on("confirm", answer{err: payflow.ErrPending})
		h.callback(h.pay.pay("ORDER-1"))
		h.is("ORDER-1", payflow.Paid)
		var aborted *payflow.AbortedError
		_, err := h.svc.Refund(h.Context(), payflow.RefundRequest{OrderNo: "ORDER-1", Reason: "x", Actor: "a", RequestID: "r"})
		if !errors.As(err, &aborted) {
			t.Errorf("refund: %v", err)
		}
		if _, err := h.svc.Cancel(h.Context(), payflow.CancelRequest{OrderNo: "ORDER-1"}); !errors.As(err, &aborted) {
			t.Errorf("cancel: %v", err)
		}
	})
}
