package payflow_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// overdue brings a paid order past the proof's grace with the HIS answering lock
// after lock, or confirm after confirm, with what nothing can be concluded from.
func (h *house) overdue(no, op string, s payflow.Strategy, answers ...answer) payflow.Case {
	h.Helper()
	h.locks.on(op, many(2000, answer{err: errors.New("something that no rule knows")})...)
	h.locks.on("release", answers...)
	h.paid(no, s)
	h.wait(24 * time.Hour)
	h.is(no, payflow.Paid)
	c := h.onlyCase(payflow.CaseOverdue)
	for _, v := range []payflow.Verb{payflow.VerbRefund, payflow.VerbMarkRefunded, payflow.VerbMarkFulfilled} {
		if !slices.Contains(c.Allowed, v) {
			h.Errorf("a day after payment a person may only %v", c.Allowed)
		}
	}
	return c
}

// A paid order whose lock can never be had is not pinned in PAID for ever: a
// person may give the money back, behind the fence [D1].
func TestOverdueOrderIsRefundedByAPerson(t *testing.T) {
	for name, answers := range map[string][]answer{
		"never locked":                  nil,
		"the number is somebody else's": many(3, answer{err: payflow.ErrNotFound}),
		"unsettled for a while":         many(20, answer{err: payflow.ErrPending}),
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.pay.answerRefunds(payflow.RefundSuccess)
				c := h.overdue("ORDER-1", "lock", payflow.Refund, answers...)
				a, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "r1"), Reason: "never locked"})
				if err != nil || a.Next.EN == "" {
					t.Fatal(a.Next, err)
				}
				tried := h.locks.count("lock")
				h.wait(10 * time.Second)
				if len(answers) > 10 {
					h.is("ORDER-1", payflow.Paid)
					if len(h.pay.sentRefunds()) != 0 {
						t.Error("a refund left while the HIS could still apply the lock")
					}
					h.crash() // the decision is durable
				}
				h.wait(2 * time.Hour)
				o := h.is("ORDER-1", payflow.Refunded)
				if len(o.Refunds) != 1 || o.Refunds[0].Reason != "never locked" {
					t.Errorf("refunds %+v", o.Refunds)
				}
				if n := h.locks.count("lock") - tried; n != 0 {
					t.Errorf("%d locks were asked for after the decision", n)
				}
				h.noCases()
			})
		})
	}
}

// What a person decides is overtaken by the HIS: it had deducted.
func TestOverdueOrderTurnsOutFulfilled(t *testing.T) {
	inHouse(t, func(h *house) {
		c := h.overdue("ORDER-1", "confirm", payflow.Reserve, many(3, answer{err: payflow.ErrPending})...)
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "r1")}); err != nil {
			t.Fatal(err)
		}
		h.locks.mu.Lock()
		l := h.locks.locks["ORDER-1"]
		l.Confirmed, l.Held, l.HisOrderNo = true, false, "HIS-1"
		h.locks.mu.Unlock()
		h.wait(time.Hour)
		if o := h.is("ORDER-1", payflow.Fulfilled); o.HisOrderNo != "HIS-1" || o.RefundByPerson {
			t.Errorf("%+v", o)
		}
		if len(h.pay.sentRefunds()) != 0 {
			t.Error("both drugs and money")
		}
		h.noCases()
	})
}

// Marking a paid order as done by another way asks the fence first.
func TestOverdueOrderIsMarked(t *testing.T) {
	inHouse(t, func(h *house) {
		c := h.overdue("ORDER-1", "lock", payflow.Refund, answer{err: payflow.ErrPending})
		refunded := payflow.MarkRefundedRequest{VerbRequest: verb(c, "r1"), Evidence: "cash"}
		_, err := h.svc.MarkRefunded(h.Context(), refunded)
		precondition(t, err, payflow.ReasonLockUnsettled)
		if _, err := h.svc.MarkRefunded(h.Context(), refunded); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Hour)
		h.is("ORDER-1", payflow.Refunded)
		h.noCases()
	})
	inHouse(t, func(h *house) {
		c := h.overdue("ORDER-1", "confirm", payflow.Reserve, answer{err: payflow.ErrPending})
		given := payflow.MarkFulfilledRequest{VerbRequest: verb(c, "r1"), HisOrderNo: "COUNTER-1"}
		_, err := h.svc.MarkFulfilled(h.Context(), given)
		precondition(t, err, payflow.ReasonLockUnsettled)
		if _, err := h.svc.MarkFulfilled(h.Context(), given); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Hour)
		if o := h.is("ORDER-1", payflow.Fulfilled); o.HisOrderNo != "COUNTER-1" || h.locks.left("A") != 10 {
			t.Errorf("%s, %d left", o.HisOrderNo, h.locks.left("A"))
		}
		h.noCases()
	})
}

