package main

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/hisgate/hisgate/payflow/wechatsim"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// The calls of an order's life, as they pass the gate.
const (
	queryStock = `/his/query_stock$`
	freezing   = `/his/freeze$`
	unfreezing = `/his/unfreeze$`
	placing    = `/his/place_order$`
	prepaying  = `POST /v3/pay/transactions/jsapi$`
	asking     = `GET /v3/pay/transactions/out-trade-no/`
	closing    = `/close$`
	refunding  = `POST /v3/refund/domestic/refunds$`
	paidNotice = `POST /wechat/v1/payment$`
	backNotice = `POST /wechat/v1/refund$`
)

// death is a moment at which hisgate is killed.
type death struct {
	call string
	when moment
}

func (d death) String() string { return fmt.Sprint(d.when, " ", d.call) }

// killAt runs hisgate, lets act bring it to the moment, kills it there, and
// starts it again on the same folder. What act asked may have gone unanswered.
func (w *world) killAt(d death, prepare, act func(p *process)) *process {
	w.t.Helper()
	p := w.start()
	prepare(p)
	s := w.gate.hold(w.t, d.call, d.when)
	acted := make(chan struct{})
	go func() {
		defer close(acted)
		act(p)
	}()
	s.wait(w.t)
	p.kill()
	<-acted
	if slices.Contains([]string{paidNotice, backNotice}, d.call) {
		s.release() // the caller is WeChat, which lives on
	}
	return w.start()
}

func nothing(*process) {}

// order asks for an order and lets the patient pay as soon as that is possible.
// It expects no answer in particular, for hisgate may be killed meanwhile.
func (w *world) order(p *process, no, strategy, drug string) {
	got, err := p.try(http.MethodPost, "/v1/orders", orderJSON(no, strategy, drug, 3))
	if err == nil && strategy == "HOLD" && got.status == http.StatusOK {
		got, err = p.try(http.MethodPost, "/v1/orders/"+no+":prepay", `{"payment":`+jsapiJSON+`}`)
	}
	if err == nil && got.status == http.StatusOK {
		w.sims.WeChat.Pay(w.t.Context(), no)
	}
}

// insist repeats an order as a client does that got no answer, until the patient
// can pay, and pays unless that is done.
func (w *world) insist(p *process, no, strategy, drug string) {
	w.t.Helper()
	eventually(w.t, "the repeated order", func() error {
		w.order(p, no, strategy, drug)
		if trade, ok := w.sims.WeChat.Ledger().Trade(no); !ok || trade.TransactionID == "" {
			return fmt.Errorf("%s is not paid", no)
		}
		return nil
	})
}

func TestKilledAtEachStepOfAPaidOrder(t *testing.T) {
	t.Parallel()
	type life struct {
		strategy string
		freeze   bool
		deaths   []death
	}
	for _, l := range []life{
		{"RESERVE", true, []death{
			{queryStock, beforeIt},
			{queryStock, afterIt},
			{freezing, beforeIt},
			{freezing, afterIt},
			{prepaying, beforeIt},
			{prepaying, afterIt},
			{paidNotice, beforeIt},
			{paidNotice, afterIt},
			{placing, beforeIt},
			{placing, afterIt},
		}},
		{"RESERVE", false, []death{{queryStock, beforeIt}, {prepaying, afterIt}, {placing, beforeIt}, {placing, afterIt}}},
		{"HOLD", true, []death{{freezing, afterIt}, {prepaying, beforeIt}, {placing, afterIt}}},
		{"VERIFY", true, []death{{prepaying, afterIt}, {freezing, beforeIt}, {freezing, afterIt}, {placing, afterIt}}},
		{"REFUND", false, []death{{placing, beforeIt}, {placing, afterIt}}},
	} {
		for _, d := range l.deaths {
			t.Run(fmt.Sprintf("%s freeze=%t %s", l.strategy, l.freeze, d), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, l.freeze)
				w.shelve("D1", 10)
				p := w.killAt(d, nothing, func(p *process) { w.order(p, "E2E-KILLED", l.strategy, "D1") })
				w.insist(p, "E2E-KILLED", l.strategy, "D1")
				p.await("E2E-KILLED", hisgatev1.Order_FULFILLED)
				w.audit(p.api)
				if s := p.live("D1"); s.GetOnHand() != 7 || s.GetAvailable() != 7 {
					t.Errorf("of 10 less 3, %d are on hand, %d available", s.GetOnHand(), s.GetAvailable())
				}
			})
		}
	}
}

