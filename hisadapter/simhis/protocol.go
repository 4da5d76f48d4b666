package simhis

import (
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// The wire form of the HIS's JSON protocol. Ids are strings; quantities and fen
// are JSON integers, exact beyond 2^53 because both ends read them as int64.

// maxBody bounds every body in both directions.
const maxBody = 1 << 20

type wireAnswer struct {
	Code      string         `json:"code"`
	Message   string         `json:"message"`
	Shortages []wireShortage `json:"shortages,omitempty"`
	Stock     []wireStock    `json:"stock,omitempty"`
	Freeze    *wireFreeze    `json:"freeze,omitempty"`
	Order     *wireOrder     `json:"order,omitempty"`
	Found     *wireFound     `json:"found,omitempty"`
	Orders    []wireOrder    `json:"orders,omitempty"`
}

type wireShortage struct {
	DrugID    string `json:"drug_id"`
	Requested int64  `json:"requested"`
	Available int64  `json:"available"`
}

type wireKey struct {
	PharmacyID string `json:"pharmacy_id"`
	DrugID     string `json:"drug_id"`
}

type wireLine struct {
	DrugID   string `json:"drug_id"`
	Quantity int64  `json:"quantity"`
	LineFen  int64  `json:"line_fen,omitempty"`
}

type wireFacts struct {
	Name     string `json:"name,omitempty"`
	Unit     string `json:"unit,omitempty"`
	Multiple int64  `json:"multiple,omitempty"`
	Price    string `json:"price,omitempty"`
	PricePer int64  `json:"price_per,omitempty"`
	Stopped  bool   `json:"stopped,omitempty"`
}

type wireStock struct {
	wireKey
	Unknown bool   `json:"unknown,omitempty"`
	OnHand  *int64 `json:"on_hand,omitempty"` // always there unless Unknown
	wireFacts
}

type wireFreeze struct {
	LockID  string    `json:"lock_id"`
	Expires time.Time `json:"expires,omitzero"`
}

type wireOrder struct {
	HisNo    string     `json:"his_no"`
	OrderNo  string     `json:"order_no"`
	DrugsFen int64      `json:"drugs_fen"`
	Lines    []wireLine `json:"lines"`
	Canceled bool       `json:"canceled,omitempty"`
}

type wireFound struct {
	State   string      `json:"state"`
	Freeze  *wireFreeze `json:"freeze,omitempty"`
	OrderNo string      `json:"order_no,omitempty"`
}

type wireQuery struct {
	Keys []wireKey `json:"keys"`
}

type wireFreezeRequest struct {
	HisNo      string            `json:"his_no"`
	PharmacyID string            `json:"pharmacy_id"`
	Lines      []wireLine        `json:"lines"`
	Until      time.Time         `json:"until,omitzero"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

type wireUnfreezeRequest struct {
	HisNo      string     `json:"his_no"`
	LockID     string     `json:"lock_id,omitempty"`
	PharmacyID string     `json:"pharmacy_id"`
	Lines      []wireLine `json:"lines,omitempty"`
}

type wirePlaceRequest struct {
	HisNo         string            `json:"his_no"`
	LockID        string            `json:"lock_id,omitempty"`
	PharmacyID    string            `json:"pharmacy_id"`
	Lines         []wireLine        `json:"lines"`
	DrugsFen      int64             `json:"drugs_fen"`
	TransactionID string            `json:"transaction_id,omitempty"`
	PaidAt        time.Time         `json:"paid_at,omitzero"`
	Attributes    map[string]string `json:"attributes,omitempty"`
}

type wireFindRequest struct {
	HisNo string `json:"his_no"`
}

type wireCancelRequest struct {
	HisNo   string `json:"his_no"`
	OrderNo string `json:"order_no,omitempty"`
}

type wireListRequest struct {
	Day string `json:"day"` // 2006-01-02 in the HIS's calendar
}

func toWireLines(lines []hisadapter.Line) []wireLine {
	out := make([]wireLine, 0, len(lines))
	for _, l := range lines {
		out = append(out, wireLine(l))
	}
	return out
}

func fromWireLines(lines []wireLine) []hisadapter.Line {
	out := make([]hisadapter.Line, 0, len(lines))
	for _, l := range lines {
		out = append(out, hisadapter.Line(l))
	}
	return out
}

func toWireOrder(o hisadapter.HISOrder) wireOrder {
	return wireOrder{o.HisNo, o.OrderNo, o.DrugsFen, toWireLines(o.Lines), o.Canceled}
}

func (o wireOrder) order() hisadapter.HISOrder {
	return hisadapter.HISOrder{
		HisNo: o.HisNo, OrderNo: o.OrderNo, DrugsFen: o.DrugsFen, Lines: fromWireLines(o.Lines), Canceled: o.Canceled,
	}
}

// stateNamed reads a state of the protocol; they have the port's own names.
func stateNamed(name string) (hisadapter.State, bool) {
	all := []hisadapter.State{
		hisadapter.None, hisadapter.Frozen, hisadapter.Deducted, hisadapter.Released, hisadapter.Lapsed,
	}
	i := slices.IndexFunc(all, func(s hisadapter.State) bool { return s.String() == name })
	if i < 0 {
		return 0, false
	}
	return all[i], true
}

// wire is the whole answer to a call of op.
func (r reply) wire(op Op) wireAnswer {
	w := wireAnswer{Code: r.code, Message: r.message}
	for _, s := range r.shortages {
		w.Shortages = append(w.Shortages, wireShortage(s))
	}
	if r.code != codeOK {
		return w
	}
	switch op {
	case OpQueryStock:
		for _, x := range r.readings {
			s := wireStock{wireKey: wireKey(x.Key), Unknown: x.Unknown}
			if !x.Unknown {
				s.OnHand, s.wireFacts = &x.OnHand, wireFacts(x.Facts)
			}
			w.Stock = append(w.Stock, s)
		}
	case OpFreeze:
		w.Freeze = &wireFreeze{r.freeze.LockID, r.freeze.Expires}
	case OpPlaceOrder:
		o := toWireOrder(r.order)
		w.Order = &o
	case OpFindOrder:
		w.Found = &wireFound{State: r.found.State.String(), OrderNo: r.found.OrderNo}
		if r.found.State == hisadapter.Frozen {
			w.Found.Freeze = &wireFreeze{r.found.Freeze.LockID, r.found.Freeze.Expires}
		}
	case OpListOrders:
		for _, o := range r.list {
			w.Orders = append(w.Orders, toWireOrder(o))
		}
	}
	return w
}
