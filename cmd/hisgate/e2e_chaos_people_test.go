//go:build chaos

package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hisgate/hisgate/hisadapter"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// atOnce bounds how many clients are there at a time.
const atOnce = 40

// arrive lets clients come, about seven a second while the machine can bear it.
func (c *chaos) arrive(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	places := make(chan struct{}, atOnce)
	for i := 0; ; i++ {
		select {
		case <-time.After(c.between(0, 300*time.Millisecond)):
		case <-ctx.Done():
			return
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		all.Go(func() {
			defer func() { <-places }()
			if c.chance(0.15) {
				c.lockService(ctx, fmt.Sprintf("CHAOS-LOCK-%d", i))
			} else {
				c.order(ctx, fmt.Sprintf("CHAOS-%06d", i))
			}
		})
	}
}

// ask repeats a call until hisgate says something definite, or the client loses
// patience; then the reason is empty, as it is with an order.
func (c *chaos) ask(ctx context.Context, method, path, body string) (*hisgatev1.Order, string) {
	ctx, cancel := context.WithTimeout(ctx, 6*c.unit)
	defer cancel()
	for {
		got, err := c.now.Load().try(method, path, body)
		switch {
		case err != nil, got.status == http.StatusServiceUnavailable, got.status == http.StatusTooManyRequests, got.status == http.StatusGatewayTimeout:
			c.add("calls repeated")
		case got.status == http.StatusOK:
			o := &hisgatev1.Order{}
			if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(got.body, o); err != nil {
				c.t.Errorf("%s %s: %v", method, path, err)
			}
			return o, ""
		case got.status >= 500:
			c.t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
			return nil, "INTERNAL"
		default:
			return nil, got.failure(c.t).reason()
		}
		if !c.rest(ctx, 0.05, 0.3) {
			return nil, ""
		}
	}
}

// order is a patient with one order.
func (c *chaos) order(ctx context.Context, no string) {
	c.mu.Lock()
	c.orders = append(c.orders, no)
	c.mu.Unlock()
	c.badCallbacks(no)
	strategy := []string{"RESERVE", "RESERVE", "HOLD", "VERIFY", "REFUND"}[c.dice(5)]
	drug, path := []string{"D1", "D1", "D2"}[c.dice(3)], "/v1/orders/"+no
	o, reason := c.ask(ctx, http.MethodPost, "/v1/orders", orderJSON(no, strategy, drug, 1+c.dice(3)))
	if o != nil && strategy == "HOLD" {
		c.rest(ctx, 0, 1)
		o, reason = c.ask(ctx, http.MethodPost, path+":prepay", `{"payment":`+jsapiJSON+`}`)
	}
	if o == nil {
		c.add("turned away: " + reason)
		return
	}
	// What WeChat may never have heard of, and is given up, keeps its stock for
	// another 5 minutes: the short version has no time for that.
	for !c.prepays && o.GetNext() == hisgatev1.Order_WAIT && c.rest(ctx, 0.1, 0.3) {
		if o, _ = c.ask(ctx, http.MethodGet, path, ""); o == nil {
			return
		}
	}
	switch does := c.dice(20); {
	case does < 11: // pays soon
		c.rest(ctx, 0, 3)
		c.pays(ctx, no, path)
	case does < 13: // pays at the last moment
		wait, cancel := context.WithDeadline(ctx, o.GetPayDeadline().AsTime().Add(c.between(-2*time.Second, time.Second)))
		<-wait.Done()
		cancel()
		c.pays(ctx, no, path)
		c.add("pay at the deadline")
	case does < 15: // goes away without a word
		c.add("never pay")
	case does < 17:
		c.rest(ctx, 0, 2)
		c.ask(ctx, http.MethodPost, path+":cancel", `{}`)
		c.add("cancel")
	default: // both at once
		var both sync.WaitGroup
		both.Go(func() { c.pays(ctx, no, path) })
		both.Go(func() { c.rest(ctx, 0, 0.5); c.ask(ctx, http.MethodPost, path+":cancel", `{}`) })
		both.Wait()
		c.add("pay and cancel at once")
	}
	if c.chance(0.5) {
		for range 1 + c.dice(5) {
			c.ask(ctx, http.MethodPost, path+":sync", `{}`)
			c.rest(ctx, 0, 0.5)
		}
	}
	if c.chance(0.06) {
		c.regret(ctx, no, path)
	}
}

// pays tries until WeChat takes the money, or never will.
func (c *chaos) pays(ctx context.Context, no, path string) {
	for range 20 {
		if _, err := c.sims.WeChat.Pay(c.t.Context(), no); err == nil {
			return
		}
		if o, _ := c.ask(ctx, http.MethodGet, path, ""); o == nil || o.GetNext() != hisgatev1.Order_PAY && o.GetNext() != hisgatev1.Order_WAIT {
			return
		}
		if !c.rest(ctx, 0.05, 0.3) {
			return
		}
	}
}

// regret is an operator who gives back money, all or a part, of whatever became
// of the order; the drugs may be in the patient's hands.
func (c *chaos) regret(ctx context.Context, no, path string) {
	if !c.rest(ctx, 0.5, 2) {
		return
	}
	o, _ := c.ask(ctx, http.MethodGet, path, "")
	if o.GetStatus() != hisgatev1.Order_FULFILLED {
		return
	}
	more := []string{`,"cancel_his_order":true`, ``, `,"amount_fen":"1"`}[c.dice(3)]
	c.mu.Lock()
	c.knowingly[no] = true
	c.mu.Unlock()
	c.ask(ctx, http.MethodPost, path+":refund", `{"reason":"患者退药","request_id":"R-`+no+`","fulfilled":true`+more+`}`)
	c.add("operators refund a fulfilled order")
}

// lockService is an internal service that holds stock, and confirms, releases or
// forgets it.
func (c *chaos) lockService(ctx context.Context, no string) {
	c.mu.Lock()
	c.locks = append(c.locks, no)
	c.mu.Unlock()
	c.add("locks of internal services")
	ttl := fmt.Sprintf("%ds", 2+c.dice(30))
	_, reason := c.ask(ctx, http.MethodPost, "/v1/locks", lockJSON(no, []string{"D1", "D2"}[c.dice(2)], 1+c.dice(3), ttl))
	if reason != "" {
		return
	}
	c.rest(ctx, 0, 1)
	if verb := []string{"confirm", "release", ""}[c.dice(3)]; verb != "" {
		c.ask(ctx, http.MethodPost, "/v1/locks/"+no+":"+verb, `{}`)
	}
}

// operate is somebody who looks at the cases now and then.
func (c *chaos) operate(ctx context.Context) {
	for c.rest(ctx, 2, 4) {
		c.workCases()
	}
}

func (c *chaos) openCases() []*hisgatev1.Case {
	got, err := c.now.Load().try(http.MethodGet, "/v1/cases?page_size=500", "")
	if err != nil || got.status != http.StatusOK {
		return []*hisgatev1.Case{{CaseId: fmt.Sprintf("the list of cases: %v %s", err, got.body)}}
	}
	all := &hisgatev1.ListCasesResponse{}
	got.into(c.t, all)
	return all.GetCases()
}

// workCases does one thing with each open case, truthfully: what is said of the
// HIS is what its books say.
func (c *chaos) workCases() {
	for _, k := range c.openCases() {
		var verb, more string
		may := map[hisgatev1.Case_Verb]bool{}
		for _, v := range k.GetAllowedVerbs() {
			may[v] = true
		}
		switch {
		case may[hisgatev1.Case_RESOLVE_LOCK]:
			if more = c.lookAtHIS(k); more == "" {
				continue
			}
			verb = "resolveLock"
		case may[hisgatev1.Case_RETRY_FULFILMENT] && c.chance(0.5):
			verb = "retryFulfilment"
		case may[hisgatev1.Case_REFUND] && c.chance(0.2): // most things come right by themselves
			verb, more = "refund", `,"reason":"缺货退款"`
		case may[hisgatev1.Case_RECHECK]:
			verb = "recheck"
		case may[hisgatev1.Case_SETTLE]:
			verb, more = "settle", `,"note":"已核实"`
		default:
			continue
		}
		body := fmt.Sprintf(`{"etag":%q,"request_id":"%s-%s"%s}`, k.GetEtag(), verb, k.GetEtag(), more)
		got, err := c.now.Load().try(http.MethodPost, "/v1/cases/"+k.GetCaseId()+":"+verb, body)
		if err == nil && got.status == http.StatusOK {
			c.add("cases: " + k.GetReason() + ", " + verb)
		}
	}
}

// lookAtHIS is what a person finds who looks for the number of a lock's case; ""
// when there is nothing that they may say yet.
func (c *chaos) lookAtHIS(k *hisgatev1.Case) string {
	hisNo, attempt, _ := strings.Cut(strings.TrimPrefix(k.GetCaseId(), "lock:"), ":")
	if attempt != "1" {
		hisNo += "-" + attempt
	}
	is := func(s hisgatev1.Lock_Status) bool { return strings.Contains(k.GetDetail(), "lock "+s.String()) }
	b, _ := c.sims.HIS.Books().Order(hisNo)
	switch b.State {
	case hisadapter.Deducted:
		if !is(hisgatev1.Lock_CONFIRMING) {
			return ""
		}
		return fmt.Sprintf(`,"outcome":"APPLIED","his_order_no":%q`, b.Orders[len(b.Orders)-1].OrderNo)
	case hisadapter.Frozen:
		if is(hisgatev1.Lock_PENDING) {
			return `,"outcome":"APPLIED"`
		}
	}
	return `,"outcome":"NOT_APPLIED"`
}
