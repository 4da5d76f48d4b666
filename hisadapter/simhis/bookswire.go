package simhis

import (
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// The wire form of the books.

type wireBooks struct {
	Stock  []wireStockBook `json:"stock"`
	Orders []wireOrderBook `json:"orders"`
}

type wireStockBook struct {
	wireKey
	Initial     int64 `json:"initial"`
	Adjusted    int64 `json:"adjusted"`
	CounterSold int64 `json:"counter_sold"`
	Deducted    int64 `json:"deducted"`
	Returned    int64 `json:"returned"`
	OnHand      int64 `json:"on_hand"`
	Frozen      int64 `json:"frozen"`
	Lowest      int64 `json:"lowest"`
}

type wireOrderBook struct {
	HisNo         string           `json:"his_no"`
	State         stateName        `json:"state"`
	Applications  int              `json:"applications"`
	Cancellations int              `json:"cancellations"`
	Freezes       []wireFreezeBook `json:"freezes"`
	Orders        []wirePlacedBook `json:"orders"`
}

type wireFreezeBook struct {
	LockID     string     `json:"lock_id"`
	PharmacyID string     `json:"pharmacy_id"`
	Lines      []wireLine `json:"lines"`
	At         time.Time  `json:"at"`
	Expires    time.Time  `json:"expires,omitzero"`
	State      stateName  `json:"state"`
}

type wirePlacedBook struct {
	OrderNo       string            `json:"order_no"`
	PharmacyID    string            `json:"pharmacy_id"`
	Lines         []wireLine        `json:"lines"`
	DrugsFen      int64             `json:"drugs_fen"`
	TransactionID string            `json:"transaction_id,omitempty"`
	Attributes    map[string]string `json:"attributes,omitempty"`
	At            time.Time         `json:"at"`
	Canceled      bool              `json:"canceled"`
	Partial       bool              `json:"partial,omitempty"`
}

func (b Books) wire() wireBooks {
	w := wireBooks{Stock: []wireStockBook{}, Orders: []wireOrderBook{}}
	for _, s := range b.Stock {
		w.Stock = append(w.Stock, wireStockBook{
			wireKey(s.Key), s.Initial, s.Adjusted, s.CounterSold, s.Deducted, s.Returned, s.OnHand, s.Frozen, s.Lowest,
		})
	}
	for _, o := range b.Orders {
		e := wireOrderBook{
			HisNo: o.HisNo, State: stateName(o.State), Applications: o.Applications(), Cancellations: o.Cancellations(),
			Freezes: []wireFreezeBook{}, Orders: []wirePlacedBook{},
		}
		for _, f := range o.Freezes {
			e.Freezes = append(e.Freezes, wireFreezeBook{
				f.LockID, f.PharmacyID, toWireLines(f.Lines), f.At, f.Expires, stateName(f.State),
			})
		}
		for _, p := range o.Orders {
			e.Orders = append(e.Orders, wirePlacedBook{
				p.OrderNo, p.PharmacyID, toWireLines(p.Lines), p.DrugsFen, p.TransactionID, p.Attributes, p.At, p.Canceled, p.Partial,
			})
		}
		w.Orders = append(w.Orders, e)
	}
	return w
}

func (w wireBooks) books() Books {
	var b Books
	for _, s := range w.Stock {
		b.Stock = append(b.Stock, StockBook{
			hisadapter.Key(s.wireKey), s.Initial, s.Adjusted, s.CounterSold, s.Deducted, s.Returned, s.OnHand, s.Frozen, s.Lowest,
		})
	}
	for _, o := range w.Orders {
		e := OrderBook{HisNo: o.HisNo, State: hisadapter.State(o.State)}
		for _, f := range o.Freezes {
			e.Freezes = append(e.Freezes, FreezeBook{
				f.LockID, f.PharmacyID, fromWireLines(f.Lines), f.At, f.Expires, hisadapter.State(f.State),
			})
		}
		for _, p := range o.Orders {
			e.Orders = append(e.Orders, PlacedBook{
				p.OrderNo, p.PharmacyID, fromWireLines(p.Lines), p.DrugsFen, p.TransactionID, p.Attributes, p.At, p.Canceled, p.Partial,
			})
		}
		b.Orders = append(b.Orders, e)
	}
	return b
}
