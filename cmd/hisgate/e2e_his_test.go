package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/simhis"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

func TestHISDownWhileReading(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true, func(c *Config, s *settings) {
		c.Cache.MaxAge, c.Cache.Jitter, c.Cache.MaxStale = 200*time.Millisecond, 0, time.Minute
		c.Cache.UnknownDrug = 100 * time.Millisecond
		s.gateway.Cache = c.settings().gateway.Cache
	})
	h.shelve("D1", 10)
	h.shelve("D2", 10)
	path := "/v1/stock/D1?pharmacy_id=HLWYF"
	s := &hisgatev1.Stock{}
	h.get(path).into(t, s)
	if s.GetDegraded() {
		t.Error("a fresh figure is degraded")
	}
	asOf := s.GetAsOf().AsTime()
	h.sims.HIS.SetDown(true)
	eventually(t, "a stale figure", func() error {
		h.get(path).into(t, s)
		return want("source", s.GetSource(), hisgatev1.Stock_STALE)
	})
	if !s.GetDegraded() || s.GetOnHand() != 10 || s.GetAsOf().AsTime().Before(asOf) {
		t.Errorf("while the HIS is down: %v", s)
	}
	h.get("/v1/stock/D2?pharmacy_id=HLWYF").refused(t, http.StatusServiceUnavailable, hisgatev1.Reason_HIS_UNAVAILABLE)
	ops := api{t: t, base: "http://" + h.program.OpsAddr}
	if got := ops.get("/readyz"); got.status != http.StatusOK || !strings.Contains(string(got.body), "HIS") {
		t.Errorf("/readyz while the HIS is down: %d %s", got.status, got.body)
	}
	h.sims.HIS.SetDown(false)
	eventually(t, "a fresh figure", func() error {
		h.get(path).into(t, s)
		return want("degraded", s.GetDegraded(), false)
	})
}

func TestHISDownWhileLocking(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, freeze bool) {
		h := openHouse(t, freeze)
		h.shelve("D1", 10)
		h.live("D1") // an old figure is there, and is not good enough
		h.sims.HIS.SetDown(true)
		h.post("/v1/locks", lockJSON("DOWN-1", "D1", 3, "60s")).refused(t, http.StatusServiceUnavailable, hisgatev1.Reason_HIS_UNAVAILABLE)
		h.post("/v1/orders", orderJSON("E2E-DOWN", "RESERVE", "D1", 3)).refused(t, http.StatusServiceUnavailable, hisgatev1.Reason_HIS_UNAVAILABLE)
		h.get("/v1/locks/DOWN-1").refused(t, http.StatusNotFound, hisgatev1.Reason_NOT_FOUND)
		held := &hisgatev1.ListLocksResponse{}
		h.get("/v1/locks").into(t, held)
		if len(held.GetLocks()) != 0 {
			t.Errorf("something is held: %v", held)
		}
		h.sims.HIS.SetDown(false)
		eventually(t, "the order that the patient may pay", func() error {
			o := h.get("/v1/orders/E2E-DOWN").order(t)
			return want("next", o.GetNext(), hisgatev1.Order_PAY)
		})
		if s := h.live("D1"); s.GetAvailable() != 7 {
			t.Errorf("%d of 10 are available, want those of the order held and no others", s.GetAvailable())
		}
		h.pay("E2E-DOWN")
		h.await("E2E-DOWN", hisgatev1.Order_FULFILLED)
		h.audit(h.api)
	})
}

func TestHISDownWhileConfirming(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, freeze bool) {
		h := openHouse(t, freeze)
		h.shelve("D1", 10)
		h.create("E2E-WAITS", "RESERVE", "D1", 3)
		h.sims.HIS.SetDown(true)
		h.pay("E2E-WAITS")
		eventually(t, "the paid order in trouble", func() error {
			o := h.get("/v1/orders/E2E-WAITS").order(t)
			if o.GetStatus() != hisgatev1.Order_PAID || o.GetTrouble() == nil {
				return fmt.Errorf("%s, trouble %v", o.GetStatus(), o.GetTrouble())
			}
			return nil
		})
		h.sims.HIS.SetDown(false)
		h.await("E2E-WAITS", hisgatev1.Order_FULFILLED)
		h.audit(h.api)
	})
}

