package main

import (
	"fmt"
	"testing"

	"github.com/hisgate/hisgate/hisadapter/simhis"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// theCase waits for the one open case of an order, as the list has it.
func (h *house) theCase(no string) *hisgatev1.Case {
	h.world.t.Helper()
	var found *hisgatev1.Case
	eventually(h.world.t, "the case of "+no, func() error {
		all := &hisgatev1.ListCasesResponse{}
		h.get("/v1/cases?order_no="+no).into(h.world.t, all)
		if err := want("the number of cases", len(all.GetCases()), 1); err != nil {
			return err
		}
		found = all.GetCases()[0]
		return nil
	})
	return found
}

// settle uses a verb on a case as it was read.
func (h *house) settle(c *hisgatev1.Case, verb, more string) *hisgatev1.Case {
	h.world.t.Helper()
	after := &hisgatev1.Case{}
	h.post("/v1/cases/"+c.GetCaseId()+":"+verb, fmt.Sprintf(`{"etag":%q,"request_id":"%s-%s"%s}`, c.GetEtag(), verb, c.GetEtag(), more)).into(h.world.t, after)
	return after
}

// gone brings a paid RESERVE order before an empty shelf, at a site where a
// person decides what becomes of it.
func gone(h *house, no string) *hisgatev1.Case {
	h.shelve(no, 3)
	h.create(no, "RESERVE", no, 3)
	h.sell(no, 3)
	h.pay(no)
	c := h.theCase(no)
	if o := h.get("/v1/orders/" + no).order(h.world.t); o.GetStatus() != hisgatev1.Order_NEEDS_ATTENTION || o.GetNext() != hisgatev1.Order_PERSON {
		h.world.t.Errorf("%s is %s, next %s", no, o.GetStatus(), o.GetNext())
	}
	if c.GetOwner() == "" || c.GetDeadline() == nil || c.GetMessage().GetZh() == "" {
		h.world.t.Errorf("the case does not say what a person needs: %v", c)
	}
	return h.settle(c, "claim", `,"note":"在看"`)
}

func TestPersonSettlesWhatCannotBeFulfilled(t *testing.T) {
	t.Parallel()
	h := openHouse(t, false, func(c *Config, s *settings) {
		c.Payment.OnRefused = "case"
		s.orders.OnGone = c.settings().orders.OnGone
	})
	h.settle(gone(h, "E2E-CASE-REFUND"), "refund", `,"reason":"缺货退款"`)
	h.await("E2E-CASE-REFUND", hisgatev1.Order_REFUNDED)

	c := gone(h, "E2E-CASE-RETRY")
	if err := h.sims.HIS.SetStock(keyOf("E2E-CASE-RETRY"), 5); err != nil { // a delivery
		t.Fatal(err)
	}
	h.settle(c, "retryFulfilment", "")
	h.await("E2E-CASE-RETRY", hisgatev1.Order_FULFILLED)

	// Etags keep two people from settling the same case differently.
	c = gone(h, "E2E-CASE-TWO")
	h.settle(c, "refund", `,"reason":"缺货退款"`)
	h.post("/v1/cases/"+c.GetCaseId()+":retryFulfilment", fmt.Sprintf(`{"etag":%q,"request_id":"late"}`, c.GetEtag())).refused(t, 409, hisgatev1.Reason_ETAG_MISMATCH)
	h.await("E2E-CASE-TWO", hisgatev1.Order_REFUNDED)
	h.audit(h.api)
}

// More automatic refunds than an hour may have become cases; a person lets them
// go on.
func TestRefundsBeyondTheHourlyLimitWaitForAPerson(t *testing.T) {
	t.Parallel()
	h := openHouse(t, false, func(c *Config, s *settings) {
		c.Payment.RefundsPerHour = 1
		s.orders.AutoRefundsPerHour = 1
	})
	for i := range 2 {
		no := fmt.Sprintf("E2E-BRAKE-%d", i)
		h.shelve(no, 3)
		h.create(no, "VERIFY", no, 3)
		h.sell(no, 3)
		h.pay(no)
		h.await(no, []hisgatev1.Order_Status{hisgatev1.Order_REFUNDED, hisgatev1.Order_NEEDS_ATTENTION}[i])
	}
	brake := &hisgatev1.RefundBrake{}
	h.get("/v1/refunds:brake").into(t, brake)
	if !brake.GetShut() || brake.GetUsed() != 1 {
		t.Errorf("the brake is %v", brake)
	}
	resumed := &hisgatev1.ResumeRefundsResponse{}
	h.post("/v1/refunds:resume", fmt.Sprintf(`{"etag":%q,"request_id":"1","note":"已核实"}`, brake.GetEtag())).into(t, resumed)
	if resumed.GetResumed() != 1 || resumed.GetRemaining() != 0 {
		t.Errorf("resumed: %v", resumed)
	}
	h.await("E2E-BRAKE-1", hisgatev1.Order_REFUNDED)
	h.audit(h.api)
}

// An outcome that nobody but a person who looks can tell. Until then the order is
// neither given out again nor refunded.
func TestPersonSaysWhatTheHISDid(t *testing.T) {
	t.Parallel()
	can := simCapabilities(false)
	can.IdempotentByHisNo = false
	h := newWorldOf(t, simOptions{Capabilities: can}).open(func(_ *Config, s *settings) { s.gateway.Resolver.CaseAfter = s.gateway.Resolver.Grace })
	trouble := func(no string, faults ...simhis.Fault) *hisgatev1.Case {
		h.shelve(no, 3)
		h.create(no, "RESERVE", no, 3)
		for _, f := range faults {
			f.HisNo = no
			h.hisFault(f)
		}
		h.pay(no)
		c := h.theCase(no)
		if o := h.get("/v1/orders/" + no).order(t); o.GetStatus() == hisgatev1.Order_REFUNDED || o.GetStatus() == hisgatev1.Order_FULFILLED {
			t.Errorf("with nobody knowing, %s is %s", no, o.GetStatus())
		}
		return c
	}

	// The HIS has no such order, and would not refuse a second one if the first
	// came late. The person looked: it did not come.
	c := trouble("E2E-SAID-NO", simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutBefore, Times: 1})
	h.settle(c, "resolveLock", `,"outcome":"NOT_APPLIED"`)
	if o := h.await("E2E-SAID-NO", hisgatev1.Order_FULFILLED); o.GetHisNo() != "E2E-SAID-NO-2" {
		t.Errorf("fulfilled under %s, want a number that the HIS never saw", o.GetHisNo())
	}

	// The HIS applied it, and does not answer when asked. The person found it.
	c = trouble("E2E-SAID-YES", simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutAfter, Times: 1},
		simhis.Fault{Op: simhis.OpFindOrder, What: simhis.HTTP500})
	his, _ := h.sims.HIS.Books().Order("E2E-SAID-YES")
	h.settle(c, "resolveLock", fmt.Sprintf(`,"outcome":"APPLIED","his_order_no":%q`, his.Orders[0].OrderNo))
	if o := h.await("E2E-SAID-YES", hisgatev1.Order_FULFILLED); o.GetHisOrderNo() != his.Orders[0].OrderNo {
		t.Errorf("fulfilled by HIS order %s, want %s", o.GetHisOrderNo(), his.Orders[0].OrderNo)
	}
	h.audit(h.api)
}
