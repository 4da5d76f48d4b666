//go:build chaos

package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// judgeBooks compares the books: of each order and lock, and in sum, to the fen.
func (c *chaos) judgeBooks() {
	a := c.now.Load().api
	c.audit(a, slices.Collect(maps.Keys(c.knowingly))...)
	report := &hisgatev1.LedgerReport{}
	a.get("/v1/ledger:verify").into(c.t, report)
	if report.GetFindingCount() != 0 {
		c.t.Errorf("the folder: %v", report)
	}
	b := books{his: c.sims.HIS.Books(), wechat: c.sims.WeChat.Ledger()}
	var took, back int64
	for _, t := range b.wechat.Trades {
		in, out := b.money(t.OutTradeNo)
		took, back = took+in, back+out
	}
	var kept, drugs int64 // what hisgate says the hospital has, and of that for drugs
	known := map[string]bool{}
	for _, no := range c.orders {
		got := a.call(http.MethodGet, "/v1/orders/"+no, "")
		if got.status == http.StatusNotFound {
			c.add("orders that never arrived")
			continue
		}
		known[no] = true
		o := got.order(c.t)
		c.add("orders")
		c.add("orders " + o.GetStatus().String())
		c.judge(a, b, no, c.knowingly[no])
		switch o.GetStatus() {
		case hisgatev1.Order_FULFILLED:
			kept, drugs = kept+o.GetAmount().GetTotalFen()-o.GetRefundedFen(), drugs+o.GetAmount().GetDrugsFen()
		case hisgatev1.Order_REFUNDED:
			if b.given(no) == 1 {
				drugs += o.GetAmount().GetDrugsFen() // refunded knowingly
			}
		}
	}
	if took-back != kept {
		c.t.Errorf("WeChat Pay has %d fen of ours, hisgate says %d", took-back, kept)
	}
	confirmed := map[string]bool{}
	for _, no := range c.locks {
		got := a.call(http.MethodGet, "/v1/locks/"+no, "")
		if got.status == http.StatusNotFound {
			continue
		}
		l := got.lock(c.t)
		c.add("locks " + l.GetStatus().String())
		confirmed[no] = l.GetStatus() == hisgatev1.Lock_CONFIRMED
		if given := b.given(no); (given == 1) != confirmed[no] || given > 1 {
			c.t.Errorf("lock %s is %s, and the HIS gave it out %d times", no, l.GetStatus(), given)
		}
	}
	var his int64
	for _, o := range b.his.Orders {
		for _, p := range o.Orders {
			if p.Canceled {
				continue
			}
			no, _, _ := strings.Cut(strings.TrimPrefix(o.HisNo, "CHAOS-LOCK-"), "-")
			switch {
			case confirmed["CHAOS-LOCK-"+no]:
			case known[o.HisNo[:min(len(o.HisNo), len("CHAOS-000000"))]]:
				his += p.DrugsFen
			default:
				c.t.Errorf("the HIS gave out %s, which nobody has", o.HisNo)
			}
		}
	}
	if his != drugs {
		c.t.Errorf("the HIS has given out drugs for %d fen, hisgate says %d", his, drugs)
	}
	c.addN("fen that WeChat Pay took", int(took))
	c.addN("fen that went back", int(back))
	c.addN("fen of drugs that the HIS gave out", int(his))
	for _, n := range b.wechat.Notices {
		if !n.Delivered {
			c.add("callbacks never delivered")
		}
	}
}

// print tells what happened.
func (c *chaos) print(seed uint64, freeze bool, lasts time.Duration) {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, k := range slices.SortedFunc(maps.Keys(c.count), func(x, y string) int { return cmp.Compare(x, y) }) {
		fmt.Fprintf(w, "%s\t%d\n", k, c.count[k])
	}
	w.Flush()
	c.t.Logf("%s before a HIS, freeze %t, HISGATE_TEST_SEED=%d:\n%s", lasts, freeze, seed, out.String())
}