// A HIS that would apply an order twice must never be sent one twice: it is asked
// first what it did.
func TestKilledBeforeAHISThatRepeatsEverything(t *testing.T) {
	t.Parallel()
	for _, d := range []death{{freezing, afterIt}, {placing, afterIt}} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			can := simCapabilities(true)
			can.IdempotentByHisNo = false
			w := newWorldOf(t, simOptions{Capabilities: can})
			w.shelve("D1", 10)
			p := w.killAt(d, nothing, func(p *process) { w.order(p, "E2E-KILLED", "RESERVE", "D1") })
			w.insist(p, "E2E-KILLED", "RESERVE", "D1")
			p.await("E2E-KILLED", hisgatev1.Order_FULFILLED)
			w.audit(p.api)
			if o, _ := w.sims.HIS.Books().Order("E2E-KILLED"); len(o.Freezes) != 1 || len(o.Orders) != 1 {
				t.Errorf("the HIS's account: %+v", o)
			}
		})
	}
}

// WeChat had its answer when hisgate was killed: it will not call again, nor can
// it be asked. What the callback said must be in the folder.
func TestKilledAfterTheCallbackWasAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.shelve("D1", 10)
	p := w.killAt(death{placing, beforeIt}, nothing, func(p *process) {
		w.order(p, "E2E-INBOX", "RESERVE", "D1")
		eventually(t, "the delivery", func() error {
			for _, n := range w.sims.WeChat.Ledger().Notices {
				if !n.Delivered {
					return fmt.Errorf("not delivered: %+v", n)
				}
			}
			return nil
		})
		// From here on WeChat neither calls nor can be asked.
		w.wechatFault(wechatsim.Fault{Kind: wechatsim.KindStatus, Times: -1})
	})
	p.await("E2E-INBOX", hisgatev1.Order_FULFILLED)
	w.audit(p.api)
}

func TestKilledAtEachStepOfACancelledOrder(t *testing.T) {
	t.Parallel()
	for _, d := range []death{
		{asking, beforeIt}, {asking, afterIt}, {closing, beforeIt}, {closing, afterIt}, {unfreezing, beforeIt}, {unfreezing, afterIt},
	} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.shelve("D1", 10)
			p := w.killAt(d,
				func(p *process) { p.create("E2E-KILLED", "RESERVE", "D1", 3) },
				func(p *process) { p.try(http.MethodPost, "/v1/orders/E2E-KILLED:cancel", `{}`) })
			p.await("E2E-KILLED", hisgatev1.Order_CLOSED)
			w.audit(p.api)
			if s := p.live("D1"); s.GetAvailable() != 10 {
				t.Errorf("after the release %d of 10 are available", s.GetAvailable())
			}
		})
	}
}

func TestKilledAtEachStepOfARefund(t *testing.T) {
	t.Parallel()
	for _, d := range []death{
		{refunding, beforeIt}, {refunding, afterIt}, {backNotice, beforeIt}, {backNotice, afterIt},
	} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, false)
			w.shelve("D1", 3)
			p := w.killAt(d, nothing, func(p *process) {
				p.try(http.MethodPost, "/v1/orders", orderJSON("E2E-KILLED", "VERIFY", "D1", 3))
				w.sell("D1", 3)
				w.pay("E2E-KILLED")
			})
			p.await("E2E-KILLED", hisgatev1.Order_REFUNDED)
			if n := len(w.sims.WeChat.Ledger().RefundsOf("E2E-KILLED")); n != 1 {
				t.Errorf("WeChat has %d refunds", n)
			}
			w.audit(p.api)
		})
	}
}

