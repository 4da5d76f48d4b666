package legacyhis

import (
	"context"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

type soapTrade func(context.Context, soapBody) (soapAnswer, error)

// trades are the operations by their codes.
func (s *SOAP) trades() map[string]soapTrade {
	return map[string]soapTrade{
		"1001": s.stock, "2001": s.freeze, "2002": s.unfreeze, "3001": s.place, "3002": s.cancel, "4001": s.find, "4002": s.list,
	}
}

func (s *SOAP) stock(ctx context.Context, b soapBody) (soapAnswer, error) {
	keys := make([]hisadapter.Key, 0, len(b.DrugCodes))
	for _, d := range b.DrugCodes {
		keys = append(keys, hisadapter.Key{PharmacyID: b.PharmacyCode, DrugID: d})
	}
	readings, err := s.driver.QueryStock(ctx, keys)
	a := soapYes()
	for _, r := range readings {
		if !r.Unknown {
			a.Rows = append(a.Rows, soapLots(r)...)
		}
	}
	if err == nil && len(a.Rows) == 0 {
		return soapEmpty(), nil
	}
	return a, err
}

// soapLots lays a figure out in lots: two that may be sold, and one of the same
// size that is long past its date and counts for nothing.
func soapLots(r hisadapter.Reading) []soapRow {
	pack := packOf(r.Facts)
	row := soapRow{
		PharmacyCode: r.Key.PharmacyID, DrugCode: r.Key.DrugID, DrugName: r.Facts.Name, MinUnit: r.Facts.Unit, PackRatio: pack,
		PackPrice: r.Facts.Price, SellStep: r.Facts.Multiple, LotNo: "20190101-1", ExpiryDate: "20200101",
		PackQty: inPacks(max(r.OnHand, pack), pack, 4),
	}
	if r.Facts.Stopped {
		row.StopFlag = 1
	}
	expired, first, second := row, row, row
	older := r.OnHand / pack / 2 * pack
	first.LotNo, first.ExpiryDate, first.PackQty = "20260301-7", "20991130", inPacks(older, pack, 4)
	second.LotNo, second.ExpiryDate, second.PackQty = "20260801-2", "20991231", inPacks(r.OnHand-older, pack, 4)
	if r.OnHand == 0 {
		return []soapRow{expired}
	}
	return []soapRow{first, expired, second}
}

// lines reads the items of an order. A drug that the HIS does not know has no
// pack; the books will refuse it by its name.
func (s *SOAP) lines(items []soapItem) ([]hisadapter.Line, bool) {
	var out []hisadapter.Line
	for _, i := range items {
		facts, _ := s.his.Facts(i.DrugCode)
		n, ok := fromPacks(i.PackQty, packOf(facts))
		fen, priced := fromYuan(i.Amount)
		if !ok || !priced {
			return nil, false
		}
		out = append(out, hisadapter.Line{DrugID: i.DrugCode, Quantity: n, LineFen: fen})
	}
	return out, true
}

func (s *SOAP) unread(what string) (soapAnswer, error) {
	s.count(&s.n.BadRequests)
	return soapNo("参数错误: " + what), nil
}

func (s *SOAP) freeze(ctx context.Context, b soapBody) (soapAnswer, error) {
	lines, ok := s.lines(b.Items)
	if !ok {
		return s.unread("PackQty")
	}
	until, ok := fromChinaTime(b.HoldUntil)
	if !ok {
		return s.unread("HoldUntil")
	}
	f, err := s.driver.Freeze(ctx, hisadapter.FreezeRequest{
		HisNo: b.OrderNo, PharmacyID: b.PharmacyCode, Lines: lines, Until: until,
		Attributes: map[string]string{"patient_id": b.PatientID},
	})
	a := soapYes()
	a.FreezeNo, a.ExpireTime = f.LockID, chinaTime(f.Expires)
	return a, err
}

// unfreeze goes by the HIS's own number of the freeze and by nothing else.
func (s *SOAP) unfreeze(ctx context.Context, b soapBody) (soapAnswer, error) {
	if b.FreezeNo == "" {
		return soapNo("单据不存在"), nil
	}
	return soapYes(), s.driver.Unfreeze(ctx, hisadapter.UnfreezeRequest{HisNo: b.OrderNo, LockID: b.FreezeNo})
}

func (s *SOAP) place(ctx context.Context, b soapBody) (soapAnswer, error) {
	lines, ok := s.lines(b.Items)
	if !ok {
		return s.unread("PackQty")
	}
	total, ok := fromYuan(b.TotalAmount)
	if !ok {
		return s.unread("TotalAmount")
	}
	paid, ok := fromChinaTime(b.PayTime)
	if !ok {
		return s.unread("PayTime")
	}
	o, err := s.driver.PlaceOrder(ctx, hisadapter.PlaceOrderRequest{
		HisNo: b.OrderNo, LockID: b.FreezeNo, PharmacyID: b.PharmacyCode, Lines: lines, DrugsFen: total,
		TransactionID: b.PayNo, PaidAt: paid, Attributes: map[string]string{"patient_id": b.PatientID, "rx_no": b.RxNo},
	})
	a := soapYes()
	a.HisOrderNo = o.OrderNo
	return a, err
}

func (s *SOAP) cancel(ctx context.Context, b soapBody) (soapAnswer, error) {
	return soapYes(), s.driver.CancelOrder(ctx, b.OrderNo, b.HisOrderNo)
}

func (s *SOAP) find(ctx context.Context, b soapBody) (soapAnswer, error) {
	f, err := s.driver.FindOrder(ctx, b.OrderNo)
	if err == nil && f.State == hisadapter.None {
		return soapEmpty(), nil
	}
	a := soapYes()
	a.Status = statusNumber(f.State)
	a.FreezeNo, a.ExpireTime, a.HisOrderNo = f.Freeze.LockID, chinaTime(f.Freeze.Expires), f.OrderNo
	return a, err
}

// statusNumber is how HIS number the states of a document.
func statusNumber(s hisadapter.State) string {
	switch s {
	case hisadapter.Frozen:
		return "1"
	case hisadapter.Deducted:
		return "2"
	case hisadapter.Released:
		return "3"
	case hisadapter.Lapsed:
		return "4"
	default:
		return ""
	}
}

func (s *SOAP) list(ctx context.Context, b soapBody) (soapAnswer, error) {
	day, err := time.ParseInLocation("20060102", b.BillDate, shanghai)
	if err != nil {
		return s.unread("BillDate")
	}
	orders, err := s.driver.ListOrders(ctx, day)
	if err == nil && len(orders) == 0 {
		return soapEmpty(), nil
	}
	a := soapYes()
	for _, o := range orders {
		row := soapOrder{OrderNo: o.HisNo, HisOrderNo: o.OrderNo, TotalAmount: yuan(o.DrugsFen), CancelFlag: "N"}
		if o.Canceled {
			row.CancelFlag = "Y"
		}
		for _, l := range o.Lines {
			facts, _ := s.his.Facts(l.DrugID)
			row.Items = append(row.Items, soapItem{DrugCode: l.DrugID, PackQty: inPacks(l.Quantity, packOf(facts), 4)})
		}
		a.Orders = append(a.Orders, row)
	}
	return a, err
}
