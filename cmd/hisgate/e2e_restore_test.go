package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// fate is what becomes of an order before hisgate's disk is lost.
type fate string

const (
	openEnded    fate = "open"      // the patient may still pay
	paidFor      fate = "paid"      // and fulfilled
	calledOff    fate = "cancelled" // by the client
	soldOut      fate = "sold out"  // paid, gone at the counter, refunded by hisgate
	takenBack    fate = "returned"  // fulfilled, and refunded by an operator
	partTakenOff fate = "part"      // fulfilled, and refunded in part by an operator
	halfWay      fate = "half way"  // paid when the backup was made, and the HIS did not deduct until after it
)

// lived is one order of the test.
type lived struct {
	no, strategy string
	fate         fate
	drug         string
}

func (l *lived) path(verb string) string { return "/v1/orders/" + l.no + verb }

func (l *lived) knowingly() bool { return l.fate == takenBack || l.fate == partTakenOff }

// begin places the order, up to where its patient can pay.
func (l *lived) begin(a api) {
	a.repeat("/v1/orders", orderJSON(l.no, l.strategy, l.drug, 2))
	if l.strategy == "HOLD" {
		a.repeat(l.path(":prepay"), `{"payment":`+jsapiJSON+`}`)
	}
}

// repeat asks as a client does: the same again while the HIS is too busy.
func (a api) repeat(path, body string) {
	a.t.Helper()
	eventually(a.t, "POST "+path, func() error {
		got, err := a.try(http.MethodPost, path, body)
		if err == nil && got.status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", got.status, got.body)
		}
		return err
	})
}

// live brings the order to its fate.
func (l *lived) live(w *world, a api) {
	switch l.fate {
	case openEnded:
		return
	case halfWay:
		a.await(l.no, hisgatev1.Order_FULFILLED, hisgatev1.Order_REFUNDED)
		return
	case calledOff:
		a.post(l.path(":cancel"), `{}`)
		a.await(l.no, hisgatev1.Order_CLOSED)
		return
	}
	w.pay(l.no)
	if l.fate == soldOut {
		a.await(l.no, hisgatev1.Order_REFUNDED)
		return
	}
	a.await(l.no, hisgatev1.Order_FULFILLED)
	switch l.fate {
	case takenBack:
		a.post(l.path(":refund"), `{"reason":"退货","request_id":"R1","fulfilled":true}`).order(a.t)
		a.await(l.no, hisgatev1.Order_REFUNDED)
	case partTakenOff:
		a.post(l.path(":refund"), `{"reason":"破损","request_id":"R1","fulfilled":true,"amount_fen":"500"}`).order(a.t)
		eventually(a.t, "the refund of "+l.no, func() error {
			return want("refunded", a.get(l.path("")).order(a.t).GetRefundedFen(), 500)
		})
	}
}

// each runs f for all orders, several at a time.
func each(orders []*lived, f func(*lived)) {
	next := make(chan *lived, len(orders))
	for _, l := range orders {
		next <- l
	}
	close(next)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for l := range next {
				f(l)
			}
		})
	}
	wg.Wait()
}

// stop ends the process in order.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	<-p.ended
	if p.err != nil {
		p.t.Fatalf("it ended with %v", p.err)
	}
}

