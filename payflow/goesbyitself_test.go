package payflow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// Nothing leaves the list of cases by itself while its cause stands, however long
// and across restarts; once the cause is gone it leaves, and says so.
func TestACaseGoesByItselfOnlyWithItsCauseAndSaysSo(t *testing.T) {
	inHouse(t, func(h *house) {
		h.locks.on("confirm", many(1000, answer{err: payflow.ErrUnavailable})...)
		h.paid("ORDER-1", payflow.Reserve)
		for range 12 {
			h.wait(time.Hour)
			h.crash()
		}
		h.is("ORDER-1", payflow.Paid)
		c := h.onlyCase(payflow.CaseOverdue)
		if !c.Escalated {
			t.Error("its deadline passed, and nobody was told")
		}
		for h.get("ORDER-1").State == payflow.Paid { // until the scripted failures run out
			h.wait(24 * time.Hour)
		}
		h.is("ORDER-1", payflow.Fulfilled)
		h.noCases()
		got, err := h.svc.GetCase(h.Context(), c.ID)
		if err != nil || got.Open || got.ClosedAt.IsZero() {
			t.Fatalf("%+v, %v", got, err)
		}
		if !strings.Contains(got.Outcome, "FULFILLED") || got.OutcomeZH == "" || got.OutcomeZH == got.Outcome {
			t.Errorf("it does not say why it is over: %q, %q", got.Outcome, got.OutcomeZH)
		}
		if last := got.Audit[len(got.Audit)-1]; last.Actor != "hisgate" || last.Note != got.Outcome || !last.At.Equal(got.ClosedAt) {
			t.Errorf("the audit ends with %+v", last)
		}
	})
}