func TestKilledAtEachStepOfAnOperatorsRefund(t *testing.T) {
	t.Parallel()
	for _, d := range []death{{refunding, beforeIt}, {refunding, afterIt}} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.shelve("D1", 10)
			refund := func(p *process) (answer, error) {
				return p.try(http.MethodPost, "/v1/orders/E2E-KILLED:refund", `{"reason":"药品破损","request_id":"R1","fulfilled":true}`)
			}
			p := w.killAt(d, func(p *process) {
				w.order(p, "E2E-KILLED", "RESERVE", "D1")
				p.await("E2E-KILLED", hisgatev1.Order_FULFILLED)
			}, func(p *process) { refund(p) })
			got, err := refund(p) // the operator tries again
			if err != nil {
				t.Fatal(err)
			}
			got.order(t)
			p.await("E2E-KILLED", hisgatev1.Order_REFUNDED)
			w.audit(p.api, "E2E-KILLED")
		})
	}
}

func TestKilledAtEachStepOfALock(t *testing.T) {
	t.Parallel()
	lock := func(p *process) (answer, error) {
		return p.try(http.MethodPost, "/v1/locks", lockJSON("KILLED-1", "D1", 3, "600s"))
	}
	verb := func(verb string) func(*process) (answer, error) {
		return func(p *process) (answer, error) { return p.try(http.MethodPost, "/v1/locks/KILLED-1:"+verb, `{}`) }
	}
	locked := func(p *process) {
		if got, err := lock(p); err != nil || got.status != http.StatusOK {
			p.t.Errorf("locking: %v, %s", err, got.body)
		}
	}
	for _, tc := range []struct {
		death
		prepare func(*process)
		act     func(*process) (answer, error)
		end     hisgatev1.Lock_Status
		left    int64
	}{
		{death{queryStock, beforeIt}, nothing, lock, hisgatev1.Lock_LOCKED, 7},
		{death{freezing, beforeIt}, nothing, lock, hisgatev1.Lock_LOCKED, 7},
		{death{freezing, afterIt}, nothing, lock, hisgatev1.Lock_LOCKED, 7},
		{death{placing, beforeIt}, locked, verb("confirm"), hisgatev1.Lock_CONFIRMED, 7},
		{death{placing, afterIt}, locked, verb("confirm"), hisgatev1.Lock_CONFIRMED, 7},
		{death{unfreezing, beforeIt}, locked, verb("release"), hisgatev1.Lock_RELEASED, 10},
		{death{unfreezing, afterIt}, locked, verb("release"), hisgatev1.Lock_RELEASED, 10},
	} {
		t.Run(tc.death.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.shelve("D1", 10)
			p := w.killAt(tc.death, tc.prepare, func(p *process) { tc.act(p) })
			eventually(t, "the repeated call", func() error {
				got, err := tc.act(p)
				if err != nil || got.status != http.StatusOK {
					return fmt.Errorf("%w: %s", err, got.body)
				}
				return nil
			})
			p.awaitLock("KILLED-1", tc.end)
			if s := p.live("D1"); s.GetAvailable() != tc.left {
				t.Errorf("%d are available, want %d", s.GetAvailable(), tc.left)
			}
			if tc.end == hisgatev1.Lock_LOCKED {
				verb("release")(p)
			}
			w.audit(p.api)
			if o, _ := w.sims.HIS.Books().Order("KILLED-1"); len(o.Freezes) > 1 || len(o.Orders) > 1 {
				t.Errorf("the HIS's account: %+v", o)
			}
		})
	}
}

// Deadlines and expiries that come while hisgate is dead are kept by the next
// one.
func TestTimersSurviveAKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.shelve("D1", 10)
	args := []string{"-c", w.writeConfig(), "-window", "4s"}
	p := w.run(command(t, quickName, args...))
	p.create("E2E-TIMER", "RESERVE", "D1", 3)
	p.post("/v1/locks", lockJSON("TIMER-1", "D1", 2, "2s")).lock(t)
	if s := p.live("D1"); s.GetAvailable() != 5 {
		t.Errorf("%d of 10 are available", s.GetAvailable())
	}
	p.kill()
	p = w.run(command(t, quickName, args...))
	p.awaitLock("TIMER-1", hisgatev1.Lock_RELEASED)
	p.await("E2E-TIMER", hisgatev1.Order_CLOSED)
	w.audit(p.api)
	if s := p.live("D1"); s.GetAvailable() != 10 {
		t.Errorf("after the deadlines %d of 10 are available", s.GetAvailable())
	}
}