// restore puts the backup in the place of the data folder and marks it.
func (w *world) restore(backup string) {
	w.t.Helper()
	if err := os.RemoveAll(w.cfg.DataDir); err != nil {
		w.t.Fatal(err)
	}
	if err := os.CopyFS(w.cfg.DataDir, os.DirFS(backup)); err != nil {
		w.t.Fatal(err)
	}
	e, err := badgerengine.Open(w.cfg.DataDir, badgerengine.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := lockstore.MarkRestored(e, time.Now()); err != nil {
		w.t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// readiness is what /readyz says is not well.
func (p *process) readiness() (reasons string, err error) {
	got, err := http.Get(p.ops + "/readyz")
	if err != nil {
		return "", err
	}
	defer got.Body.Close()
	var h struct{ Reasons []string }
	err = json.NewDecoder(got.Body).Decode(&h)
	return strings.Join(h.Reasons, "; "), err
}

// A backup, then a hundred orders and more of every fate, then the disk is lost.
// Restored from the backup, hisgate finds out at the HIS and at WeChat Pay what
// happened since; in the end the three agree about every order that hisgate knows,
// nobody's money was taken or given back twice, and nothing was given out twice.
func TestB9RestoredFromABackupTakenBeforeAHundredOrders(t *testing.T) {
	t.Parallel()
	strategies := []string{"RESERVE", "HOLD", "VERIFY", "REFUND"}
	bothKinds(t, func(t *testing.T, freeze bool) {
		w := newWorld(t, freeze)
		w.cfg.Payment.RefundsPerHour = 1000
		w.shelve("D1", 10_000)
		w.shelve("D2", 1_000)
		w.shelve("D3", 100)
		var before, since []*lived
		add := func(to *[]*lived, kind string, i int, f fate) {
			l := &lived{no: fmt.Sprintf("E2E-%s-%03d", kind, i), strategy: strategies[i%4], fate: f, drug: "D1"}
			if f == soldOut {
				l.drug, l.strategy = "D2", strategies[2+i%2]
			}
			if f == halfWay {
				l.drug = "D3"
			}
			*to = append(*to, l)
		}
		for i := range 32 {
			add(&before, "OLD", i, []fate{openEnded, paidFor, calledOff, soldOut, takenBack, partTakenOff, openEnded, halfWay}[i/4])
		}
		for i := range 100 {
			add(&since, "NEW", i, []fate{openEnded, paidFor, calledOff, soldOut, takenBack, partTakenOff, paidFor}[i/4%7])
		}

		p := w.start()
		each(before, func(l *lived) { l.begin(p.api) })
		w.hisFault(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.BusyNow})
		for _, l := range before[28:] {
			w.pay(l.no)
		}
		eventually(t, "the HIS being asked to deduct", func() error {
			got := &hisgatev1.ListLocksResponse{}
			p.get("/v1/locks?status=CONFIRMING").into(t, got)
			return want("CONFIRMING", len(got.GetLocks()), len(before[28:]))
		})
		for _, no := range []string{"LOCK-CONFIRMED", "LOCK-RELEASED", "LOCK-HELD"} {
			p.post("/v1/locks", lockJSON(no, "D1", 1, "900s")).lock(t)
		}
		p.stop()
		backup := t.TempDir()
		if err := os.CopyFS(backup, os.DirFS(w.cfg.DataDir)); err != nil {
			t.Fatal(err)
		}

		p = w.start()
		each(since, func(l *lived) { l.begin(p.api) })
		gone := w.sell("D2", 1_000) // the counter
		w.sell("D3", 100)
		w.sims.HIS.ClearFaults()
		each(slices.Concat(before, since), func(l *lived) { l.live(w, p.api) })
		w.shelve("D2", gone) // there is enough again to give out what was refunded
		w.shelve("D3", 100)
		p.post("/v1/locks/LOCK-CONFIRMED:confirm", `{}`).lock(t)
		p.post("/v1/locks/LOCK-RELEASED:release", `{}`).lock(t)
		p.kill()
		given := len(w.sims.HIS.Books().Orders)

		w.restore(backup)
		finding := w.gate.hold(t, `/his/find_order$`, beforeIt)
		p = w.start()
		finding.wait(t)
		if why, err := p.readiness(); err != nil || !strings.Contains(why, "restored from a backup") {
			t.Errorf("readyz says %q, %v", why, err)
		}
		if r := p.recovery(); !r.GetRecovering() || r.GetLocksLeft() == 0 || r.GetRestoredTime() == nil {
			t.Errorf("the recovery shows as %v", r)
		}
		for path, body := range map[string]string{
			"/v1/orders": orderJSON("E2E-TOO-SOON", "RESERVE", "D1", 1), "/v1/locks": lockJSON("TOO-SOON", "D1", 1, "60s"),
		} {
			got := p.call(http.MethodPost, path, body)
			if r := got.failure(t).reason(); r != hisgatev1.Reason_RECOVERING.String() || got.header.Get("Retry-After") == "" {
				t.Errorf("%s in the recovery was answered %s", path, r)
			}
		}
		if s := p.get("/v1/stock/D1?pharmacy_id=HLWYF"); s.status != http.StatusOK {
			t.Errorf("stock in the recovery: %d", s.status)
		}
		w.pay(before[0].no) // whose callback comes in the middle of it
		finding.release()
		eventually(t, "the recovery", func() error {
			why, err := p.readiness()
			if err == nil && strings.Contains(why, "restored") {
				err = fmt.Errorf("readyz says %s", why)
			}
			return err
		})

		if r := p.recovery(); r.GetRecovering() || r.GetLocksLeft()+r.GetOrdersLeft() > 0 || r.GetAskFirstUntil() == nil {
			t.Errorf("after the recovery: %v", r)
		}

		// Clients who were not answered ask for every second new order again, and
		// patients pay what is still open.
		for i, l := range since {
			if i%2 == 0 {
				continue
			}
			got := p.call(http.MethodPost, "/v1/orders", orderJSON(l.no, l.strategy, l.drug, 2))
			payable := got.status == http.StatusOK && got.order(t).GetNext() == hisgatev1.Order_PAY
			if payable || got.status == http.StatusOK && slices.Contains([]fate{openEnded, calledOff}, l.fate) {
				t.Errorf("%s (%s, %s) was taken for a new order: %s", l.no, l.strategy, l.fate, got.body)
			}
		}
		unknown := map[string]bool{} // paid, and hisgate does not know the order
		for _, l := range slices.Concat(before[1:], since) {
			if l.fate == openEnded {
				if _, err := w.sims.WeChat.Pay(t.Context(), l.no); err == nil && strings.Contains(l.no, "NEW") {
					unknown[l.no] = true
				}
			}
		}
		p.post("/v1/locks/LOCK-HELD:confirm", `{}`).lock(t)
		if got := p.call(http.MethodPost, "/v1/locks/LOCK-RELEASED:confirm", `{}`); freeze && got.status == http.StatusOK {
			t.Error("a lock that was given back was confirmed")
		}
		w.agree(p.api, before, since, unknown)
		if n := len(w.sims.HIS.Books().Orders); n < given {
			t.Errorf("the HIS has %d orders, had %d", n, given)
		}
	})
}

// recovery is what hisgate tells of its recovery.
func (p *process) recovery() *hisgatev1.GuardState_Recovery {
	p.t.Helper()
	g := &hisgatev1.GuardState{}
	p.get("/v1/guard").into(p.t, g)
	return g.GetRecovery()
}

// agree judges the end by the three ledgers.
func (w *world) agree(a api, before, since []*lived, unknown map[string]bool) {
	w.t.Helper()
	byNo := map[string]*lived{}
	for _, l := range slices.Concat(before, since) {
		byNo[l.no] = l
	}
	eventually(w.t, "the end of all orders", func() error {
		for _, s := range []string{"CREATED", "LOCKED", "AWAITING_PAYMENT", "CLOSING", "PAID", "REFUNDING", "NEEDS_ATTENTION"} {
			got := &hisgatev1.ListOrdersResponse{}
			a.get("/v1/orders?status="+s).into(w.t, got)
			if n := len(got.GetOrders()); n > 0 {
				return fmt.Errorf("%d orders are %s, such as %s", n, s, got.GetOrders()[0].GetOrderNo())
			}
		}
		return nil
	})
	cases := &hisgatev1.ListCasesResponse{}
	a.get("/v1/cases?page_size=500").into(w.t, cases)
	asked := map[string]bool{}
	for _, c := range cases.GetCases() {
		asked[c.GetOrderNo()] = true
	}
	b := books{his: w.sims.HIS.Books(), wechat: w.sims.WeChat.Ledger()}
	for _, o := range b.his.Orders {
		if o.State == hisadapter.Frozen {
			w.sims.HIS.Lapse(o.HisNo) // of an order that nobody asked for again
		}
		if n := o.Applications() - o.Cancellations(); n > 1 {
			w.t.Errorf("the HIS gave %s out %d times", o.HisNo, n)
		}
	}
	for _, s := range b.his.Oversold() {
		w.t.Errorf("oversold: %+v", s)
	}
	known := 0
	for _, t := range b.wechat.Trades {
		no := t.OutTradeNo
		paid, back := b.money(no)
		if back > paid {
			w.t.Errorf("%s: %d fen paid, %d given back", no, paid, back)
		}
		switch got := a.call(http.MethodGet, "/v1/orders/"+no, ""); {
		case got.status == http.StatusOK:
			known++
			w.judge(a, b, no, byNo[no].knowingly())
		case unknown[no] && !asked[no]:
			w.t.Errorf("%s was paid, hisgate does not know it, and nobody is asked", no)
		case !unknown[no] && paid > back && b.given(no) == 0:
			w.t.Errorf("%s: %d fen paid, %d given back, no drugs", no, paid, back)
		}
	}
	if least := len(before) + len(since)/2; known < least {
		w.t.Errorf("hisgate knows %d orders, should know %d", known, least)
	}
	if proof := a.get("/v1/proof"); proof.status != http.StatusOK || !strings.Contains(string(proof.body), `"unproven_count"`) {
		w.t.Errorf("proof: %s", proof.body)
	} else {
		r := &hisgatev1.ProofReport{}
		proof.into(w.t, r)
		if r.GetUnprovenCount() != 0 {
			w.t.Errorf("unproven: %v", r)
		}
	}
}
