package legacyhis

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

type pipeFunction struct {
	args int
	run  func(context.Context, []string) (pipeObject, error)
}

// functions are the operations by their names.
func (s *Pipe) functions() map[string]pipeFunction {
	return map[string]pipeFunction{
		"kc": {2, s.stock}, "dj": {4, s.freeze}, "jd": {2, s.unfreeze}, "kk": {9, s.place},
		"qx": {2, s.cancel}, "cx": {1, s.find}, "dz": {1, s.list},
	}
}

func (s *Pipe) stock(ctx context.Context, a []string) (pipeObject, error) {
	var keys []hisadapter.Key
	for d := range strings.SplitSeq(a[1], "^") {
		keys = append(keys, hisadapter.Key{PharmacyID: a[0], DrugID: d})
	}
	readings, err := s.driver.QueryStock(ctx, keys)
	var rows []pipeObject
	for _, r := range readings {
		if r.Unknown {
			continue
		}
		stopped := "0"
		if r.Facts.Stopped {
			stopped = "1"
		}
		rows = append(rows, pipeObject{}.text("ypbm", r.Key.DrugID).text("ypmc", r.Facts.Name).text("dw", r.Facts.Unit).
			with("kcsl", strconv.FormatInt(r.OnHand, 10)).with("bzsl", strconv.FormatInt(boxOf(r.Facts), 10)).with("ty", stopped))
	}
	if err == nil && len(rows) == 0 {
		return pipeEmpty(), nil
	}
	return pipeYes().list("rows", rows), err
}

// boxOf is how many smallest units the box has that goes over the counter.
func boxOf(f hisadapter.Facts) int64 { return max(f.Multiple, 1) }

// lines reads "drug,boxes^drug,boxes".
func (s *Pipe) lines(list string) ([]hisadapter.Line, bool) {
	var out []hisadapter.Line
	for entry := range strings.SplitSeq(list, "^") {
		drug, boxes, _ := strings.Cut(entry, ",")
		n, err := strconv.ParseInt(boxes, 10, 64)
		if err != nil {
			return nil, false
		}
		facts, _ := s.his.Facts(drug)
		out = append(out, hisadapter.Line{DrugID: drug, Quantity: n * boxOf(facts)})
	}
	return out, true
}

func (s *Pipe) freeze(ctx context.Context, a []string) (pipeObject, error) {
	lines, ok := s.lines(a[2])
	if !ok {
		return s.unread("明细")
	}
	f, err := s.driver.Freeze(ctx, hisadapter.FreezeRequest{
		HisNo: a[0], PharmacyID: a[1], Lines: lines, Attributes: map[string]string{"patient_id": a[3]},
	})
	return pipeYes().text("djh", f.LockID), err
}

func (s *Pipe) unfreeze(ctx context.Context, a []string) (pipeObject, error) {
	return pipeYes(), s.driver.Unfreeze(ctx, hisadapter.UnfreezeRequest{HisNo: a[0], LockID: a[1]})
}

func (s *Pipe) place(ctx context.Context, a []string) (pipeObject, error) {
	lines, ok := s.lines(a[3])
	fen, err := strconv.ParseInt(a[4], 10, 64)
	paid, moment := fromChinaTime(a[6])
	if !ok || err != nil || !moment {
		return s.unread("明细、金额或时间")
	}
	o, err := s.driver.PlaceOrder(ctx, hisadapter.PlaceOrderRequest{
		HisNo: a[0], LockID: a[1], PharmacyID: a[2], Lines: lines, DrugsFen: fen, TransactionID: a[5], PaidAt: paid,
		Attributes: map[string]string{"patient_id": a[7], "rx_no": a[8]},
	})
	return pipeYes().text("cfh", o.OrderNo), err
}

func (s *Pipe) cancel(ctx context.Context, a []string) (pipeObject, error) {
	return pipeYes(), s.driver.CancelOrder(ctx, a[0], a[1])
}

func (s *Pipe) find(ctx context.Context, a []string) (pipeObject, error) {
	f, err := s.driver.FindOrder(ctx, a[0])
	if err == nil && f.State == hisadapter.None {
		return pipeEmpty(), nil
	}
	return pipeYes().text("zt", stateWord(f.State)).text("djh", f.Freeze.LockID).text("cfh", f.OrderNo), err
}

func stateWord(s hisadapter.State) string {
	switch s {
	case hisadapter.Frozen:
		return "冻结"
	case hisadapter.Deducted:
		return "已扣"
	case hisadapter.Released:
		return "已退"
	default:
		return "失效"
	}
}

func (s *Pipe) list(ctx context.Context, a []string) (pipeObject, error) {
	day, err := time.ParseInLocation("20060102", a[0], shanghai)
	if err != nil {
		return s.unread("日期")
	}
	orders, err := s.driver.ListOrders(ctx, day)
	if err == nil && len(orders) == 0 {
		return pipeEmpty(), nil
	}
	var rows []pipeObject
	for _, o := range orders {
		canceled := "0"
		if o.Canceled {
			canceled = "1"
		}
		var items []pipeObject
		for _, l := range o.Lines {
			facts, _ := s.his.Facts(l.DrugID)
			items = append(items, pipeObject{}.text("ypbm", l.DrugID).with("hs", strconv.FormatInt(l.Quantity/boxOf(facts), 10)))
		}
		rows = append(rows, pipeObject{}.text("dh", o.HisNo).text("cfh", o.OrderNo).with("je", strconv.FormatInt(o.DrugsFen, 10)).
			with("qx", canceled).list("mx", items))
	}
	return pipeYes().list("rows", rows), err
}
