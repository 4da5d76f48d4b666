package payflow_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// parked makes a paid order that waits for a person.
func (h *house) parked(no string) payflow.Case {
	h.Helper()
	h.create(no, payflow.Reserve)
	h.locks.on("confirm", answer{err: &payflow.RefusedError{Kind: "other", Code: "E9"}})
	h.callback(h.pay.pay(no))
	h.is(no, payflow.NeedsAttention)
	cs, _, err := h.svc.ListCases(h.Context(), payflow.CaseQuery{OpenOnly: true, OrderNo: no})
	if err != nil || len(cs) != 1 || cs[0].Reason != payflow.CaseRefused {
		h.Fatalf("%+v, %v", cs, err)
	}
	if paid := h.get(no).Payment; cs[0].TransactionID != paid.TransactionID || cs[0].Fen != paid.TotalFen {
		h.Fatalf("the case does not name the order's payment: %+v", cs[0])
	}
	return cs[0]
}

func TestCaseVerbsCarryEtagRequestAndAudit(t *testing.T) {
	inHouse(t, func(h *house) {
		c := h.parked("ORDER-1")
		stale := verb(c, "r1")
		stale.Etag = "77"
		var mismatch *payflow.EtagMismatchError
		if _, err := h.svc.Claim(h.Context(), stale); !errors.As(err, &mismatch) || mismatch.Current != c.Etag() {
			t.Errorf("%v", err)
		}
		for name, r := range map[string]payflow.VerbRequest{
			"no etag":    {CaseID: c.ID, RequestID: "r", Actor: "a"},
			"no request": {CaseID: c.ID, Etag: c.Etag(), Actor: "a"},
			"no actor":   {CaseID: c.ID, Etag: c.Etag(), RequestID: "r"},
			"no case":    {Etag: c.Etag(), RequestID: "r", Actor: "a"},
		} {
			var invalid *payflow.InvalidError
			if _, err := h.svc.Claim(h.Context(), r); !errors.As(err, &invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		var first payflow.CaseAnswer
		for i := range 2 { // a repeat answers the same, in spite of the etag
			a, err := h.svc.Claim(h.Context(), verb(c, "r1"))
			if err != nil || a.Case.Owner != "pharmacist Li" || a.Next.ZH == "" || a.Next.EN == "" {
				t.Fatalf("%+v, %v", a, err)
			}
			if i == 1 && (a.Case.Version != first.Case.Version || a.Next != first.Next) {
				t.Errorf("%+v, then %+v", first, a)
			}
			first = a
		}
		var reused *payflow.RequestReusedError
		if _, err := h.svc.Recheck(h.Context(), verb(first.Case, "r1")); !errors.As(err, &reused) {
			t.Errorf("%v", err)
		}
		handed, err := h.svc.HandOver(h.Context(), payflow.HandOverRequest{VerbRequest: verb(first.Case, "r2"), To: "pharmacist Wang"})
		if err != nil || handed.Case.Owner != "pharmacist Wang" {
			t.Fatalf("%+v, %v", handed, err)
		}
		h.crash()
		got, err := h.svc.GetCase(h.Context(), c.ID)
		if err != nil || got.Owner != "pharmacist Wang" || len(got.Audit) != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
		if a := got.Audit[0]; a.Actor != "pharmacist Li" || a.Verb != payflow.VerbClaim || a.RequestID != "r1" || a.Note != "looked into it" || a.At.IsZero() {
			t.Errorf("audit %+v", a)
		}
		if _, err := h.svc.Claim(h.Context(), payflow.VerbRequest{CaseID: "nobody", Etag: "1", RequestID: "r", Actor: "a"}); !errors.Is(err, payflow.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

func TestCaseSettledByEachVerb(t *testing.T) {
	tests := map[string]struct {
		do   func(h *house, c payflow.Case) error
		want payflow.State
		left int64
		made int
	}{
		"retry": {func(h *house, c payflow.Case) error {
			_, err := h.svc.RetryFulfilment(h.Context(), verb(c, "r"))
			return err
		}, payflow.Fulfilled, 7, 1},
		"refund": {func(h *house, c payflow.Case) error {
			h.pay.answerRefunds(payflow.RefundSuccess)
			_, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "r"), Reason: "缺货"})
			return err
		}, payflow.Refunded, 10, 0},
		"refund by the order": {func(h *house, _ payflow.Case) error {
			h.pay.answerRefunds(payflow.RefundSuccess)
			_, err := h.svc.Refund(h.Context(), payflow.RefundRequest{OrderNo: "ORDER-1", Reason: "缺货", Actor: "a", RequestID: "r"})
			return err
		}, payflow.Refunded, 10, 0},
		"mark fulfilled": {func(h *house, c payflow.Case) error {
			_, err := h.svc.MarkFulfilled(h.Context(), payflow.MarkFulfilledRequest{VerbRequest: verb(c, "r"), HisOrderNo: "DJ1"})
			return err
		}, payflow.Fulfilled, 10, 0}, // the lock is given back; the drugs left by another way
		"mark refunded": {func(h *house, c payflow.Case) error {
			_, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "r"), Evidence: "cash, receipt 12"})
			return err
		}, payflow.Refunded, 10, 0},
		"recheck finds it deducted": {func(h *house, c payflow.Case) error {
			if _, err := h.locks.Confirm(h.Context(), "ORDER-1", payflow.Reference{}); err != nil {
				return err
			}
			_, err := h.svc.Recheck(h.Context(), verb(c, "r"))
			return err
		}, payflow.Fulfilled, 7, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				c := h.parked("ORDER-1")
				if err := tt.do(h, c); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				h.is("ORDER-1", tt.want)
				if h.locks.left("A") != tt.left || len(h.locks.made()) != tt.made {
					t.Errorf("left %d, made %v", h.locks.left("A"), h.locks.made())
				}
				h.noCases()
				got, err := h.svc.GetCase(h.Context(), c.ID)
				if err != nil || got.Open || got.ClosedAt.IsZero() || got.Outcome == "" {
					t.Errorf("%+v, %v", got, err)
				}
				var p *payflow.PreconditionError
				if _, err := h.svc.Claim(h.Context(), verb(got, "late")); !errors.As(err, &p) {
					t.Errorf("a closed case was claimed: %v", err)
				}
			})
		})
	}
}

