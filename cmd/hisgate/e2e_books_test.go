package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hisgate/hisgate/hisadapter"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// audit judges the end of a test by the ledgers of HIS, WeChat Pay and hisgate:
// nothing was sold twice, whoever paid has the drugs once or the whole money, no
// hold is left. knowingly names orders that a person refunded after the drugs
// were given out.
func (w *world) audit(a api, knowingly ...string) {
	w.t.Helper()
	// The end of a release may come after that of its order.
	eventually(w.t, "holds", func() error {
		got, err := a.try(http.MethodGet, "/v1/locks?status=PENDING&status=LOCKED&status=CONFIRMING&status=RELEASING", "")
		if err != nil {
			return err
		}
		held := &hisgatev1.ListLocksResponse{}
		got.into(w.t, held)
		var errs []error
		for _, l := range held.GetLocks() {
			errs = append(errs, fmt.Errorf("lock %s is %s", l.GetOrderNo(), l.GetStatus()))
		}
		for _, o := range w.sims.HIS.Books().Orders {
			if o.State == hisadapter.Frozen {
				errs = append(errs, fmt.Errorf("the HIS holds a freeze of %s", o.HisNo))
			}
		}
		return errors.Join(errs...)
	})
	b := books{his: w.sims.HIS.Books(), wechat: w.sims.WeChat.Ledger()}
	if err := errors.Join(b.his.Check(), b.wechat.Check()); err != nil {
		w.t.Error(err)
	}
	for _, s := range b.his.Oversold() {
		w.t.Errorf("oversold: %+v", s)
	}
	if w.cfg.Payment.Enabled {
		proof := &hisgatev1.ProofReport{}
		a.get("/v1/proof").into(w.t, proof)
		if n := len(proof.GetUnproven()); n != 0 {
			w.t.Errorf("%d orders are unproven: %v", n, proof)
		}
	}
	for _, t := range b.wechat.Trades {
		w.judge(a, b, t.OutTradeNo, slices.Contains(knowingly, t.OutTradeNo))
	}
	for _, o := range b.his.Orders {
		if n := o.Applications() - o.Cancellations(); n > 1 {
			w.t.Errorf("the HIS gave %s out %d times", o.HisNo, n)
		}
	}
}

// judge compares what the three say of one order.
func (w *world) judge(a api, b books, no string, knowingly bool) {
	w.t.Helper()
	o := a.get("/v1/orders/" + no).order(w.t)
	paid, back := b.money(no)
	given := b.given(no)
	tell := func(format string, args ...any) {
		w.t.Helper()
		w.t.Errorf("order %s (%s): %s", no, o.GetStatus(), fmt.Sprintf(format, args...))
	}
	if given > 1 {
		tell("given out %d times", given)
	}
	if back != o.GetRefundedFen() {
		tell("WeChat gave %d fen back, hisgate says %d", back, o.GetRefundedFen())
	}
	switch o.GetStatus() {
	case hisgatev1.Order_FULFILLED:
		if given != 1 || paid == 0 || back != 0 && !knowingly {
			tell("given out %d times, %d fen paid, %d back", given, paid, back)
		}
	case hisgatev1.Order_REFUNDED:
		if given != 0 && !knowingly || paid == 0 || back != paid {
			tell("given out %d times, %d fen paid, %d back", given, paid, back)
		}
	case hisgatev1.Order_CLOSED, hisgatev1.Order_REJECTED:
		if given != 0 || paid != 0 {
			tell("given out %d times, %d fen paid", given, paid)
		}
	default:
		tell("has not ended: %s", protojson.Format(o))
	}
}
