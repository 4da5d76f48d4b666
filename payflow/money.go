package payflow

import (
	"fmt"

	"github.com/hisgate/hisgate/internal/money"
)

// addFen adds amounts that are not negative. ok is false beyond int64.
func addFen(a, b int64) (sum int64, ok bool) {
	sum = a + b
	return sum, sum >= a && sum >= b
}

// hisPrices is what the HIS asks for the items, in fen by item; -1 where it told
// no usable price. sum is -1 unless every line is known.
func hisPrices(items []Item, lines map[string]StockLine) (fen []int64, sum int64) {
	fen = make([]int64, len(items))
	for i, it := range items {
		fen[i] = -1
		if l, ok := lines[it.DrugID]; ok && l.Checked && l.Price != "" {
			if f, err := money.LineFen(l.Price, l.PricePer, it.Quantity); err == nil {
				fen[i] = f
			}
		}
	}
	for _, f := range fen {
		var ok bool
		if f < 0 {
			return fen, -1
		}
		if sum, ok = addFen(sum, f); !ok {
			return fen, -1
		}
	}
	return fen, sum
}

// comparePrices names what the HIS contradicts: where both figures exist they
// must agree [E2].
func comparePrices(o *Order, lines map[string]StockLine) []PriceGap {
	fen, sum := hisPrices(o.Items, lines)
	var gaps []PriceGap
	for i, it := range o.Items {
		if it.LineFen > 0 && fen[i] >= 0 && fen[i] != it.LineFen {
			gaps = append(gaps, PriceGap{DrugID: it.DrugID, GivenFen: it.LineFen, HisFen: fen[i]})
		}
	}
	if len(gaps) == 0 && sum >= 0 && sum != o.Amount.DrugsFen {
		gaps = append(gaps, PriceGap{GivenFen: o.Amount.DrugsFen, HisFen: sum})
	}
	return gaps
}

// price fills in or compares an order's amounts. A rejection says why it cannot
// be priced.
func (u *unit) price(lines map[string]StockLine) *Rejection {
	o := u.o
	fen, sum := hisPrices(o.Items, lines)
	if o.Given {
		if gaps := comparePrices(o, lines); len(gaps) > 0 {
			return &Rejection{Reason: rejectedForPrice, Prices: gaps}
		}
	} else {
		if sum < 0 {
			return &Rejection{Reason: ReasonPriceUnknown}
		}
		total, fits := addFen(sum, o.Amount.OtherFen)
		if !fits {
			return &Rejection{Reason: ReasonAmountRange, Detail: "drugs and fees sum up to too much"}
		}
		o.Amount.DrugsFen, o.Amount.TotalFen = sum, total
	}
	if sum >= 0 {
		for i := range o.Items {
			o.Items[i].LineFen = fen[i]
		}
	}
	if o.Amount.TotalFen < 1 || o.Amount.TotalFen > u.s.set.MaxTotalFen {
		return &Rejection{
			Reason: ReasonAmountRange,
			Detail: fmt.Sprintf("%d fen, possible are 1 to %d", o.Amount.TotalFen, u.s.set.MaxTotalFen),
		}
	}
	o.Priced = true
	return nil
}
