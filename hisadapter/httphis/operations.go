package httphis

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hisgate/hisgate/hisadapter"
)

// QueryStock implements hisadapter.Driver. Keys of several pharmacies are asked
// for one pharmacy after the other.
func (d *Driver) QueryStock(ctx context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	if len(keys) > max(d.caps.BatchSize, 1) {
		return nil, &hisadapter.Error{
			Op: OpQueryStock.name(), Outcome: hisadapter.NotSent,
			Err: fmt.Errorf("%d drugs in one query, and the HIS takes %d", len(keys), max(d.caps.BatchSize, 1)),
		}
	}
	var pharmacies []string
	ids := map[string][]string{}
	for _, k := range keys {
		if !slices.Contains(pharmacies, k.PharmacyID) {
			pharmacies = append(pharmacies, k.PharmacyID)
		}
		if !slices.Contains(ids[k.PharmacyID], k.DrugID) {
			ids[k.PharmacyID] = append(ids[k.PharmacyID], k.DrugID)
		}
	}
	known := map[hisadapter.Key]hisadapter.Reading{}
	for _, p := range pharmacies {
		readings, err := d.queryPharmacy(ctx, p, ids[p])
		if err != nil {
			return nil, err
		}
		for _, r := range readings {
			known[r.Key] = r
		}
	}
	out := make([]hisadapter.Reading, 0, len(keys))
	for _, k := range keys {
		out = append(out, known[k])
	}
	return hisadapter.Readable(out)
}

// queryPharmacy reads drugs of one pharmacy, all pages, and remembers their
// facts.
func (d *Driver) queryPharmacy(ctx context.Context, pharmacy string, ids []string) ([]hisadapter.Reading, error) {
	c := d.m.ops[OpQueryStock][0]
	in := Input{PharmacyID: pharmacy, DrugIDs: ids}
	rows := newDrugRows(d.m, &c.ans, pharmacy, ids)
	var last *judgement
	begun := d.now()
	none, err := d.pages(ctx, c, in, func(j *judgement) error {
		last = j
		return rows.take(j)
	})
	if err != nil {
		return nil, err
	}
	if none {
		out := make([]hisadapter.Reading, 0, len(ids))
		for _, id := range ids {
			out = append(out, hisadapter.Reading{Key: hisadapter.Key{PharmacyID: pharmacy, DrugID: id}, Unknown: true})
		}
		return out, nil
	}
	out := rows.readings(last, ids)
	for _, drug := range rows.drugs {
		if drug.err == nil {
			d.facts.put(drug.reading.Key, drug.remembered(), begun)
		}
	}
	return out, nil
}

// Freeze implements hisadapter.Driver.
func (d *Driver) Freeze(ctx context.Context, r hisadapter.FreezeRequest) (hisadapter.Freeze, error) {
	if !d.caps.Freeze {
		return hisadapter.Freeze{}, hisadapter.Unsupported(OpFreeze.name())
	}
	c := d.m.ops[OpFreeze][0]
	j, err := d.perform(ctx, c, Input{HisNo: r.HisNo, PharmacyID: r.PharmacyID, Lines: r.Lines, Until: r.Until, Attributes: r.Attributes})
	if err != nil {
		return hisadapter.Freeze{}, err
	}
	f, err := j.freeze(&c.ans, r.HisNo)
	if err != nil {
		return hisadapter.Freeze{}, j.misfit(OpFreeze, err)
	}
	return f, nil
}

// freeze reads a freeze's number and end. A HIS that gives none of its own knows
// it under ours.
func (j *judgement) freeze(a *answer, hisNo string) (f hisadapter.Freeze, err error) {
	if err := j.echoes(a, hisNo); err != nil {
		return f, err
	}
	if f.LockID, err = j.optional(a, "lock_id", j.doc); err != nil {
		return hisadapter.Freeze{}, err
	}
	if f.LockID == "" {
		f.LockID = hisNo
	}
	if f.Expires, err = j.moment(a, "expires", j.doc); err != nil {
		return hisadapter.Freeze{}, err
	}
	return f, nil
}

// echoes checks that the answer is about the number that was asked for, where
// it says so.
func (j *judgement) echoes(a *answer, hisNo string) error {
	s, err := j.optional(a, "his_no", j.doc)
	if err == nil && s != "" && s != hisNo {
		err = fmt.Errorf("the answer is about %q and not %q", s, hisNo)
	}
	return err
}

// orderNo reads the HIS's order number; a HIS that gives none knows the order
// under ours.
func (j *judgement) orderNo(a *answer, hisNo string) (string, error) {
	s, err := j.optional(a, "his_order_no", j.doc)
	if s == "" {
		s = hisNo
	}
	return s, err
}

