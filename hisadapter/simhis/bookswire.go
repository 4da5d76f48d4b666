package simhis

import "time"

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
	State         string           `json:"state"`
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
	State      string     `json:"state"`
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
			HisNo: o.HisNo, State: o.State.String(), Applications: o.Applications(), Cancellations: o.Cancellations(),
			Freezes: []wireFreezeBook{}, Orders: []wirePlacedBook{},
		}
		for _, f := range o.Freezes {
			e.Freezes = append(e.Freezes, wireFreezeBook{
				f.LockID, f.PharmacyID, toWireLines(f.Lines), f.At, f.Expires, f.State.String(),
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
