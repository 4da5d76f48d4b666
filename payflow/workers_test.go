package payflow_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// D8: a HIS that hangs keeps no order from its WeChat calls, and the other way
// round.
func TestD8PoolsAreSeparate(t *testing.T) {
	t.Run("the HIS hangs", func(t *testing.T) {
		inHouse(t, func(h *house) {
			gate := make(chan struct{})
			for i := range 10 {
				h.create(fmt.Sprintf("PAID-%02d", i), payflow.Reserve, small)
			}
			h.create("ORDER-1", payflow.Verify, small)
			for i := range 10 {
				h.locks.on("confirm", answer{call: func() { <-gate }})
				h.callback(h.pay.pay(fmt.Sprintf("PAID-%02d", i)))
			}
			h.wait(31 * time.Minute)
			h.is("ORDER-1", payflow.Closed)
			close(gate)
			h.wait(time.Minute)
			h.is("PAID-09", payflow.Fulfilled)
		}, func(s *payflow.Settings) { s.HISWorkers = 2 })
	})
	t.Run("WeChat hangs", func(t *testing.T) {
		inHouse(t, func(h *house) {
			gate := make(chan struct{})
			h.create("ORDER-1", payflow.Reserve, small)
			for i := range 5 {
				h.pay.on("prepay", answer{call: func() { <-gate }})
				if _, err := h.svc.Create(h.Context(), small2(request(fmt.Sprintf("STUCK-%d", i), payflow.Reserve))); err != nil {
					t.Fatal(err)
				}
			}
			h.callback(h.pay.pay("ORDER-1"))
			h.is("ORDER-1", payflow.Fulfilled)
			close(gate)
			h.wait(time.Minute)
		}, func(s *payflow.Settings) { s.PayWorkers = 2 })
	})
}

func small(r *payflow.CreateRequest) { r.Items[0] = payflow.Item{DrugID: "B", Quantity: 1} }

func small2(r payflow.CreateRequest) payflow.CreateRequest {
	small(&r)
	return r
}

// A letter never waits behind a pool that hangs, even when its own order stands
// in that pool's queue.
func TestD8LetterOvertakesAHangingPool(t *testing.T) {
	inHouse(t, func(h *house) {
		gate := make(chan struct{})
		h.create("ORDER-1", payflow.Reserve, small)
		h.pay.on("prepay", answer{call: func() { <-gate }})
		if _, err := h.svc.Create(h.Context(), small2(request("STUCK-1", payflow.Reserve))); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute) // ORDER-1 waits for its poll, behind STUCK-1
		if h.svc.Stats().PayQueue == 0 {
			t.Fatal("nothing waits")
		}
		h.callback(h.pay.pay("ORDER-1"))
		h.is("ORDER-1", payflow.Fulfilled)
		close(gate)
		h.wait(time.Minute)
		h.is("STUCK-1", payflow.AwaitingPayment)
		h.is("ORDER-1", payflow.Fulfilled)
	}, func(s *payflow.Settings) { s.PayWorkers = 1 })
}

// A poisoned order rests, longer each time, becomes a case, and touches no other.
func TestPoisonedOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.create("ORDER-2", payflow.Reserve)
		for range 6 {
			h.locks.on("confirm", answer{call: func() { panic("bad luck") }})
		}
		h.callback(h.pay.pay("ORDER-1"))
		h.wait(10 * time.Second)
		h.onlyCase(payflow.CaseWorker)
		if h.alerted("worker_fault") == 0 || h.svc.Stats().Panics < 3 {
			t.Errorf("alerts %d, panics %d", h.alerted("worker_fault"), h.svc.Stats().Panics)
		}
		n := h.locks.count("confirm")
		h.wait(10 * time.Second)
		if h.locks.count("confirm") > n+1 {
			t.Error("it does not rest")
		}
		h.wait(2 * time.Minute)
		h.is("ORDER-1", payflow.Fulfilled)
		h.callback(h.pay.pay("ORDER-2"))
		h.is("ORDER-2", payflow.Fulfilled)
		h.noCases()
	})
}