// A person names the HIS order that the HIS made for us after all: that is no
// second one. Another number is.
func TestMarkedFulfilledAndTheHISMadeItToo(t *testing.T) {
	for hisOrder, cases := range map[string]int{"HIS-ORDER-1-1": 0, "DJ1": 1} {
		inHouse(t, func(h *house) {
			c := h.parked("ORDER-1")
			if _, err := h.locks.Confirm(h.Context(), "ORDER-1", payflow.Reference{}); err != nil {
				t.Fatal(err)
			}
			if _, err := h.svc.MarkFulfilled(h.Context(), payflow.MarkFulfilledRequest{VerbRequest: verb(c, "r"), HisOrderNo: hisOrder}); err != nil {
				t.Fatal(err)
			}
			h.wait(time.Second)
			h.is("ORDER-1", payflow.Fulfilled)
			if cases == 0 {
				h.noCases()
				return
			}
			c = h.onlyCase(payflow.CaseTwoOrders)
			if _, err := h.svc.MarkFulfilled(h.Context(), payflow.MarkFulfilledRequest{VerbRequest: verb(c, "r"), HisOrderNo: "HIS-ORDER-1-1"}); err != nil {
				t.Fatal(err)
			}
			if o := h.is("ORDER-1", payflow.Fulfilled); o.HisOrderNo != "HIS-ORDER-1-1" {
				t.Errorf("%s stands", o.HisOrderNo)
			}
			h.noCases()
		})
	}
}

// A lock that itself waits for a person is one for the order too, and a retry
// asks the HIS once more all the same.
func TestLockInDoubt(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.locks.doubt("ORDER-1", "unknown for 30 minutes")
		h.locks.on("confirm", answer{err: payflow.ErrPending})
		h.callback(h.pay.pay("ORDER-1"))
		h.is("ORDER-1", payflow.NeedsAttention)
		c := h.onlyCase(payflow.CaseLockDoubt)
		if _, err := h.svc.RetryFulfilment(h.Context(), verb(c, "r")); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Second)
		h.is("ORDER-1", payflow.Fulfilled)
	})
}

// The HIS deducted, the answer was lost, and someone cancelled the HIS order.
func TestHISOrderCancelledMeanwhile(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.locks.on("confirm", answer{err: errLost, did: true})
		h.callback(h.pay.pay("ORDER-1"))
		h.locks.cancelOrder("ORDER-1")
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.NeedsAttention)
		c := h.onlyCase(payflow.CaseLockDoubt)
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "r")}); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Second)
		if got := h.pay.sentRefunds(); len(got) != 1 {
			t.Errorf("a cancelled HIS order is settled [D1]: %v", got)
		}
	})
}

