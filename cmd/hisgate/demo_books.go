package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/payflow/wechatsim"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// result is what the ledgers of HIS, WeChat Pay and hisgate say at the end.
type result struct {
	Strategies     []tally  `json:"strategies"`
	InvariantsHold bool     `json:"invariants_hold"`
	Faults         []string `json:"faults,omitempty"`
}

// tally counts the orders of one row.
type tally struct {
	Strategy  string `json:"strategy"`
	Orders    int    `json:"orders"`    // known to hisgate
	Paid      int    `json:"paid"`      // by WeChat's books
	Fulfilled int    `json:"fulfilled"` // by the HIS's books
	Refunded  int    `json:"refunded"`  // in full, by WeChat's books
	Rejected  int    `json:"rejected"`  // turned away before paying, by hisgate
	Oversold  int64  `json:"oversold"`  // units taken beyond what the HIS had
	Unproven  int    `json:"unproven"`  // paid, and neither drugs nor money back, or both
}

// judge reads the books and compares them.
func judge(ctx context.Context, rows []*row) (*result, error) {
	r := &result{}
	hospitals := map[*hospital]*books{}
	for _, x := range rows {
		b := hospitals[x.hospital]
		if b == nil {
			b = &books{his: x.hospital.sims.HIS.Books(), wechat: x.hospital.sims.WeChat.Ledger()}
			hospitals[x.hospital] = b
			if err := b.whole(ctx, x.hospital); err != nil {
				r.Faults = append(r.Faults, err.Error())
			}
		}
		t, err := b.tally(ctx, x)
		if err != nil {
			return nil, err
		}
		r.Strategies = append(r.Strategies, t)
		if t.Oversold != 0 || t.Unproven != 0 {
			r.Faults = append(r.Faults, fmt.Sprintf("%s: %d oversold, %d unproven", t.Strategy, t.Oversold, t.Unproven))
		}
	}
	r.InvariantsHold = len(r.Faults) == 0
	return r, nil
}

// books are the two outside ledgers of one hospital.
type books struct {
	his    simhis.Books
	wechat wechatsim.Books
}

// whole checks what is not of one order: that each ledger agrees with itself,
// that hisgate's proof obligation holds, and that no hold was left behind.
func (b *books) whole(ctx context.Context, h *hospital) error {
	errs := []error{b.his.Check(), b.wechat.Check()}
	proof, err := h.ops.Proof(ctx, &hisgatev1.ProofRequest{})
	if err != nil {
		return err
	}
	if n := len(proof.GetUnproven()); n > 0 {
		errs = append(errs, fmt.Errorf("hisgate cannot prove %d paid orders", n))
	}
	// The release of a lock that ended is acknowledged after the order's last
	// state is; give it a moment.
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	for {
		open, err := h.locks.ListLocks(ctx, &hisgatev1.ListLocksRequest{Status: []hisgatev1.Lock_Status{
			hisgatev1.Lock_PENDING, hisgatev1.Lock_LOCKED, hisgatev1.Lock_CONFIRMING, hisgatev1.Lock_RELEASING,
		}})
		if status.Code(err) == codes.DeadlineExceeded {
			errs = append(errs, errors.New("a hold was never ended"))
			break
		}
		if err != nil {
			return err
		}
		if len(open.GetLocks()) == 0 {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.Join(errs...)
}

func (b *books) tally(ctx context.Context, x *row) (tally, error) {
	t := tally{Strategy: x.name}
	for _, no := range x.orders {
		o, err := x.hospital.orders.GetOrder(ctx, &hisgatev1.GetOrderRequest{OrderNo: no})
		if err != nil {
			return t, err
		}
		t.Orders++
		if o.GetStatus() == hisgatev1.Order_REJECTED {
			t.Rejected++
		}
		paid, refunded := b.money(no)
		given := b.given(no)
		if paid > 0 {
			t.Paid++
		}
		if given == 1 {
			t.Fulfilled++
		}
		if paid > 0 && refunded == paid {
			t.Refunded++
		}
		// Whoever paid has the drugs once, or the whole money, and not both;
		// whoever did not pay has neither. And hisgate says the same.
		drugs, back := given == 1, paid > 0 && refunded == paid
		agrees := drugs == (o.GetStatus() == hisgatev1.Order_FULFILLED) && back == (o.GetStatus() == hisgatev1.Order_REFUNDED)
		if given > 1 || (paid > 0) != (drugs != back) || !drugs && !back && refunded != 0 || drugs && refunded != 0 || !agrees {
			t.Unproven++
		}
	}
	for _, drug := range x.drugs {
		s, ok := b.his.Of(hisadapter.Key{PharmacyID: simhis.DemoPharmacy, DrugID: drug})
		if !ok {
			return t, fmt.Errorf("the HIS has no account of drug %s", drug)
		}
		if over := s.CounterSold + s.Deducted - s.Returned - s.Initial - s.Adjusted; over > 0 {
			t.Oversold += over
		}
	}
	return t, nil
}

// money is what WeChat took for an order and what it gave back, in fen.
func (b *books) money(no string) (paid, refunded int64) {
	if t, ok := b.wechat.Trade(no); ok && t.TransactionID != "" {
		paid = t.Total
	}
	for _, r := range b.wechat.RefundsOf(no) {
		if r.State == wechatsim.RefundSuccess {
			refunded += r.Amount
		}
	}
	return paid, refunded
}

// given is how often the HIS gave the drugs of an order out, over all attempts.
func (b *books) given(no string) int {
	n := 0
	for _, o := range b.his.Orders {
		if o.HisNo == no || strings.HasPrefix(o.HisNo, no+"-") {
			n += o.Applications() - o.Cancellations()
		}
	}
	return n
}

// write prints the table.
func (r *result) write(d *demo) {
	d.say("\nWhat the books of HIS, WeChat Pay and hisgate say:", "\nHIS、微信支付与 hisgate 三方账本：")
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "strategy\torders\tpaid\tfulfilled\trefunded\trejected\toversold\tunproven\t")
	for _, t := range r.Strategies {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", t.Strategy, t.Orders, t.Paid, t.Fulfilled, t.Refunded, t.Rejected, t.Oversold, t.Unproven)
	}
	w.Flush()
	for _, f := range r.Faults {
		fmt.Fprintln(d.out, "  !", f)
	}
	if r.InvariantsHold {
		d.say("Whoever paid has the drugs or the money back, and nothing was given out twice.", "付了钱的人都拿到了药或退款，没有一份库存给出两次。")
	}
}