// Orders are served in turn: no order's API call waits for another's outside call.
func TestOneOrderDoesNotBlockAnother(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.locks.on("confirm", answer{hang: true})
		h.callback(h.pay.pay("ORDER-1"))
		start := time.Now()
		h.create("ORDER-2", payflow.Hold)
		if time.Since(start) != 0 {
			t.Errorf("waited %v", time.Since(start))
		}
		if o := h.get("ORDER-1"); o.State != payflow.Paid { // reading never waits
			t.Errorf("%s", o.State)
		}
	})
}

// A person's recheck asks the outside before it judges: what orders share is free
// meanwhile, also when the answer is late money.
func TestRecheckLetsOthersGoOn(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.wait(40 * time.Minute)
		h.is("ORDER-1", payflow.Closed)
		if err := h.svc.RefundCallback(h.Context(), notice(payflow.RefundAnswer{OrderNo: "ORDER-1", OutRefundNo: "X1", MchID: "M1", State: payflow.RefundSuccess, RefundFen: 1})); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c := h.onlyCase(payflow.CaseConsoleRefund)
		h.pay.pay("ORDER-1") // late
		free := make(chan struct{})
		h.locks.on("get", answer{call: func() { // while the stock half is being asked
			go func() { h.svc.Stats(); close(free) }() // needs what orders share, as every commit does
			for range 1_000_000 {
				select {
				case <-free:
					return
				default:
					runtime.Gosched()
				}
			}
			t.Error("nothing can be committed while the HIS is asked")
		}})
		if _, err := h.svc.Recheck(h.Context(), verb(c, "r1")); err != nil {
			t.Error(err)
		}
		<-free
	})
}

// D8: rechecks that hang at the HIS, and notices that wait behind them, keep no
// other order from beginning.
func TestD8HangingRechecksStallNobody(t *testing.T) {
	inHouse(t, func(h *house) {
		var txs []payflow.Transaction
		for i := range 4 {
			h.create(fmt.Sprintf("ORDER-%d", i), payflow.Refund)
		}
		h.locks.sell("A", 10)
		for i := range 4 {
			txs = append(txs, h.pay.pay(fmt.Sprintf("ORDER-%d", i)))
			h.callback(txs[i])
		}
		h.wait(time.Second)
		cs, _, err := h.svc.ListCases(h.Context(), payflow.CaseQuery{OpenOnly: true})
		if err != nil || len(cs) != 4 {
			t.Fatalf("%+v, %v", cs, err)
		}
		h.locks.on("get", many(4, answer{hang: true})...)
		for _, c := range cs {
			go func() { _, _ = h.svc.Recheck(h.Context(), verb(c, "r1")) }()
		}
		synctest.Wait()
		for _, tx := range txs {
			h.callback(tx) // WeChat repeats its notices
		}
		start := time.Now()
		h.create("OTHER-1", payflow.Reserve, func(r *payflow.CreateRequest) { r.Items[0].DrugID = "B" })
		if time.Since(start) != 0 {
			t.Errorf("waited %v", time.Since(start))
		}
		h.wait(time.Minute)
	}, func(s *payflow.Settings) { s.AutoRefundsPerHour = 0 })
}

func TestManyOrdersAllEnd(t *testing.T) {
	inHouse(t, func(h *house) {
		const n = 200
		h.locks.sell("B", -200) // 300 in all
		for i := range n {
			h.create(fmt.Sprintf("ORDER-%03d", i), strategies[i%4], func(r *payflow.CreateRequest) {
				r.Items[0] = payflow.Item{DrugID: "B", Quantity: 1}
			})
			if i%2 == 0 {
				h.callback(h.pay.pay(fmt.Sprintf("ORDER-%03d", i)))
			}
			if i == n/2 {
				h.crash()
			}
		}
		h.wait(40 * time.Minute)
		for i := range n {
			h.is(fmt.Sprintf("ORDER-%03d", i), map[bool]payflow.State{true: payflow.Fulfilled, false: payflow.Closed}[i%2 == 0])
		}
		if left := h.locks.left("B"); left != 200 || len(h.locks.made()) != n/2 {
			t.Errorf("left %d, made %d", left, len(h.locks.made()))
		}
		st := h.svc.Stats()
		if len(st.Orders) != 0 || st.HISQueue+st.PayQueue != 0 {
			t.Errorf("%+v", st)
		}
	})
}