// An order that closed unpaid, and the HIS deducted for it: a person must look.
func TestDeductedForAnUnpaidOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		if _, err := h.locks.Confirm(h.Context(), "ORDER-1", payflow.Reference{}); err != nil {
			t.Fatal(err)
		}
		h.wait(31 * time.Minute)
		h.is("ORDER-1", payflow.Closed)
		h.onlyCase(payflow.CaseLockDoubt)
		h.locks.cancelOrder("ORDER-1")
		h.wait(10 * time.Minute)
		h.noCases()
	})
}

// The verbs obey the fences: nothing counts as refunded while the HIS could still
// apply the lock [D1], and neither drugs nor money go twice (I4, I5).
func TestCaseVerbsObeyTheFences(t *testing.T) {
	inHouse(t, func(h *house) {
		c := h.parked("ORDER-1")
		h.locks.on("release", answer{err: payflow.ErrPending})
		var p *payflow.PreconditionError
		mark := func(c payflow.Case, id string) error {
			_, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, id), Evidence: "e"})
			return err
		}
		if err := mark(c, "r1"); !errors.As(err, &p) || p.Reason != payflow.ReasonLockUnsettled {
			t.Fatalf("%v", err)
		}
		h.is("ORDER-1", payflow.NeedsAttention)
		// A refund that is on its way.
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "r2")}); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Second)
		h.is("ORDER-1", payflow.Refunding)
		h.noCases()
		h.pay.set("ORDER-1-R1", payflow.RefundAbnormal)
		h.wait(2 * time.Minute)
		c = h.onlyCase(payflow.CaseRefundAbnormal)
		for _, v := range []payflow.Verb{payflow.VerbRetry, payflow.VerbMarkFulfilled, payflow.VerbRefund} {
			if slices.Contains(c.Allowed, v) {
				t.Errorf("%s is allowed", v)
			}
		}
		if err := mark(c, "r3"); err != nil {
			t.Fatal(err)
		}
		o := h.is("ORDER-1", payflow.Refunded)
		if o.PersonRefund == "" || o.RefundedFen != 1000 {
			t.Errorf("%+v", o.PersonRefund)
		}
		h.wait(3 * time.Hour)
		if n := h.pay.count("refund"); n != 1 {
			t.Errorf("%d refunds", n)
		}
	})
}

// The way back from REFUNDING: only while nothing was sent.
func TestRetryFulfilmentFromRefunding(t *testing.T) {
	inHouse(t, func(h *house) {
		for range 20 {
			h.locks.on("release", answer{err: payflow.ErrUnavailable})
		}
		c := h.parked("ORDER-1")
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "r1")}); err != nil {
			t.Fatal(err)
		}
		h.wait(11 * time.Minute)
		h.is("ORDER-1", payflow.Refunding)
		c = h.onlyCase(payflow.CaseOverdue)
		if _, err := h.svc.RetryFulfilment(h.Context(), verb(c, "r2")); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Second)
		h.is("ORDER-1", payflow.Fulfilled)
		h.noCases()
		if h.pay.count("refund") != 0 {
			t.Error("refunded")
		}
	})
}

