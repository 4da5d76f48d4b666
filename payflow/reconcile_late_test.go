package payflow_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// TestWhatOnlyTheNextBillHad: a refund that WeChat's bill of its day missed and the next one has is a case for a day, and no
// further run over the first day begins it again.
func TestWhatOnlyTheNextBillHad(t *testing.T) {
	inHouse(t, func(h *house) {
		h.wait(10 * time.Hour)
		h.refunded("ORDER-1")
		h.pay.mu.Lock()
		h.pay.takenAt["ORDER-1-R1"] = h.pay.takenAt["ORDER-1-R1"].Add(12 * time.Hour)
		h.pay.mu.Unlock()
		day := h.morning()
		h.onlyCase(payflow.CaseBillMissing)
		h.compared(h.morning())
		h.noCases()
		for range 2 {
			if r := h.again(day); r.Open() != 0 {
				t.Errorf("%+v", r.Differences)
			}
			h.noCases()
		}
	})
}

// TestAPaymentWithoutATimeBesideMidnight: WeChat's notice does not say when, and comes after midnight. The payment stands in
// the bill of the day before, and the next day does not miss it.
func TestAPaymentWithoutATimeBesideMidnight(t *testing.T) {
	inHouse(t, func(h *house) {
		h.wait(16*time.Hour - 10*time.Second) // 23:59:50
		h.create("ORDER-1", payflow.Reserve)
		tx := h.pay.pay("ORDER-1")
		h.pay.on("query", many(4, answer{err: channelFailure(payflow.ChannelUnknown)})...)
		h.wait(15 * time.Second)
		tx.PaidAt = time.Time{}
		h.callback(tx)
		h.is("ORDER-1", payflow.Fulfilled)
		h.wait(3 * 24 * time.Hour)
		for _, day := range []string{"2000-01-01", "2000-01-02"} {
			if r := h.compared(day); len(r.Differences) > 0 {
				t.Errorf("%s: %+v", day, r.Differences)
			}
		}
		h.noCases()
		h.same(h.compared("2000-01-02"), h.again("2000-01-02"))
		h.same(h.compared("2000-01-01"), h.again("2000-01-01"))
	})
}

// TestTheEdgeOfADay: the last second of a day in Beijing and the first of the next stand in different bills, whenever their
// notices come.
func TestTheEdgeOfADay(t *testing.T) {
	inHouse(t, func(h *house) {
		h.wait(16*time.Hour - time.Minute)
		h.create("ORDER-1", payflow.Reserve)
		h.create("ORDER-2", payflow.Verify)
		h.wait(59 * time.Second)
		last := h.pay.pay("ORDER-1")
		h.wait(time.Second)
		first := h.pay.pay("ORDER-2")
		h.wait(2 * time.Minute)
		h.callback(last)
		h.callback(first)
		h.wait(3 * 24 * time.Hour)
		for i, day := range []string{"2000-01-01", "2000-01-02"} {
			r := h.compared(day)
			if len(r.Differences) > 0 || r.Matched != 1 || r.BillPayments.Count != 1 || r.Payments.Count != 1 {
				t.Errorf("day %d: %+v", i, r)
			}
		}
		h.noCases()
	})
}
