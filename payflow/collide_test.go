package payflow_test

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// What is rare by itself and meets all the same.

// second is another transaction of the order, as WeChat would tell of it.
func second(tx payflow.Transaction) payflow.Transaction {
	tx.TransactionID += "-again"
	return tx
}

func (h *house) caseOf(reason payflow.CaseReason) payflow.Case {
	h.Helper()
	cs, _, err := h.svc.ListCases(h.Context(), payflow.CaseQuery{OpenOnly: true, Reason: reason})
	if err != nil || len(cs) != 1 {
		h.Fatalf("cases of %s: %+v, %v", reason, cs, err)
	}
	return cs[0]
}

// Money on a closed order, the stock gone, the brake shut; a second transaction; an
// operator who decides about the first: wherever the process dies in between, the
// first goes back once and the second stays a person's.
func TestLateMoneyASecondTransactionAndAnOperator(t *testing.T) {
	steps := []func(h *house, tx payflow.Transaction){
		func(h *house, tx payflow.Transaction) { h.callback(tx) },
		func(h *house, tx payflow.Transaction) { h.callback(second(tx)) },
		func(h *house, _ payflow.Transaction) {
			c := h.caseOf(payflow.CaseRefundLimit)
			if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "v1")}); err != nil {
				h.Fatal(err)
			}
			h.wait(time.Minute)
		},
		func(h *house, tx payflow.Transaction) { h.callback(tx); h.callback(second(tx)) }, // WeChat repeats
		func(h *house, _ payflow.Transaction) {
			h.refundCallback(h.pay.set("ORDER-1-R1", payflow.RefundSuccess))
		},
		func(h *house, _ payflow.Transaction) {
			h.is("ORDER-1", payflow.Refunded)
			c := h.onlyCase(payflow.CaseSecondPayment)
			if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "v2"), Evidence: "console 2"}); err != nil {
				h.Fatal(err)
			}
		},
		func(h *house, tx payflow.Transaction) { h.callback(tx); h.callback(second(tx)) },
	}
	for dies := range len(steps) + 1 {
		t.Run(fmt.Sprint("dies after step ", dies), func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.closedOrder("ORDER-1", "CF1", payflow.Reserve)
				h.locks.sell("A", 9)
				tx := h.pay.pay("ORDER-1")
				for i, step := range steps {
					step(h, tx)
					h.proven()
					if i+1 == dies {
						h.crash()
						h.wait(time.Second)
					}
				}
				h.wait(24 * time.Hour)
				o := h.is("ORDER-1", payflow.Refunded)
				if got := h.pay.sentRefunds(); !maps.Equal(got, map[string]int64{"ORDER-1-R1": 1000}) || o.RefundedFen != 1000 {
					t.Errorf("%d fen went back: %v", o.RefundedFen, got)
				}
				if len(o.Disputes) != 1 || !o.Disputes[0].Settled || len(h.locks.made()) != 0 {
					t.Errorf("in dispute %+v, HIS orders %v", o.Disputes, h.locks.made())
				}
				h.noCases()
			}, func(s *payflow.Settings) { s.AutoRefundsPerHour = 0 })
		})
	}
}

// A refund whose answer is lost turns out closed, and while its successor is on its
// way further money comes: that is a case, and of the first no more goes back than came.
func TestARefundUnknownThenClosedThenNewMoney(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.on("refund", answer{err: errLost, did: true})
		h.goneOrder("ORDER-1")
		h.pay.set("ORDER-1-R1", payflow.RefundClosed)
		h.wait(10 * time.Second)
		tx := h.pay.change("ORDER-1", func(*payflow.Transaction) {})
		h.callback(second(tx))
		h.callback(tx)
		h.wait(10 * time.Minute)
		h.is("ORDER-1", payflow.Refunding)
		h.onlyCase(payflow.CaseSecondPayment)
		h.crash()
		h.pay.set("ORDER-1-R2", payflow.RefundSuccess)
		h.wait(2 * time.Hour)
		o := h.is("ORDER-1", payflow.Refunded)
		if got := h.pay.sentRefunds(); !maps.Equal(got, map[string]int64{"ORDER-1-R1": 1000, "ORDER-1-R2": 1000}) || o.RefundedFen != 1000 {
			t.Errorf("%d fen went back: %v", o.RefundedFen, got)
		}
		h.onlyCase(payflow.CaseSecondPayment)
	})
}

