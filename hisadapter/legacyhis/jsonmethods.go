package legacyhis

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

type jsonMethod func(context.Context, []byte) (jsonAnswer, error)

// methods are the operations by their names.
func (s *JSONSign) methods() map[string]jsonMethod {
	return map[string]jsonMethod{
		"stock.query": s.stock, "stock.lock": s.lock, "stock.unlock": s.unlock,
		"order.create": s.create, "order.cancel": s.cancel, "order.get": s.get, "order.list": s.list,
	}
}

// jsonDocument is what any operation may be told.
type jsonDocument struct {
	StoreID   jsonNumber   `json:"storeId"`
	DrugIDs   []jsonNumber `json:"drugIds"`
	OutNo     string       `json:"outNo"`
	LockID    jsonNumber   `json:"lockId"`
	BillNo    string       `json:"billNo"`
	HoldUntil jsonNumber   `json:"holdUntil"`
	Items     []jsonItem   `json:"items"`
	TotalFee  json.Number  `json:"totalFee"`
	PayNo     string       `json:"payNo"`
	PayTime   jsonNumber   `json:"payTime"`
	PatientID string       `json:"patientId"`
	RxNo      string       `json:"rxNo"`
	Date      string       `json:"date"`
}

type jsonItem struct {
	DrugID jsonNumber  `json:"drugId"`
	Qty    int64       `json:"qty"` // smallest units
	Fee    json.Number `json:"fee,omitempty"`
}

type jsonStock struct {
	StoreID   jsonNumber  `json:"storeId"`
	DrugID    jsonNumber  `json:"drugId"`
	DrugName  string      `json:"drugName"`
	Unit      string      `json:"unit"`
	Qty       int64       `json:"qty"`
	PackSize  int64       `json:"packSize"`
	PackPrice json.Number `json:"packPrice,omitempty"`
	Step      int64       `json:"step"`
	Status    int         `json:"status"` // 1 on sale, 0 stopped
}

type jsonShortage struct {
	DrugID jsonNumber `json:"drugId"`
	Need   int64      `json:"need"`
	Have   int64      `json:"have"`
}

type jsonBill struct {
	OutNo    string      `json:"outNo"`
	Status   int         `json:"status,omitempty"`
	LockID   jsonNumber  `json:"lockId,omitempty"`
	ExpireAt jsonNumber  `json:"expireAt,omitempty"`
	BillNo   string      `json:"billNo,omitempty"`
	TotalFee json.Number `json:"totalFee,omitempty"`
	Canceled bool        `json:"canceled,omitempty"`
	Items    []jsonItem  `json:"items,omitempty"`
}

// jsonRefusal is a refusal in the dialect's codes.
func jsonRefusal(e *hisadapter.Error) jsonAnswer {
	a := jsonAnswer{code: jsonBadParameter, msg: e.Message}
	switch e.Outcome {
	case hisadapter.Find:
		a.code = jsonConflict
	case hisadapter.Busy:
		a.code = jsonBusy
	case hisadapter.Misconfigured:
		if strings.Contains(e.Message, "签名") {
			a.code = jsonBadSign
		}
	case hisadapter.Refused:
		a.code = map[hisadapter.Kind]string{
			hisadapter.Insufficient: "1001", hisadapter.FreezeLapsed: "1002", hisadapter.PriceChanged: "1003",
			hisadapter.AmountMismatch: "1004", hisadapter.UnknownDrug: "1005", hisadapter.Stopped: "1006",
			hisadapter.NotDivisible: "1007", hisadapter.KindOther: "1099",
		}[e.Kind]
		if len(e.Shortages) > 0 {
			var out struct {
				Shortages []jsonShortage `json:"shortages"`
			}
			for _, x := range e.Shortages {
				out.Shortages = append(out.Shortages, jsonShortage{jsonNumber(x.DrugID), x.Requested, x.Available})
			}
			a.data = out
		}
	}
	return a
}

func (s *JSONSign) stock(ctx context.Context, document []byte) (jsonAnswer, error) {
	var q jsonDocument
	if err := strictJSON(document, &q); err != nil {
		return s.unread(err)
	}
	keys := make([]hisadapter.Key, 0, len(q.DrugIDs))
	for _, id := range q.DrugIDs {
		keys = append(keys, hisadapter.Key{PharmacyID: string(q.StoreID), DrugID: string(id)})
	}
	readings, err := s.driver.QueryStock(ctx, keys)
	var out struct {
		List []jsonStock `json:"list"`
	}
	for _, r := range readings {
		if r.Unknown {
			continue
		}
		row := jsonStock{
			StoreID: q.StoreID, DrugID: jsonNumber(r.Key.DrugID), DrugName: r.Facts.Name, Unit: r.Facts.Unit, Qty: r.OnHand,
			PackSize: packOf(r.Facts), PackPrice: json.Number(r.Facts.Price), Step: r.Facts.Multiple, Status: 1,
		}
		if r.Facts.Stopped {
			row.Status = 0
		}
		out.List = append(out.List, row)
	}
	if err == nil && len(out.List) == 0 {
		return jsonAnswer{jsonNoData, "无数据", nil}, nil
	}
	return jsonYes(out), err
}