// A refusal for good of what the ledger will never take hands the order to a
// person, who can refund it though no lock was ever ours.
func TestNumberOfSomebodyElse(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pay.answerRefunds(payflow.RefundSuccess)
		h.locks.on("lock", answer{err: &payflow.RefusedError{Kind: "other", ForGood: true, Message: "the order_no is somebody else's"}})
		h.locks.on("release", many(9, answer{err: payflow.ErrNotFound})...)
		h.paid("ORDER-1", payflow.Verify)
		h.is("ORDER-1", payflow.NeedsAttention)
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(h.onlyCase(payflow.CaseRefused), "r1")}); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Refunded)
		h.noCases()
	})
}

// What the ledger will never hold is refused before anybody can pay for it.
func TestCreateRefusesWhatCannotBeLocked(t *testing.T) {
	wide := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[string(rune('a'+i))] = strings.Repeat("药", 400)
		}
		return m
	}
	tests := map[string]struct {
		change func(*payflow.CreateRequest)
		field  string
	}{
		"attributes beyond 8 KiB":        {func(r *payflow.CreateRequest) { r.Attributes = wide(7) }, "attributes"},
		"a pharmacy beyond 128 bytes":    {func(r *payflow.CreateRequest) { r.PharmacyID = strings.Repeat("药", 43) }, "pharmacy_id"},
		"a drug beyond 128 bytes":        {func(r *payflow.CreateRequest) { r.Items[0].DrugID = strings.Repeat("药", 43) }, "items[0].drug_id"},
		"more drugs than one lock has":   {func(r *payflow.CreateRequest) { r.Items = append(r.Items, payflow.Item{DrugID: "B", Quantity: 1}) }, "items"},
		"attributes within, all is fine": {func(r *payflow.CreateRequest) { r.Attributes = wide(6) }, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				r := request("ORDER-1", payflow.Verify)
				tt.change(&r)
				_, err := h.svc.Create(h.Context(), r)
				var invalid *payflow.InvalidError
				if tt.field == "" && err != nil || tt.field != "" && (!errors.As(err, &invalid) || invalid.Field != tt.field) {
					t.Errorf("%v", err)
				}
			}, func(s *payflow.Settings) { s.MaxDrugs = 1 })
		})
	}
}

// precondition fails the test unless err is a PreconditionError with the reason.
func precondition(t *testing.T, err error, want string) {
	t.Helper()
	var p *payflow.PreconditionError
	if !errors.As(err, &p) || p.Reason != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// A refund that was written down, and could not be sent before the order turned out
// to be fulfilled, is never sent (I5).
func TestRecheckFindsItFulfilledWhileARefundIsStored(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-2", payflow.Reserve, func(r *payflow.CreateRequest) { r.Items[0].Quantity = 1 })
		h.create("ORDER-1", payflow.Reserve)
		tx := h.pay.pay("ORDER-1")
		h.pay.on("query", answer{hang: true}, answer{hang: true}, answer{hang: true})
		h.wait(10 * time.Second) // the only worker for WeChat hangs
		h.locks.on("confirm", h.locks.refuseConfirm("ORDER-1", "insufficient"))
		if err := h.svc.PaymentCallback(h.Context(), notice(tx)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		if o := h.is("ORDER-1", payflow.Refunding); len(o.Refunds) != 1 || o.Refunds[0].Status != payflow.RefundStored {
			t.Fatalf("refunds %+v", o.Refunds)
		}
		console := payflow.RefundAnswer{OrderNo: "ORDER-1", OutRefundNo: "console-1", MchID: "M1", State: payflow.RefundSuccess, RefundFen: 100}
		if err := h.svc.RefundCallback(h.Context(), notice(console)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		h.is("ORDER-1", payflow.NeedsAttention)
		h.locks.appliedByHand("ORDER-1")
		if _, err := h.svc.Recheck(h.Context(), verb(h.onlyCase(payflow.CaseConsoleRefund), "v1")); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		h.is("ORDER-1", payflow.Fulfilled)
		if got := h.pay.sentRefunds(); len(got) != 0 {
			t.Errorf("given, and refunded: %v", got)
		}
	}, func(s *payflow.Settings) { s.PayWorkers, s.PayTimeout = 1, 30*time.Second })
}

// A case of reconciliation stands for nothing that hisgate owes: a refund that does
// not get away has its own [D9].
func TestD9ACaseOfReconciliationHidesNoOverdueOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.locks.cancelOrder("ORDER-1") // at the HIS
		h.morning()
		h.onlyCase(payflow.CaseHISCancelled)
		h.pay.on("refund", many(200, answer{err: refusal("refund", "NOTENOUGH")})...)
		if err := h.part("q1", 0); err != nil {
			t.Fatal(err)
		}
		h.wait(11 * time.Minute)
		h.is("ORDER-1", payflow.Refunding)
		cs, _, err := h.svc.ListCases(h.Context(), payflow.CaseQuery{OpenOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(cs, func(c payflow.Case) bool { return c.Reason == payflow.CaseOverdue }) {
			t.Errorf("open cases %+v", cs)
		}
	})
}