// The day is compared while a refund of it is on its way, sent and unanswered, or ends
// in this very moment: no difference, and nothing is sent twice.
func TestReconciliationBesideARefundUnderWay(t *testing.T) {
	for name, tt := range map[string]struct {
		sent []answer
		then func(h *house)
	}{
		"accepted":               {then: func(*house) {}},
		"unanswered, taken":      {sent: many(2000, answer{err: errLost, did: true}), then: func(*house) {}},
		"paid out in the moment": {then: func(h *house) { h.refundCallback(h.pay.set("ORDER-1-R1", payflow.RefundSuccess)) }},
		"paid out, no notice":    {then: func(h *house) { h.pay.set("ORDER-1-R1", payflow.RefundSuccess) }},
		"closed in the moment":   {then: func(h *house) { h.pay.set("ORDER-1-R1", payflow.RefundClosed) }},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.pay.on("refund", tt.sent...)
				h.goneOrder("ORDER-1")
				h.pay.on("bill", answer{call: func() { tt.then(h) }})
				day := h.morning()
				r := h.compared(day)
				for _, d := range r.Differences {
					if d.Kind != payflow.DiffUnnoticed {
						t.Errorf("%+v", d)
					}
				}
				h.pay.forget("refund")
				h.pay.answerRefunds(payflow.RefundSuccess)
				h.wait(5 * time.Minute)
				h.pay.mu.Lock()
				for _, a := range h.pay.refunds {
					if a.State == payflow.RefundProcessing {
						a.State = payflow.RefundSuccess
					}
				}
				h.pay.mu.Unlock()
				h.wait(2 * time.Hour)
				o := h.is("ORDER-1", payflow.Refunded)
				if want := map[bool]int{true: 2, false: 1}[name == "closed in the moment"]; o.RefundedFen != 1000 || len(h.pay.sentRefunds()) != want {
					t.Errorf("%d fen went back: %v", o.RefundedFen, h.pay.sentRefunds())
				}
				h.compared(h.morning())
				if r := h.again(day); r.Open() != 0 {
					t.Errorf("%+v", r.Differences)
				}
				h.noCases()
			})
		})
	}
}

// Two operators who saw the same case decide otherwise in the same moment: one is
// taken, the other is told, and never both the drugs and the money leave.
func TestTwoOperatorsOnOneCase(t *testing.T) {
	verbs := map[string]func(h *house, r payflow.VerbRequest) error{
		"retry": func(h *house, r payflow.VerbRequest) error {
			_, err := h.svc.RetryFulfilment(h.Context(), r)
			return err
		},
		"refund": func(h *house, r payflow.VerbRequest) error {
			_, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: r})
			return err
		},
		"mark fulfilled": func(h *house, r payflow.VerbRequest) error {
			_, err := h.svc.MarkFulfilled(h.Context(), payflow.MarkFulfilledRequest{VerbRequest: r, HisOrderNo: "HIS-77"})
			return err
		},
		"mark refunded": func(h *house, r payflow.VerbRequest) error {
			_, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: r, Evidence: "cash"})
			return err
		},
	}
	for first, one := range verbs {
		for then, other := range verbs {
			t.Run(first+" and "+then, func(t *testing.T) {
				inHouse(t, func(h *house) {
					c := h.parked("ORDER-1")
					errs := make([]error, 2)
					var both sync.WaitGroup
					for i, v := range []func(*house, payflow.VerbRequest) error{one, other} {
						both.Go(func() {
							r := verb(c, fmt.Sprint("v", i))
							r.Actor = fmt.Sprint("operator ", i)
							errs[i] = v(h, r)
						})
					}
					both.Wait()
					refused := 0
					for _, err := range errs {
						var etag *payflow.EtagMismatchError
						var precondition *payflow.PreconditionError
						if errors.As(err, &etag) || errors.As(err, &precondition) {
							refused++
						} else if err != nil {
							t.Error(err)
						}
					}
					if refused != 1 {
						t.Errorf("%v", errs)
					}
					h.pay.answerRefunds(payflow.RefundSuccess)
					h.wait(2 * time.Hour)
					h.pay.payOutAll()
					h.wait(2 * time.Hour)
					o := h.get("ORDER-1")
					given, back := len(h.locks.made()) > 0 || o.HisOrderNo != "", len(h.pay.sentRefunds()) > 0 || o.PersonRefund != ""
					if given == back || (o.State == payflow.Fulfilled) != given || (o.State == payflow.Refunded) != back {
						t.Errorf("%s; HIS orders %v %q, refunds %v %q", o.State, h.locks.made(), o.HisOrderNo, h.pay.sentRefunds(), o.PersonRefund)
					}
					h.noCases()
				})
			})
		}
	}
}

// A wall clock that leaps over time_expire, and 5 min more, while nobody knows whether
// the prepay arrived: the stock goes back too early, and the patient who pays by it
// all the same gets the drugs, or the money.
func TestAClockThatLeapsOverTheDeadline(t *testing.T) {
	for name, left := range map[string]int64{"the stock is there": 0, "the stock is gone": 9} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				set := h.clock()
				h.pay.on("prepay", many(3, answer{err: errLost})...)
				if o, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Reserve)); err != nil || o.Next() != payflow.NextWait {
					t.Errorf("%s, %v", o.Next(), err)
				}
				h.pay.forget("prepay")
				body := h.pay.bodies["ORDER-1"][0]
				set(3 * time.Hour)
				h.wait(time.Minute)
				h.is("ORDER-1", payflow.Closed)
				if h.locks.left("A") != 10 {
					t.Errorf("%d are left", h.locks.left("A"))
				}
				h.locks.sell("A", left)
				if _, err := h.pay.Prepay(t.Context(), payflow.JSAPI, []byte(body)); err != nil { // it had been on its way
					t.Fatal(err)
				}
				h.pay.answerRefunds(payflow.RefundSuccess)
				h.callback(h.pay.pay("ORDER-1"))
				set(0)
				h.wait(time.Hour)
				if left == 0 {
					h.is("ORDER-1", payflow.Fulfilled)
				} else {
					h.is("ORDER-1", payflow.Refunded)
				}
				if given, back := len(h.locks.made()), len(h.pay.sentRefunds()); given+back != 1 {
					t.Errorf("%d HIS orders, %d refunds", given, back)
				}
				h.noCases()
			})
		})
	}
}