// Unfreeze implements hisadapter.Driver. Where the HIS wants its own number of
// the freeze and nobody knows it, FindOrder is asked first.
func (d *Driver) Unfreeze(ctx context.Context, r hisadapter.UnfreezeRequest) error {
	if !d.caps.Freeze {
		return hisadapter.Unsupported(OpUnfreeze.name())
	}
	c := d.m.ops[OpUnfreeze][0]
	in := Input{HisNo: r.HisNo, LockID: r.LockID, PharmacyID: r.PharmacyID, Lines: r.Lines}
	if r.LockID == "" && c.req.strict["lock_id"] && d.caps.Find {
		found, err := d.FindOrder(ctx, r.HisNo)
		if err != nil {
			return &hisadapter.Error{Op: OpUnfreeze.name(), Outcome: hisadapter.NotSent, Err: fmt.Errorf("looking for the freeze: %w", err)}
		}
		switch found.State {
		case hisadapter.Frozen:
			in.LockID = found.Freeze.LockID
		case hisadapter.Lapsed:
			return &hisadapter.Error{Op: OpUnfreeze.name(), Outcome: hisadapter.Refused, Kind: hisadapter.FreezeLapsed}
		default:
			return &hisadapter.Error{Op: OpUnfreeze.name(), Outcome: hisadapter.Find, Err: fmt.Errorf("there is no freeze to give back: %v", found.State)}
		}
	}
	j, err := d.perform(ctx, c, in)
	if err != nil {
		return err
	}
	if err := j.echoes(&c.ans, r.HisNo); err != nil {
		return j.misfit(OpUnfreeze, err)
	}
	return nil
}

// PlaceOrder implements hisadapter.Driver.
func (d *Driver) PlaceOrder(ctx context.Context, r hisadapter.PlaceOrderRequest) (hisadapter.HISOrder, error) {
	c := d.m.ops[OpPlaceOrder][0]
	in := Input{
		HisNo: r.HisNo, LockID: r.LockID, PharmacyID: r.PharmacyID, Lines: r.Lines, DrugsFen: r.DrugsFen,
		TransactionID: r.TransactionID, PaidAt: r.PaidAt, Attributes: r.Attributes,
	}
	j, err := d.perform(ctx, c, in)
	if err != nil {
		return hisadapter.HISOrder{}, err
	}
	o, err := j.order(&c.ans, in)
	if err != nil {
		return hisadapter.HISOrder{}, j.misfit(OpPlaceOrder, err)
	}
	return o, nil
}

// order reads a placed order.
func (j *judgement) order(a *answer, in Input) (hisadapter.HISOrder, error) {
	out := hisadapter.HISOrder{HisNo: in.HisNo, DrugsFen: in.DrugsFen, Lines: slices.Clone(in.Lines)}
	err := j.echoes(a, in.HisNo)
	if err == nil {
		out.OrderNo, err = j.orderNo(a, in.HisNo)
	}
	if f := a.fields["amount"]; err == nil && len(f) > 0 {
		out.DrugsFen, err = j.fen(f, j.doc)
	}
	return out, err
}

// FindOrder implements hisadapter.Driver.
func (d *Driver) FindOrder(ctx context.Context, hisNo string) (hisadapter.Found, error) {
	if !d.caps.Find {
		return hisadapter.Found{}, hisadapter.Unsupported(OpFindOrder.name())
	}
	for _, c := range d.m.ops[OpFindOrder] {
		j, err := d.perform(ctx, c, Input{HisNo: hisNo})
		if err != nil {
			return hisadapter.Found{}, err
		}
		if j.verdict.oneOf("next") {
			continue
		}
		f, err := j.found(&c.ans, hisNo)
		if err != nil {
			return hisadapter.Found{}, j.misfit(OpFindOrder, err)
		}
		return f, nil
	}
	return hisadapter.Found{}, &hisadapter.Error{
		Op: OpFindOrder.name(), Outcome: hisadapter.Unknown, Err: errors.New("no service of the HIS gave the last word"),
	}
}

func (j *judgement) found(a *answer, hisNo string) (hisadapter.Found, error) {
	state := map[string]hisadapter.State{
		"none": hisadapter.None, "frozen": hisadapter.Frozen, "deducted": hisadapter.Deducted,
		"released": hisadapter.Released, "lapsed": hisadapter.Lapsed,
	}[j.verdict.word]
	f := hisadapter.Found{State: state}
	var err error
	switch state {
	case 0:
		return f, fmt.Errorf("%s is no state", j.verdict.word)
	case hisadapter.None:
		return f, nil
	case hisadapter.Frozen:
		f.Freeze, err = j.freeze(a, hisNo)
	case hisadapter.Deducted:
		if err = j.echoes(a, hisNo); err == nil {
			f.OrderNo, err = j.orderNo(a, hisNo)
		}
	default:
		err = j.echoes(a, hisNo)
	}
	return f, err
}

// CancelOrder implements hisadapter.Driver.
func (d *Driver) CancelOrder(ctx context.Context, hisNo, hisOrderNo string) error {
	if !d.caps.Cancel {
		return hisadapter.Unsupported(OpCancelOrder.name())
	}
	c := d.m.ops[OpCancelOrder][0]
	in := Input{HisNo: hisNo, HISOrderNo: hisOrderNo}
	if hisOrderNo == "" && c.req.strict["his_order_no"] && d.caps.Find {
		found, err := d.FindOrder(ctx, hisNo)
		if err != nil {
			return &hisadapter.Error{Op: OpCancelOrder.name(), Outcome: hisadapter.NotSent, Err: fmt.Errorf("looking for the order: %w", err)}
		}
		if found.State != hisadapter.Deducted {
			return &hisadapter.Error{Op: OpCancelOrder.name(), Outcome: hisadapter.Find, Err: fmt.Errorf("there is no order to cancel: %v", found.State)}
		}
		in.HISOrderNo = found.OrderNo
	}
	j, err := d.perform(ctx, c, in)
	if err != nil {
		return err
	}
	if err := j.echoes(&c.ans, hisNo); err != nil {
		return j.misfit(OpCancelOrder, err)
	}
	return nil
}
