package simhis

import (
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// order is all that the HIS knows of one his_no.
type order struct {
	hisNo   string
	freezes []*freeze
	placed  []*placed
}

// placed is one application of PlaceOrder. A HIS that is idempotent has at most
// one for each his_no.
type placed struct {
	orderNo     string
	pharmacy    string
	lines       []hisadapter.Line
	drugsFen    int64
	at          time.Time
	canceled    bool
	partial     bool // a HIS without atomic items stopped half-way
	attributes  map[string]string
	transaction string
}

func (h *HIS) orderOf(hisNo string) *order {
	o, ok := h.orders[hisNo]
	if !ok {
		o = &order{hisNo: hisNo}
		h.orders[hisNo] = o
		h.inOrder = append(h.inOrder, o)
	}
	return o
}

// held is the newest freeze in force, or nil.
func (o *order) held() *freeze {
	for _, f := range slices.Backward(o.freezes) {
		if f.state == held {
			return f
		}
	}
	return nil
}

// standing is the newest placed order that is not cancelled, or nil.
func (o *order) standing() *placed {
	for _, p := range slices.Backward(o.placed) {
		if !p.canceled {
			return p
		}
	}
	return nil
}

func (o *order) state() hisadapter.State {
	switch {
	case o.standing() != nil:
		return hisadapter.Deducted
	case o.held() != nil:
		return hisadapter.Frozen
	case len(o.placed) > 0:
		return hisadapter.Released
	case len(o.freezes) == 0:
		return hisadapter.None
	case o.freezes[len(o.freezes)-1].state == lapsed:
		return hisadapter.Lapsed
	default:
		return hisadapter.Released
	}
}

func (h *HIS) place(now time.Time, r hisadapter.PlaceOrderRequest) reply {
	if bad := h.badNumber(r.HisNo); bad != "" {
		return no(codeBadParameter, bad)
	}
	o := h.orders[r.HisNo]
	if h.cfg.Capabilities.IdempotentByHisNo && o != nil && len(o.placed) > 0 {
		if p := o.standing(); p != nil && h.cfg.SameAnswer {
			return accepted(r.HisNo, p)
		}
		return no(codeDuplicate, "单据号重复")
	}
	if bad, ok := h.refuseLines(r.PharmacyID, r.Lines); !ok {
		return bad
	}
	f, bad, ok := h.freezeFor(o, r)
	if !ok {
		return bad
	}
	if own, known := h.drugsFen(r.Lines); known && r.DrugsFen > 0 && own != r.DrugsFen {
		return no(codeAmountMismatch, refusalMessage(hisadapter.AmountMismatch))
	}
	lines := merge(r.Lines)
	short := h.short(r.PharmacyID, r.Lines, f)
	p := &placed{
		pharmacy: r.PharmacyID, lines: lines, drugsFen: r.DrugsFen, at: now,
		attributes: r.Attributes, transaction: r.TransactionID,
	}
	if len(short) > 0 {
		refusal := reply{code: codeInsufficient, message: refusalMessage(hisadapter.Insufficient), shortages: short}
		// Without atomic items the lines before the first short one are gone.
		cut := slices.IndexFunc(lines, func(l hisadapter.Line) bool { return l.DrugID == short[0].DrugID })
		if h.cfg.Capabilities.AtomicItems || cut == 0 {
			return refusal
		}
		p.lines, p.partial = lines[:cut], true
		h.take(now, r.HisNo, p, nil)
		return refusal
	}
	h.take(now, r.HisNo, p, f)
	return accepted(r.HisNo, p)
}

// freezeFor finds the freeze that a PlaceOrder uses up; nil where none is
// needed. It refuses when a freeze was named or is demanded and is gone.
func (h *HIS) freezeFor(o *order, r hisadapter.PlaceOrderRequest) (*freeze, reply, bool) {
	gone := no(codeLapsed, refusalMessage(hisadapter.FreezeLapsed))
	wrong := no(codeWrongState, "单据状态不符")
	f, named := o.freezeFor(r.LockID)
	switch {
	case r.LockID != "" && !named:
		return nil, no(codeNotFound, "预扣单号与单据号不符"), false
	case f == nil && h.cfg.Capabilities.DeductNeedsFreeze:
		return nil, gone, false
	case f == nil:
		return nil, reply{}, true
	case f.state == lapsed && (named || h.cfg.Capabilities.DeductNeedsFreeze):
		return nil, gone, false
	case f.state == released && (h.cfg.Capabilities.IdempotentByHisNo || h.cfg.Capabilities.DeductNeedsFreeze):
		return nil, wrong, false
	case f.state == consumed && h.cfg.Capabilities.DeductNeedsFreeze:
		return nil, wrong, false
	case f.state != held:
		// A HIS that does not look at his_no takes the stock as if new.
		return nil, reply{}, true
	case f.pharmacy != r.PharmacyID || !sameQuantities(f.lines, merge(r.Lines)):
		return nil, no(codeRefused, "明细与预扣不符"), false
	}
	return f, reply{}, true
}

// freezeFor returns the freeze with that lock id and true; or, without a lock
// id, the one in force, else the last, and false.
func (o *order) freezeFor(lockID string) (*freeze, bool) {
	if o == nil || len(o.freezes) == 0 {
		return nil, false
	}
	if lockID != "" {
		i := slices.IndexFunc(o.freezes, func(f *freeze) bool { return f.lockID == lockID })
		if i < 0 {
			return nil, false
		}
		return o.freezes[i], true
	}
	if f := o.held(); f != nil {
		return f, false
	}
	return o.freezes[len(o.freezes)-1], false
}

// take applies p: the stock leaves the shelf and the freeze is used up.
func (h *HIS) take(now time.Time, hisNo string, p *placed, f *freeze) {
	if f != nil {
		h.end(now, f, consumed)
	}
	for _, l := range p.lines {
		s := h.shelves[hisadapter.Key{PharmacyID: p.pharmacy, DrugID: l.DrugID}]
		s.book.Deducted += l.Quantity
		h.move(now, s, -l.Quantity, 0)
	}
	p.orderNo = h.number("CF", now)
	o := h.orderOf(hisNo)
	o.placed = append(o.placed, p)
}

func accepted(hisNo string, p *placed) reply {
	r := yes()
	r.order = p.asOrder(hisNo)
	return r
}

func (p *placed) asOrder(hisNo string) hisadapter.HISOrder {
	return hisadapter.HISOrder{
		HisNo: hisNo, OrderNo: p.orderNo, DrugsFen: p.drugsFen, Lines: slices.Clone(p.lines), Canceled: p.canceled,
	}
}

func (h *HIS) cancel(now time.Time, hisNo, orderNo string) reply {
	o := h.orders[hisNo]
	if o == nil || len(o.placed) == 0 {
		return no(codeNotFound, "单据不存在")
	}
	p := o.standing()
	if orderNo != "" {
		i := slices.IndexFunc(o.placed, func(p *placed) bool { return p.orderNo == orderNo })
		if i < 0 {
			return no(codeNotFound, "HIS 单号与单据号不符")
		}
		p = o.placed[i]
	}
	if p == nil || p.canceled {
		if h.cfg.Capabilities.IdempotentByHisNo && h.cfg.SameAnswer {
			return yes()
		}
		return no(codeWrongState, "单据状态不符")
	}
	p.canceled = true
	for _, l := range p.lines {
		s := h.shelves[hisadapter.Key{PharmacyID: p.pharmacy, DrugID: l.DrugID}]
		s.book.Returned += l.Quantity
		h.move(now, s, l.Quantity, 0)
	}
	return yes()
}

func (h *HIS) find(hisNo string) reply {
	r := yes()
	r.found.State = hisadapter.None
	o := h.orders[hisNo]
	if o == nil {
		return r
	}
	r.found.State = o.state()
	switch r.found.State {
	case hisadapter.Deducted:
		r.found.OrderNo = o.standing().orderNo
	case hisadapter.Frozen:
		f := o.held()
		r.found.Freeze = hisadapter.Freeze{LockID: f.lockID, Expires: f.expires}
	}
	return r
}

func (h *HIS) listDay(day time.Time) reply {
	r := yes()
	want := day.In(shanghai).Format(time.DateOnly)
	for _, o := range h.inOrder {
		for _, p := range o.placed {
			if p.at.In(shanghai).Format(time.DateOnly) == want {
				r.list = append(r.list, p.asOrder(o.hisNo))
			}
		}
	}
	return r
}