// The HIS does not answer a freeze, and took it or did not: it is found out, the
// caller is told that it is not known, and nothing is frozen twice.
func TestUnknownFreezeIsFoundOut(t *testing.T) {
	t.Parallel()
	for _, what := range []simhis.Trouble{simhis.TimeoutBefore, simhis.TimeoutAfter} {
		t.Run(string(what), func(t *testing.T) {
			t.Parallel()
			h := openHouse(t, true)
			h.shelve("D1", 10)
			h.hisFault(simhis.Fault{Op: simhis.OpFreeze, What: what, Times: 1})
			h.post("/v1/locks", lockJSON("UNKNOWN-1", "D1", 3, "60s")).refused(t, http.StatusServiceUnavailable, hisgatev1.Reason_OUTCOME_UNKNOWN)
			h.awaitLock("UNKNOWN-1", hisgatev1.Lock_LOCKED)
			if l := h.post("/v1/locks", lockJSON("UNKNOWN-1", "D1", 3, "60s")).lock(t); l.GetAttempt() != 1 {
				t.Errorf("it took %d attempts", l.GetAttempt())
			}
			his, _ := h.sims.HIS.Books().Order("UNKNOWN-1")
			if len(his.Freezes) != 1 {
				t.Errorf("the HIS froze %d times", len(his.Freezes))
			}
			if s := h.live("D1"); s.GetAvailable() != 7 {
				t.Errorf("%s: %d of 10 are available", what, s.GetAvailable())
			}
			h.post("/v1/locks/UNKNOWN-1:confirm", `{}`).lock(t)
			h.audit(h.api)
		})
	}
}

// Likewise an order at the HIS: never given out twice, never refunded because
// nobody knows.
func TestUnknownHISOrderIsFoundOut(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, freeze bool) {
		h := openHouse(t, freeze)
		for _, f := range []simhis.Fault{
			{What: simhis.TimeoutBefore},
			{What: simhis.TimeoutAfter},
			{What: simhis.LateApply, After: 500 * time.Millisecond},
			{What: simhis.Garbage, Apply: true},
			{What: simhis.HTTP500},
		} {
			no := "E2E-" + string(f.What)
			h.shelve(no, 3)
			h.create(no, "RESERVE", no, 3)
			f.Op, f.HisNo, f.Times = simhis.OpPlaceOrder, no, 1
			h.hisFault(f)
			h.pay(no)
		}
		for _, no := range []string{"timeout_before", "timeout_after", "late_apply", "garbage", "http_500"} {
			o := h.await("E2E-"+no, hisgatev1.Order_FULFILLED)
			if his, _ := h.sims.HIS.Books().Order("E2E-" + no); len(his.Orders) != 1 || his.Orders[0].OrderNo != o.GetHisOrderNo() {
				t.Errorf("%s: the HIS has %+v, hisgate says %s", no, his.Orders, o.GetHisOrderNo())
			}
		}
		h.audit(h.api)
	})
}

// A release whose answer was lost is repeated until the HIS's word is final.
func TestUnknownUnfreezeIsFoundOut(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	for i, what := range []simhis.Trouble{simhis.TimeoutBefore, simhis.TimeoutAfter} {
		no := fmt.Sprintf("UNFREEZE-%d", i)
		h.post("/v1/locks", lockJSON(no, "D1", 3, "60s")).lock(t)
		h.hisFault(simhis.Fault{Op: simhis.OpUnfreeze, HisNo: no, What: what, Times: 1})
		l := h.post("/v1/locks/"+no+":release", `{}`).lock(t) // it may be found out before this answers
		if s := l.GetStatus(); s != hisgatev1.Lock_RELEASING && s != hisgatev1.Lock_RELEASED {
			t.Errorf("%s: released without an answer, the lock is %s", what, s)
		}
		h.awaitLock(no, hisgatev1.Lock_RELEASED)
	}
	h.audit(h.api)
	if s := h.live("D1"); s.GetAvailable() != 10 {
		t.Errorf("%d of 10 are available", s.GetAvailable())
	}
}

// The HIS refuses our calls as such (a wrong signature, say): the paid order
// waits, and no money goes back because of it.
func TestMisconfiguredHISNeverCausesARefund(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	h.create("E2E-SIGN", "RESERVE", "D1", 3)
	h.hisFault(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Misconfigured, Times: 1})
	h.pay("E2E-SIGN")
	eventually(t, "the alert", func() error {
		if !strings.Contains(h.log.String(), "refuses our calls") {
			return fmt.Errorf("nothing in the log")
		}
		return nil
	})
	if o := h.get("/v1/orders/E2E-SIGN").order(t); o.GetStatus() != hisgatev1.Order_PAID {
		t.Errorf("the order is %s", o.GetStatus())
	}
	if n := len(h.sims.WeChat.Ledger().Refunds); n != 0 {
		t.Errorf("%d refunds", n)
	}
}