func (q jsonDocument) lines() ([]hisadapter.Line, bool) {
	var out []hisadapter.Line
	for _, i := range q.Items {
		fen, ok := fromYuan(i.Fee.String())
		if !ok {
			return nil, false
		}
		out = append(out, hisadapter.Line{DrugID: string(i.DrugID), Quantity: i.Qty, LineFen: fen})
	}
	return out, true
}

func (s *JSONSign) lock(ctx context.Context, document []byte) (jsonAnswer, error) {
	var q jsonDocument
	if err := strictJSON(document, &q); err != nil {
		return s.unread(err)
	}
	lines, ok := q.lines()
	if !ok {
		return s.unread(errUnread)
	}
	f, err := s.driver.Freeze(ctx, hisadapter.FreezeRequest{
		HisNo: q.OutNo, PharmacyID: string(q.StoreID), Lines: lines, Until: q.HoldUntil.moment(),
		Attributes: map[string]string{"patient_id": q.PatientID},
	})
	return jsonYes(jsonBill{OutNo: q.OutNo, LockID: lockNumber(f.LockID), ExpireAt: milliseconds(f.Expires)}), err
}

func (s *JSONSign) unlock(ctx context.Context, document []byte) (jsonAnswer, error) {
	var q jsonDocument
	if err := strictJSON(document, &q); err != nil {
		return s.unread(err)
	}
	return jsonYes(nil), s.driver.Unfreeze(ctx, hisadapter.UnfreezeRequest{HisNo: q.OutNo, LockID: lockOf(q.LockID)})
}

func (s *JSONSign) create(ctx context.Context, document []byte) (jsonAnswer, error) {
	var q jsonDocument
	if err := strictJSON(document, &q); err != nil {
		return s.unread(err)
	}
	lines, ok := q.lines()
	total, priced := fromYuan(q.TotalFee.String())
	if !ok || !priced {
		return s.unread(errUnread)
	}
	o, err := s.driver.PlaceOrder(ctx, hisadapter.PlaceOrderRequest{
		HisNo: q.OutNo, LockID: lockOf(q.LockID), PharmacyID: string(q.StoreID), Lines: lines, DrugsFen: total,
		TransactionID: q.PayNo, PaidAt: q.PayTime.moment(), Attributes: map[string]string{"patient_id": q.PatientID, "rx_no": q.RxNo},
	})
	return jsonYes(jsonBill{OutNo: q.OutNo, BillNo: o.OrderNo}), err
}

func (s *JSONSign) cancel(ctx context.Context, document []byte) (jsonAnswer, error) {
	var q jsonDocument
	if err := strictJSON(document, &q); err != nil {
		return s.unread(err)
	}
	return jsonYes(nil), s.driver.CancelOrder(ctx, q.OutNo, q.BillNo)
}

func (s *JSONSign) get(ctx context.Context, document []byte) (jsonAnswer, error) {
	var q jsonDocument
	if err := strictJSON(document, &q); err != nil {
		return s.unread(err)
	}
	f, err := s.driver.FindOrder(ctx, q.OutNo)
	if err == nil && f.State == hisadapter.None {
		return jsonAnswer{jsonNoData, "无数据", nil}, nil
	}
	status, _ := strconv.Atoi(statusNumber(f.State))
	return jsonYes(jsonBill{
		OutNo: q.OutNo, Status: status, LockID: lockNumber(f.Freeze.LockID), ExpireAt: milliseconds(f.Freeze.Expires), BillNo: f.OrderNo,
	}), err
}

func (s *JSONSign) list(ctx context.Context, document []byte) (jsonAnswer, error) {
	var q jsonDocument
	if err := strictJSON(document, &q); err != nil {
		return s.unread(err)
	}
	day, err := time.ParseInLocation(time.DateOnly, q.Date, shanghai)
	if err != nil {
		return s.unread(err)
	}
	orders, err := s.driver.ListOrders(ctx, day)
	if err == nil && len(orders) == 0 {
		return jsonAnswer{jsonNoData, "无数据", nil}, nil
	}
	var out struct {
		List []jsonBill `json:"list"`
	}
	for _, o := range orders {
		bill := jsonBill{OutNo: o.HisNo, BillNo: o.OrderNo, TotalFee: json.Number(yuan(o.DrugsFen)), Canceled: o.Canceled}
		for _, l := range o.Lines {
			bill.Items = append(bill.Items, jsonItem{DrugID: jsonNumber(l.DrugID), Qty: l.Quantity})
		}
		out.List = append(out.List, bill)
	}
	return jsonYes(out), err
}

// lockNumber makes the books' lock id the number that this dialect has: 16
// digits, above 2^53.
func lockNumber(id string) jsonNumber {
	digits, ok := strings.CutPrefix(id, "DJ")
	if !ok {
		return ""
	}
	return jsonNumber("90" + digits)
}

func lockOf(n jsonNumber) string {
	digits, ok := strings.CutPrefix(string(n), "90")
	if !ok {
		return string(n)
	}
	return "DJ" + digits
}

func milliseconds(t time.Time) jsonNumber {
	if t.IsZero() {
		return ""
	}
	return jsonNumber(strconv.FormatInt(t.UnixMilli(), 10))
}

func (n jsonNumber) moment() time.Time {
	ms, err := strconv.ParseInt(string(n), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
