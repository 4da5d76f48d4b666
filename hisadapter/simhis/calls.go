package simhis

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// The calls own their requests: work may be done after the caller has gone.

func (h *HIS) queryStock(keys []hisadapter.Key) *call {
	c := &call{op: OpQueryStock, keys: len(keys)}
	for _, k := range keys {
		c.drugs = append(c.drugs, k.DrugID)
	}
	c.run = func(now time.Time) reply {
		if most := h.cfg.Capabilities.BatchSize; len(keys) == 0 || len(keys) > most {
			return no(codeBadParameter, fmt.Sprintf("参数错误: 一次查询 1 至 %d 种药品", most))
		}
		r := yes()
		for _, k := range keys {
			r.readings = append(r.readings, h.read(now, k))
		}
		return r
	}
	return c
}

func (h *HIS) freezeCall(r hisadapter.FreezeRequest) *call {
	r.Lines, r.Attributes = slices.Clone(r.Lines), maps.Clone(r.Attributes)
	return &call{
		op: OpFreeze, hisNo: r.HisNo, drugs: drugsOf(r.Lines),
		run: func(now time.Time) reply { return h.freeze(now, r) },
	}
}

func (h *HIS) unfreezeCall(r hisadapter.UnfreezeRequest) *call {
	r.Lines = slices.Clone(r.Lines)
	return &call{
		op: OpUnfreeze, hisNo: r.HisNo, drugs: drugsOf(r.Lines),
		run: func(now time.Time) reply { return h.unfreeze(now, r) },
	}
}

func (h *HIS) placeCall(r hisadapter.PlaceOrderRequest) *call {
	r.Lines, r.Attributes = slices.Clone(r.Lines), maps.Clone(r.Attributes)
	return &call{
		op: OpPlaceOrder, hisNo: r.HisNo, drugs: drugsOf(r.Lines),
		run: func(now time.Time) reply { return h.place(now, r) },
	}
}

func (h *HIS) findCall(hisNo string) *call {
	return &call{op: OpFindOrder, hisNo: hisNo, run: func(time.Time) reply { return h.find(hisNo) }}
}

func (h *HIS) cancelCall(hisNo, orderNo string) *call {
	return &call{
		op: OpCancelOrder, hisNo: hisNo,
		run: func(now time.Time) reply { return h.cancel(now, hisNo, orderNo) },
	}
}

func (h *HIS) listCall(day time.Time) *call {
	return &call{op: OpListOrders, run: func(time.Time) reply { return h.listDay(day) }}
}

func drugsOf(lines []hisadapter.Line) []string {
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		out = append(out, l.DrugID)
	}
	return out
}
