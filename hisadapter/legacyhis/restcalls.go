package legacyhis

import (
	"net/http"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

type restPage struct {
	Page  int `json:"page"`
	Pages int `json:"pages"`
	Items any `json:"items"`
}

type restStock struct {
	Drug     string `json:"drug"`
	Name     string `json:"name"`
	Unit     string `json:"unit"`
	Quantity string `json:"quantity"`
	Step     int64  `json:"step"`
	Price    string `json:"price,omitempty"` // of one smallest unit
	Active   bool   `json:"active"`
}

func (s *REST) stock(w http.ResponseWriter, r *http.Request) {
	s.call("stock")
	drugs := strings.Split(r.URL.Query().Get("drugs"), ",")
	some, number, pages, ok := page(r, s.cfg.PageSize, drugs)
	if !ok {
		s.unread(w, "page")
		return
	}
	var keys []hisadapter.Key
	for _, d := range some {
		keys = append(keys, hisadapter.Key{PharmacyID: r.PathValue("pharmacy"), DrugID: d})
	}
	readings, err := s.driver.QueryStock(r.Context(), keys)
	rows := []restStock{}
	for _, x := range readings {
		if f := x.Facts; !x.Unknown {
			rows = append(rows, restStock{
				x.Key.DrugID, f.Name, f.Unit, restQuantity(x.OnHand, f.Unit), f.Multiple, unitPrice(f), !f.Stopped,
			})
		}
	}
	s.finish(w, err, http.StatusOK, restPage{number, pages, rows})
}

type restLine struct {
	Drug     string `json:"drug"`
	Quantity string `json:"quantity"`
	Amount   string `json:"amount,omitempty"`
}

type restOrder struct {
	No        string     `json:"no,omitempty"`
	Number    string     `json:"number,omitempty"` // the HIS's own
	Pharmacy  string     `json:"pharmacy,omitempty"`
	State     string     `json:"state,omitempty"`
	Total     string     `json:"total,omitempty"`
	PaymentID string     `json:"payment_id,omitempty"`
	PaidAt    string     `json:"paid_at,omitempty"`
	Patient   string     `json:"patient,omitempty"`
	RX        string     `json:"rx,omitempty"`
	Lines     []restLine `json:"lines,omitempty"`
}

func (s *REST) place(w http.ResponseWriter, r *http.Request) {
	s.call("place")
	var q restOrder
	if err := readBody(w, r, &q); err != nil {
		s.unread(w, err.Error())
		return
	}
	var lines []hisadapter.Line
	for _, l := range q.Lines {
		n, ok := fromPacks(l.Quantity, 1)
		fen, priced := fromYuan(l.Amount)
		if !ok || !priced {
			s.unread(w, "quantity or amount of "+l.Drug)
			return
		}
		lines = append(lines, hisadapter.Line{DrugID: l.Drug, Quantity: n, LineFen: fen})
	}
	total, ok := fromYuan(q.Total)
	var paid time.Time
	var err error
	if q.PaidAt != "" {
		paid, err = time.Parse(time.RFC3339, q.PaidAt)
	}
	if !ok || err != nil {
		s.unread(w, "total or paid_at")
		return
	}
	o, err := s.driver.PlaceOrder(r.Context(), hisadapter.PlaceOrderRequest{
		HisNo: r.PathValue("no"), PharmacyID: q.Pharmacy, Lines: lines, DrugsFen: total, TransactionID: q.PaymentID, PaidAt: paid,
		Attributes: map[string]string{"patient_id": q.Patient, "rx_no": q.RX},
	})
	s.finish(w, err, http.StatusCreated, restOrder{No: o.HisNo, Number: o.OrderNo, State: "DISPENSABLE"})
}

func (s *REST) find(w http.ResponseWriter, r *http.Request) {
	s.call("find")
	f, err := s.driver.FindOrder(r.Context(), r.PathValue("no"))
	switch {
	case err == nil && f.State == hisadapter.None:
		restError(http.StatusNotFound, "ORDER_NOT_FOUND", "no such order").write(w)
	case f.State == hisadapter.Released:
		s.finish(w, err, http.StatusOK, restOrder{No: r.PathValue("no"), State: "CANCELED"})
	default:
		s.finish(w, err, http.StatusOK, restOrder{No: r.PathValue("no"), Number: f.OrderNo, State: "DISPENSABLE"})
	}
}

func (s *REST) cancel(w http.ResponseWriter, r *http.Request) {
	s.call("cancel")
	err := s.driver.CancelOrder(r.Context(), r.PathValue("no"), r.URL.Query().Get("number"))
	s.finish(w, err, http.StatusOK, restOrder{No: r.PathValue("no"), State: "CANCELED"})
}

func (s *REST) list(w http.ResponseWriter, r *http.Request) {
	s.call("list")
	day, err := time.ParseInLocation(time.DateOnly, r.URL.Query().Get("date"), shanghai)
	if err != nil {
		s.unread(w, "date")
		return
	}
	all, err := s.driver.ListOrders(r.Context(), day)
	some, number, pages, ok := page(r, s.cfg.PageSize, all)
	if !ok {
		s.unread(w, "page")
		return
	}
	rows := []restOrder{}
	for _, o := range some {
		row := restOrder{No: o.HisNo, Number: o.OrderNo, State: "DISPENSABLE", Total: yuan(o.DrugsFen)}
		if o.Canceled {
			row.State = "CANCELED"
		}
		for _, l := range o.Lines {
			row.Lines = append(row.Lines, restLine{Drug: l.DrugID, Quantity: inPacks(l.Quantity, 1, 3)})
		}
		rows = append(rows, row)
	}
	s.finish(w, err, http.StatusOK, restPage{number, pages, rows})
}
