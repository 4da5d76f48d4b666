package payflow_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// What is owed, and which orders are late, shows until the patient has the drugs.
func TestStatsOfMoneyThatIsOwed(t *testing.T) {
	inHouse(t, func(h *house) {
		entered := payflow.Transition{From: payflow.AwaitingPayment, To: payflow.Paid}
		if n, shown := h.svc.Stats().Transitions[entered]; n != 0 || !shown {
			t.Errorf("before anything happened: %d, shown %v", n, shown)
		}
		h.locks.on("confirm", many(20, answer{err: errors.New("something that no rule knows")})...)
		h.paid("ORDER-1", payflow.Reserve)
		total := h.get("ORDER-1").Payment.TotalFen
		h.wait(time.Minute)
		if st := h.svc.Stats(); st.OwedFen != total || st.Late != 0 || st.Transitions[entered] != 1 {
			t.Errorf("after a minute: %+v, want %d fen owed", st, total)
		}
		h.wait(5 * time.Minute)
		if st := h.svc.Stats(); st.OwedFen != total || st.Late != 1 {
			t.Errorf("after six minutes: %+v", st)
		}
		h.wait(24 * time.Hour)
		h.is("ORDER-1", payflow.Fulfilled)
		if st := h.svc.Stats(); st.OwedFen != 0 || st.Late != 0 || !st.OldestDue.IsZero() {
			t.Errorf("fulfilled: %+v", st)
		}
	})
}

// A step that waits for a worker shows since when.
func TestStatsOfStepsThatNobodyTakesUp(t *testing.T) {
	inHouse(t, func(h *house) {
		gate := make(chan struct{})
		h.create("ORDER-1", payflow.Reserve, small)
		h.pay.on("prepay", answer{call: func() { <-gate }})
		if _, err := h.svc.Create(h.Context(), small2(request("STUCK-1", payflow.Reserve))); err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		h.wait(10 * time.Minute)
		due := h.svc.Stats().OldestDue
		if due.IsZero() || due.After(before.Add(time.Minute)) {
			t.Errorf("waits since %v; it was %v", due, before)
		}
		close(gate)
		h.wait(time.Second)
		if due := h.svc.Stats().OldestDue; !due.IsZero() {
			t.Errorf("after all was taken up: %v", due)
		}
	}, func(s *payflow.Settings) { s.PayWorkers = 1 })
}
