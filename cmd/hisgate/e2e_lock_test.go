package main

import (
	"net/http"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

func TestLocksOverRESTAndGRPC(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, freeze bool) {
		h := openHouse(t, freeze)
		h.shelve("D1", 10)
		l := h.post("/v1/locks", `{"order_no":"RX2026112200123","pharmacy_id":"HLWYF","items":[{"drug_id":"D1","quantity":"2"},{"drug_id":"D1","quantity":"1"}],
			"ttl":"900s","attributes":{"patient_id":"P1","rx_no":"CF1"}}`).lock(t)
		if l.GetStatus() != hisgatev1.Lock_LOCKED || l.GetAttempt() != 1 || l.GetHisNo() != "RX2026112200123" || (l.GetHisLockId() != "") != freeze {
			t.Errorf("the lock is %v", l)
		}
		again := h.post("/v1/locks", lockJSON("RX2026112200123", "D1", 3, "60s")).lock(t)
		if again.GetEtag() != l.GetEtag() {
			t.Errorf("a repeat changed the lock: %v", again)
		}
		h.post("/v1/locks", lockJSON("RX2026112200123", "D1", 4, "60s")).refused(t, http.StatusConflict, hisgatev1.Reason_ORDER_NO_REUSED)
		f := h.post("/v1/locks", lockJSON("RX-SHORT", "D1", 8, "60s")).refused(t, http.StatusBadRequest, hisgatev1.Reason_STOCK_INSUFFICIENT)
		if !f.short("D1", "8", "7") {
			t.Errorf("no shortage of 8 against 7 in %+v", f)
		}
		if l := h.post("/v1/locks/RX2026112200123:confirm", `{}`).lock(t); l.GetStatus() != hisgatev1.Lock_CONFIRMED || l.GetHisOrderNo() == "" {
			t.Errorf("confirmed, the lock is %s with HIS order %q", l.GetStatus(), l.GetHisOrderNo())
		}
		h.post("/v1/locks/RX2026112200123:release", `{}`).refused(t, http.StatusBadRequest, hisgatev1.Reason_ALREADY_CONFIRMED)
		// What was short may be tried again under the same number.
		over, err := h.locks.Lock(t.Context(), &hisgatev1.LockRequest{
			OrderNo: "RX-SHORT", PharmacyId: "HLWYF", Items: []*hisgatev1.LockItem{{DrugId: "D1", Quantity: 7}},
		})
		if status.Code(err) == codes.AlreadyExists { // other items than those refused
			over, err = h.locks.Lock(t.Context(), &hisgatev1.LockRequest{
				OrderNo: "RX-SHORT2", PharmacyId: "HLWYF", Items: []*hisgatev1.LockItem{{DrugId: "D1", Quantity: 7}},
			})
		}
		if err != nil || over.GetStatus() != hisgatev1.Lock_LOCKED {
			t.Fatalf("over gRPC: %v, %v", over, err)
		}
		if over, err = h.locks.Release(t.Context(), &hisgatev1.ReleaseRequest{OrderNo: over.GetOrderNo()}); err != nil || over.GetStatus() != hisgatev1.Lock_RELEASED {
			t.Errorf("released over gRPC: %v, %v", over, err)
		}
		h.audit(h.api)
		if s := h.live("D1"); s.GetAvailable() != 7 {
			t.Errorf("%d are available, want 7", s.GetAvailable())
		}
	})
}

// A Release that overtakes its Lock leaves a tombstone, and the late Lock is
// refused.
func TestReleaseBeforeLockRefusesTheLateLock(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	l := h.post("/v1/locks/LATE-1:release", `{}`).lock(t)
	if l.GetStatus() != hisgatev1.Lock_RELEASED || l.GetCause() != hisgatev1.Lock_TOMBSTONE {
		t.Errorf("released before it was locked: %s, cause %s", l.GetStatus(), l.GetCause())
	}
	h.post("/v1/locks", lockJSON("LATE-1", "D1", 3, "60s")).refused(t, http.StatusBadRequest, hisgatev1.Reason_LOCK_ENDED)
	if s := h.live("D1"); s.GetAvailable() != 10 {
		t.Errorf("%d of 10 are available", s.GetAvailable())
	}
	h.audit(h.api)
}

// The clock releases what nobody confirmed.
func TestLockExpires(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, freeze bool) {
		h := openHouse(t, freeze)
		h.shelve("D1", 10)
		h.post("/v1/locks", lockJSON("SHORT-1", "D1", 3, "1s")).lock(t)
		l := h.awaitLock("SHORT-1", hisgatev1.Lock_RELEASED)
		if l.GetCause() != hisgatev1.Lock_EXPIRED {
			t.Errorf("released, cause %s", l.GetCause())
		}
		h.post("/v1/locks/SHORT-1:confirm", `{}`).refused(t, http.StatusBadRequest, hisgatev1.Reason_LOCK_ENDED)
		h.audit(h.api)
	})
}

// The lock of an order belongs to the order: LockService sees nothing of it.
func TestLocksOfOrdersAreOutOfReach(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	h.create("E2E-OWNED", "RESERVE", "D1", 3)
	h.get("/v1/locks/E2E-OWNED").refused(t, http.StatusNotFound, hisgatev1.Reason_NOT_FOUND)
	h.post("/v1/locks/E2E-OWNED:release", `{}`).refused(t, http.StatusNotFound, hisgatev1.Reason_NOT_FOUND)
	h.post("/v1/locks/E2E-OWNED:confirm", `{}`).refused(t, http.StatusNotFound, hisgatev1.Reason_NOT_FOUND)
	h.post("/v1/locks", lockJSON("E2E-OWNED", "D1", 3, "60s")).refused(t, http.StatusConflict, hisgatev1.Reason_ORDER_NO_REUSED)
	_, err := h.locks.Release(t.Context(), &hisgatev1.ReleaseRequest{OrderNo: "E2E-OWNED"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("over gRPC: %v", err)
	}
	h.pay("E2E-OWNED")
	h.await("E2E-OWNED", hisgatev1.Order_FULFILLED)
	h.audit(h.api)
}