func TestCasesAreListedByDeadlineAndPaged(t *testing.T) {
	inHouse(t, func(h *house) {
		h.locks.sell("A", -50)
		for i := range 3 {
			h.parked(fmt.Sprintf("ORDER-%d", i))
			h.wait(time.Minute)
		}
		for i := range 4 {
			c := h.parked(fmt.Sprintf("ORDER-X%d", i))
			if _, err := h.svc.MarkFulfilled(h.Context(), payflow.MarkFulfilledRequest{VerbRequest: verb(c, "r"), HisOrderNo: "DJ"}); err != nil {
				t.Fatal(err)
			}
			h.wait(time.Minute)
		}
		want := []string{"ORDER-0.1", "ORDER-1.1", "ORDER-2.1", "ORDER-X3.1", "ORDER-X2.1", "ORDER-X1.1", "ORDER-X0.1"}
		for _, size := range []int{1, 2, 3, 4, 7, 50} {
			var got []string
			token := ""
			for pages := 0; ; pages++ {
				cs, next, err := h.svc.ListCases(h.Context(), payflow.CaseQuery{PageSize: size, PageToken: token})
				if err != nil || len(cs) > size || pages > 10 {
					t.Fatalf("%d cases, %v", len(cs), err)
				}
				for _, c := range cs {
					got = append(got, c.ID)
				}
				if token = next; token == "" {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("size %d: %v, want %v", size, got, want)
			}
		}
		var invalid *payflow.InvalidError
		if _, _, err := h.svc.ListCases(h.Context(), payflow.CaseQuery{PageToken: "rubbish!"}); !errors.As(err, &invalid) {
			t.Errorf("%v", err)
		}
		if cs, _, err := h.svc.ListCases(h.Context(), payflow.CaseQuery{OpenOnly: true, Owner: "nobody"}); err != nil || len(cs) != 0 {
			t.Errorf("%v, %v", cs, err)
		}
	}, func(s *payflow.Settings) { s.ReserveWindow = 60 * time.Minute })
}

func TestCaseThatNobodySettlesIsReportedOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		h.parked("ORDER-1")
		h.wait(119 * time.Minute)
		if h.alerted("case_overdue") != 0 {
			t.Error("too early")
		}
		h.wait(2 * time.Hour)
		h.crash()
		h.wait(time.Hour)
		if n := h.alerted("case_overdue"); n != 1 {
			t.Errorf("%d alerts", n)
		}
		r, err := h.svc.Proof(h.Context())
		if err != nil || r.OpenCases != 1 || r.OverdueCases != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		if c, err := h.svc.GetCase(h.Context(), "ORDER-1.1"); err != nil || !c.Escalated {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

// D9: the obligation is checked all the time; whatever the trouble, within grace
// a case stands for it, and it goes by itself when the order gets to its end.
func TestD9Proof(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.create("ORDER-2", payflow.Reserve)
		for range 30 {
			h.locks.on("confirm", answer{err: errLost})
		}
		h.callback(h.pay.pay("ORDER-1"))
		for range 40 {
			h.wait(20 * time.Second)
			r, err := h.svc.Proof(h.Context())
			if err != nil || len(r.Unproven) != 0 || r.Checked != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			if h.svc.Stats().Unproven != 0 {
				t.Fatal("the metric differs")
			}
		}
		c := h.onlyCase(payflow.CaseOverdue)
		if c.Severity != payflow.P0 || c.OpenedAt.Sub(h.get("ORDER-1").Payment.KnownAt) != 10*time.Minute {
			t.Errorf("%+v", c)
		}
		h.crash()
		h.wait(3 * time.Hour)
		h.is("ORDER-1", payflow.Fulfilled)
		h.noCases()
	})
}

// With the workers standing still the obligation breaks, and is seen to.
func TestD9ProofSeesABreach(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		gate := make(chan struct{})
		h.locks.on("confirm", answer{call: func() { <-gate }})
		h.callback(h.pay.pay("ORDER-1"))
		h.wait(11 * time.Minute)
		r, err := h.svc.Proof(h.Context())
		if err != nil || len(r.Unproven) != 1 || r.Unproven[0].OrderNo != "ORDER-1" || r.Unproven[0].Why == "" {
			t.Errorf("%+v, %v", r, err)
		}
		if h.svc.Stats().Unproven != 1 {
			t.Error("the metric does not see it")
		}
		close(gate)
		h.wait(time.Second)
		h.is("ORDER-1", payflow.Fulfilled)
	})
}

// What the HIS made of an order that nobody paid for ends by a person's word; hisgate
// does not take it for the order's drugs when money comes after all.
func TestTheHISOrderOfAnUnpaidOrderIsSeenToByAPerson(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.locks.appliedByHand("ORDER-1")
		h.wait(time.Hour)
		h.is("ORDER-1", payflow.Closed)
		c := h.onlyCase(payflow.CaseLockDoubt)
		if !slices.Contains(c.Allowed, payflow.VerbSettle) {
			t.Fatalf("nobody can end it: %v", c.Allowed)
		}
		if _, err := h.svc.Settle(h.Context(), verb(c, "s1")); err != nil {
			t.Fatal(err)
		}
		h.wait(24 * time.Hour)
		h.noCases()

		h.callback(h.pay.pay("ORDER-1"))
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.NeedsAttention)
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(h.onlyCase(payflow.CaseLockDoubt), "r1")}); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.pay.payOutAll()
		h.wait(time.Hour)
		h.is("ORDER-1", payflow.Refunded)
		h.noCases()
	})
}
