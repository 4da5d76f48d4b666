package simhis

import (
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

type freezeState uint8

const (
	held freezeState = iota
	consumed
	released
	lapsed
)

// freeze is stock held for one his_no.
type freeze struct {
	lockID   string
	pharmacy string
	lines    []hisadapter.Line
	at       time.Time
	expires  time.Time // zero = never
	state    freezeState
}

// end takes a freeze out of force: its stock is free again, unless the order
// that consumed it also takes it from the shelf.
func (h *HIS) end(now time.Time, f *freeze, as freezeState) {
	if f.state != held {
		return
	}
	f.state = as
	for _, l := range f.lines {
		s := h.shelves[hisadapter.Key{PharmacyID: f.pharmacy, DrugID: l.DrugID}]
		h.move(now, s, 0, -l.Quantity)
	}
}

func (h *HIS) freeze(now time.Time, r hisadapter.FreezeRequest) reply {
	if bad := h.badNumber(r.HisNo); bad != "" {
		return no(codeBadParameter, bad)
	}
	o := h.orders[r.HisNo]
	if h.cfg.Capabilities.IdempotentByHisNo && o != nil {
		switch o.state() {
		case hisadapter.Frozen:
			if h.cfg.SameAnswer {
				return frozen(o.held())
			}
			return no(codeDuplicate, "单据号重复")
		case hisadapter.Deducted, hisadapter.Released:
			return no(codeWrongState, "单据状态不符")
		}
	}
	if bad, ok := h.refuseLines(r.PharmacyID, r.Lines); !ok {
		return bad
	}
	if short := h.short(r.PharmacyID, r.Lines, nil); len(short) > 0 {
		return reply{code: codeInsufficient, message: refusalMessage(hisadapter.Insufficient), shortages: short}
	}
	f := &freeze{lockID: h.number("DJ", now), pharmacy: r.PharmacyID, lines: merge(r.Lines), at: now}
	for _, l := range f.lines {
		s := h.shelves[hisadapter.Key{PharmacyID: r.PharmacyID, DrugID: l.DrugID}]
		h.move(now, s, 0, l.Quantity)
	}
	if ttl := h.cfg.Capabilities.FreezeTTL; ttl > 0 {
		f.expires = now.Add(ttl)
		if h.cfg.HonourUntil && !r.Until.IsZero() && r.Until.Before(f.expires) {
			f.expires = r.Until
		}
		h.schedule(f.expires, func(at time.Time) { h.end(at, f, lapsed) })
	}
	o = h.orderOf(r.HisNo)
	o.freezes = append(o.freezes, f)
	return frozen(f)
}

func frozen(f *freeze) reply {
	r := yes()
	r.freeze = hisadapter.Freeze{LockID: f.lockID, Expires: f.expires}
	return r
}

func (h *HIS) unfreeze(now time.Time, r hisadapter.UnfreezeRequest) reply {
	o := h.orders[r.HisNo]
	if o == nil || len(o.freezes) == 0 {
		return no(codeNotFound, "单据不存在")
	}
	var hit bool
	last := o.freezes[len(o.freezes)-1]
	for _, f := range o.freezes {
		if r.LockID == "" || f.lockID == r.LockID {
			hit = true
			last = f
			if f.state == held {
				h.end(now, f, released)
				return yes()
			}
		}
	}
	switch {
	case !hit:
		return no(codeNotFound, "预扣单号与单据号不符")
	case last.state == lapsed:
		return no(codeLapsed, refusalMessage(hisadapter.FreezeLapsed))
	case last.state == released && h.cfg.Capabilities.IdempotentByHisNo && h.cfg.SameAnswer:
		return yes()
	default:
		return no(codeWrongState, "单据状态不符")
	}
}

// Lapse lets the freeze of his_no run out at this moment. It reports whether
// there was one in force.
func (h *HIS) Lapse(hisNo string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lapse(h.catchUp(), hisNo)
}

func (h *HIS) lapse(now time.Time, hisNo string) bool {
	o := h.orders[hisNo]
	if o == nil {
		return false
	}
	var any bool
	for _, f := range o.freezes {
		if f.state == held {
			h.end(now, f, lapsed)
			any = true
		}
	}
	return any
}
