package simhis

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// Books is everything that happened at the HIS, for those who check.
type Books struct {
	Stock  []StockBook // by pharmacy, then drug
	Orders []OrderBook // as they first came
}

// StockBook is the account of one shelf, in smallest dispensing units.
type StockBook struct {
	Key         hisadapter.Key
	Initial     int64 // laid in first
	Adjusted    int64 // later deliveries and counts, with sign
	CounterSold int64
	Deducted    int64 // by orders, each application counted
	Returned    int64 // by cancelled orders
	OnHand      int64
	Frozen      int64
	Lowest      int64 // the lowest that on-hand ever was
}

// OrderBook is the account of one his_no.
type OrderBook struct {
	HisNo   string
	State   hisadapter.State
	Freezes []FreezeBook
	Orders  []PlacedBook
}

// Applications is how often the his_no was deducted. More than once is a
// patient's order given out twice (I4).
func (o OrderBook) Applications() int { return len(o.Orders) }

// Cancellations is how many of the applications were taken back.
func (o OrderBook) Cancellations() int {
	var n int
	for _, p := range o.Orders {
		if p.Canceled {
			n++
		}
	}
	return n
}

// FreezeBook is one freeze. State is Frozen, Deducted (used up by an order),
// Released or Lapsed.
type FreezeBook struct {
	LockID     string
	PharmacyID string
	Lines      []hisadapter.Line
	At         time.Time
	Expires    time.Time // zero = never
	State      hisadapter.State
}

// PlacedBook is one application of PlaceOrder.
type PlacedBook struct {
	OrderNo       string
	PharmacyID    string
	Lines         []hisadapter.Line
	DrugsFen      int64
	TransactionID string
	Attributes    map[string]string
	At            time.Time
	Canceled      bool
	Partial       bool // only the lines before the first short one
}

// Books returns a copy of the books, with everything due played.
func (h *HIS) Books() Books {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.catchUp()
	var b Books
	for _, s := range h.shelves {
		e := s.book
		e.OnHand, e.Frozen = s.onHand, s.frozen
		b.Stock = append(b.Stock, e)
	}
	slices.SortFunc(b.Stock, func(x, y StockBook) int {
		return cmp.Or(cmp.Compare(x.Key.PharmacyID, y.Key.PharmacyID), cmp.Compare(x.Key.DrugID, y.Key.DrugID))
	})
	for _, o := range h.inOrder {
		b.Orders = append(b.Orders, o.book())
	}
	return b
}

func (o *order) book() OrderBook {
	e := OrderBook{HisNo: o.hisNo, State: o.state()}
	for _, f := range o.freezes {
		e.Freezes = append(e.Freezes, FreezeBook{
			LockID: f.lockID, PharmacyID: f.pharmacy, Lines: slices.Clone(f.lines), At: f.at, Expires: f.expires,
			State: [...]hisadapter.State{
				held: hisadapter.Frozen, consumed: hisadapter.Deducted, released: hisadapter.Released, lapsed: hisadapter.Lapsed,
			}[f.state],
		})
	}
	for _, p := range o.placed {
		e.Orders = append(e.Orders, PlacedBook{
			OrderNo: p.orderNo, PharmacyID: p.pharmacy, Lines: slices.Clone(p.lines), DrugsFen: p.drugsFen,
			TransactionID: p.transaction, Attributes: p.attributes, At: p.at, Canceled: p.canceled, Partial: p.partial,
		})
	}
	return e
}

// Order returns the account of one his_no.
func (b Books) Order(hisNo string) (OrderBook, bool) {
	i := slices.IndexFunc(b.Orders, func(o OrderBook) bool { return o.HisNo == hisNo })
	if i < 0 {
		return OrderBook{}, false
	}
	return b.Orders[i], true
}

// Of returns the account of one shelf.
func (b Books) Of(key hisadapter.Key) (StockBook, bool) {
	i := slices.IndexFunc(b.Stock, func(s StockBook) bool { return s.Key == key })
	if i < 0 {
		return StockBook{}, false
	}
	return b.Stock[i], true
}

// Oversold lists the shelves of which more was taken than there was (I1).
func (b Books) Oversold() []StockBook {
	var out []StockBook
	for _, s := range b.Stock {
		if s.Lowest < 0 {
			out = append(out, s)
		}
	}
	return out
}

// Check proves that the books agree with themselves: each shelf's movements add
// up to what lies on it, and the orders add up to what was deducted. It returns
// all differences.
func (b Books) Check() error {
	deducted := make(map[hisadapter.Key]int64)
	returned := make(map[hisadapter.Key]int64)
	frozen := make(map[hisadapter.Key]int64)
	for _, o := range b.Orders {
		for _, p := range o.Orders {
			for _, l := range p.Lines {
				k := hisadapter.Key{PharmacyID: p.PharmacyID, DrugID: l.DrugID}
				deducted[k] += l.Quantity
				if p.Canceled {
					returned[k] += l.Quantity
				}
			}
		}
		for _, f := range o.Freezes {
			for _, l := range f.Lines {
				if f.State == hisadapter.Frozen {
					frozen[hisadapter.Key{PharmacyID: f.PharmacyID, DrugID: l.DrugID}] += l.Quantity
				}
			}
		}
	}
	var errs []error
	for _, s := range b.Stock {
		if sum := s.Initial + s.Adjusted - s.CounterSold - s.Deducted + s.Returned; sum != s.OnHand {
			errs = append(errs, fmt.Errorf("%v: movements add up to %d, on hand %d", s.Key, sum, s.OnHand))
		}
		if s.Deducted != deducted[s.Key] || s.Returned != returned[s.Key] || s.Frozen != frozen[s.Key] {
			errs = append(errs, fmt.Errorf("%v: deducted %d, returned %d, frozen %d; the orders say %d, %d, %d",
				s.Key, s.Deducted, s.Returned, s.Frozen, deducted[s.Key], returned[s.Key], frozen[s.Key]))
		}
	}
	return errors.Join(errs...)
}
