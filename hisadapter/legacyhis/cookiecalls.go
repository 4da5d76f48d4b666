package legacyhis

import (
	"context"
	"encoding/xml"
	"strconv"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// cookieParam is what any method may be told.
type cookieParam struct {
	XMLName  xml.Name       `xml:"P"`
	User     string         `xml:"User"`
	Password string         `xml:"Password"` // SHA-256 in lower hex
	Store    string         `xml:"Store"`
	IDs      []string       `xml:"Id"`
	No       string         `xml:"No"`
	Lock     string         `xml:"Lock"`
	Bill     string         `xml:"Bill"`
	Until    string         `xml:"Until"` // ms
	Patient  string         `xml:"Patient"`
	Rx       string         `xml:"Rx"`
	Fen      string         `xml:"Fen"`
	Pay      string         `xml:"Pay"`
	PaidAt   string         `xml:"PaidAt"` // ms
	Day      string         `xml:"Day"`    // 2026年11月22日
	Page     string         `xml:"Page"`
	Lines    []cookieDetail `xml:"L"`
}

type cookieDetail struct {
	ID  string `xml:"Id,attr"`
	Qty string `xml:"Qty,attr"` // boxes, up to 3 decimals
}

// cookieRow is one element of an answer, its attributes in the order given.
func cookieRow(name string, inner string, attributes ...string) string {
	var b strings.Builder
	b.WriteString("<" + name)
	for i := 0; i+1 < len(attributes); i += 2 {
		b.WriteString(" " + attributes[i] + `="`)
		xml.EscapeText(&b, []byte(attributes[i+1]))
		b.WriteString(`"`)
	}
	return b.String() + ">" + inner + "</" + name + ">"
}

func (s *Cookie) methods() map[string]func(context.Context, cookieParam) (cookieAnswer, error) {
	return map[string]func(context.Context, cookieParam) (cookieAnswer, error){
		"GetStock": s.stock, "Occupy": s.freeze, "Free": s.unfreeze, "Settle": s.place, "Trace": s.find, "Void": s.cancel, "Daily": s.list,
	}
}

func (s *Cookie) pharmacy(store string) string {
	if store == s.cfg.Store {
		return s.cfg.Pharmacy
	}
	return "?" + store
}

func (s *Cookie) stock(ctx context.Context, q cookieParam) (cookieAnswer, error) {
	var keys []hisadapter.Key
	for _, id := range q.IDs {
		keys = append(keys, hisadapter.Key{PharmacyID: s.pharmacy(q.Store), DrugID: id})
	}
	readings, err := s.driver.QueryStock(ctx, keys)
	rows := ""
	for _, r := range readings {
		if r.Unknown {
			continue
		}
		state, pack := "在用", packOf(r.Facts)
		if r.Facts.Stopped {
			state = "停用"
		}
		for _, lot := range []struct {
			store, expires string
			n              int64
		}{{s.cfg.Store, "209911", r.OnHand}, {"99", "209911", 7 * pack}, {s.cfg.Store, "202001", 5 * pack}} {
			rows += cookieRow("Row", "", "Store", lot.store, "Id", r.Key.DrugID, "Name", r.Facts.Name, "Unit", r.Facts.Unit,
				"Box", strconv.FormatInt(lot.n/pack, 10), "Loose", strconv.FormatInt(lot.n%pack, 10), "BoxSize", strconv.FormatInt(pack, 10),
				"Step", strconv.FormatInt(r.Facts.Multiple, 10), "BoxPrice", r.Facts.Price, "Expire", lot.expires, "State", state)
		}
	}
	if err == nil && rows == "" {
		return cookieAnswer{cookieNone, "无数据", "<R/>"}, nil
	}
	return cookieAnswer{cookieRead, "", "<R>" + rows + "</R>"}, err
}

// lines reads boxes as smallest units.
func (s *Cookie) lines(q cookieParam) ([]hisadapter.Line, bool) {
	var out []hisadapter.Line
	for _, l := range q.Lines {
		facts, _ := s.his.Facts(l.ID)
		n, ok := fromPacks(l.Qty, packOf(facts))
		if !ok {
			return nil, false
		}
		out = append(out, hisadapter.Line{DrugID: l.ID, Quantity: n})
	}
	return out, len(out) > 0
}

// cookieTime reads milliseconds; "" is a time that was not told.
func cookieTime(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return time.UnixMilli(n), err == nil && len(s) == 13
}

func cookieUntil(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

func (s *Cookie) freeze(ctx context.Context, q cookieParam) (cookieAnswer, error) {
	lines, ok := s.lines(q)
	until, moment := cookieTime(q.Until)
	if !ok || !moment {
		return s.unread("明细或时间")
	}
	f, err := s.driver.Freeze(ctx, hisadapter.FreezeRequest{
		HisNo: q.No, PharmacyID: s.pharmacy(q.Store), Lines: lines, Until: until, Attributes: map[string]string{"patient_id": q.Patient},
	})
	return cookieAnswer{cookieDone, "", cookieRow("R", "", "No", q.No, "Lock", f.LockID, "Until", cookieUntil(f.Expires))}, err
}

// unfreeze knows a freeze by its own number alone.
func (s *Cookie) unfreeze(ctx context.Context, q cookieParam) (cookieAnswer, error) {
	for _, o := range s.his.Books().Orders {
		for _, f := range o.Freezes {
			if f.LockID == q.Lock {
				return cookieAnswer{cookieDone, "", "<R/>"}, s.driver.Unfreeze(ctx, hisadapter.UnfreezeRequest{HisNo: o.HisNo, LockID: q.Lock})
			}
		}
	}
	return cookieAnswer{cookieNo, "占用单不存在", ""}, nil
}

func (s *Cookie) place(ctx context.Context, q cookieParam) (cookieAnswer, error) {
	lines, ok := s.lines(q)
	fen, err := strconv.ParseInt(q.Fen, 10, 64)
	paid, moment := cookieTime(q.PaidAt)
	if !ok || !moment || err != nil {
		return s.unread("明细、金额或时间")
	}
	o, err := s.driver.PlaceOrder(ctx, hisadapter.PlaceOrderRequest{
		HisNo: q.No, LockID: q.Lock, PharmacyID: s.pharmacy(q.Store), Lines: lines, DrugsFen: fen, TransactionID: q.Pay, PaidAt: paid,
		Attributes: map[string]string{"patient_id": q.Patient, "rx_no": q.Rx},
	})
	return cookieAnswer{cookieDone, "", cookieRow("R", "", "No", q.No, "Bill", o.OrderNo)}, err
}

func (s *Cookie) find(ctx context.Context, q cookieParam) (cookieAnswer, error) {
	f, err := s.driver.FindOrder(ctx, q.No)
	if err == nil && f.State == hisadapter.None {
		return cookieAnswer{cookieNone, "无数据", "<R/>"}, nil
	}
	state := map[hisadapter.State]string{
		hisadapter.Frozen: "占用", hisadapter.Deducted: "结算", hisadapter.Released: "释放", hisadapter.Lapsed: "超时",
	}[f.State]
	return cookieAnswer{cookieRead, "", cookieRow("R", "", "No", q.No, "State", state, "Lock", f.Freeze.LockID,
		"Until", cookieUntil(f.Freeze.Expires), "Bill", f.OrderNo)}, err
}

// cancel knows an order by its bill alone.
func (s *Cookie) cancel(ctx context.Context, q cookieParam) (cookieAnswer, error) {
	for _, o := range s.his.Books().Orders {
		for _, p := range o.Orders {
			if p.OrderNo == q.Bill {
				return cookieAnswer{cookieDone, "", "<R/>"}, s.driver.CancelOrder(ctx, o.HisNo, q.Bill)
			}
		}
	}
	return cookieAnswer{cookieNo, "结算单不存在", ""}, nil
}

func (s *Cookie) list(ctx context.Context, q cookieParam) (cookieAnswer, error) {
	day, err := time.ParseInLocation("2006年01月02日", q.Day, shanghai)
	page, wrong := strconv.Atoi(q.Page)
	if err != nil || wrong != nil || page < 1 {
		return s.unread("日期或页")
	}
	orders, err := s.driver.ListOrders(ctx, day)
	if err == nil && len(orders) == 0 {
		return cookieAnswer{cookieNone, "无数据", "<R/>"}, nil
	}
	from, to := min((page-1)*s.cfg.PageSize, len(orders)), min(page*s.cfg.PageSize, len(orders))
	rows, next := "", "N"
	if to < len(orders) {
		next = "Y"
	}
	for _, o := range orders[from:to] {
		canceled, items := "N", ""
		if o.Canceled {
			canceled = "Y"
		}
		for _, l := range o.Lines {
			facts, _ := s.his.Facts(l.DrugID)
			items += cookieRow("L", "", "Id", l.DrugID, "Qty", inPacks(l.Quantity, packOf(facts), 3))
		}
		rows += cookieRow("Row", items, "No", o.HisNo, "Bill", o.OrderNo, "Fen", strconv.FormatInt(o.DrugsFen, 10), "Void", canceled)
	}
	return cookieAnswer{cookieRead, "", cookieRow("R", rows, "Next", next)}, err
}
