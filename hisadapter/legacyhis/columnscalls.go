package legacyhis

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

func columnsYes(words string, rows ...[]string) columns {
	return append(columns{{"T", words, "0"}}, rows...)
}

func columnsNone() columns { return columns{{"N", "没有记录", "0"}} }

func columnsNo(words string) columns { return columns{{"F", words, "0"}} }

func columnsRefusal(e *hisadapter.Error) columns {
	if e.Outcome == hisadapter.Busy {
		return columns{{"B", e.Message, "0"}}
	}
	return columnsNo(e.Message)
}

func columnsSheet(lines columns) sheet {
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		out = append(out, strings.Join(l, "|"))
	}
	return sheet{http.StatusOK, "text/plain; charset=GBK", toGB(strings.Join(out, "\r\n") + "\r\n")}
}

const columnsTime = "20060102150405"

func columnsMoment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(shanghai).Format(columnsTime)
}

// inWords writes a quantity as people say it: 3盒4片, 3盒, 4片.
func inWords(n, pack int64, unit string) string {
	if n%pack == 0 && n != 0 {
		return fmt.Sprintf("%d盒", n/pack)
	}
	if n < pack {
		return fmt.Sprintf("%d%s", n, unit)
	}
	return fmt.Sprintf("%d盒%d%s", n/pack, n%pack, unit)
}

func (s *Columns) key(r *http.Request) hisadapter.Key {
	q := r.URL.Query()
	return hisadapter.Key{PharmacyID: s.pharmacy(q.Get("yf")), DrugID: q.Get("yp")}
}

// pharmacy is the books' name of a store.
func (s *Columns) pharmacy(store string) string {
	if store != s.cfg.Store {
		return "no such store " + store
	}
	return s.cfg.Pharmacy
}

func (s *Columns) stock(r *http.Request, _ *columnsRequest) (columns, error) {
	key := s.key(r)
	got, err := s.driver.QueryStock(r.Context(), []hisadapter.Key{key})
	if err != nil {
		return columnsYes("成功"), err
	}
	if got[0].Unknown {
		return columnsNone(), nil
	}
	book, _ := s.his.Books().Of(key)
	f, stopped := got[0].Facts, "N"
	if f.Stopped {
		stopped = "Y"
	}
	return columnsYes("成功", []string{
		s.cfg.Store, key.DrugID, f.Name, f.Unit, strconv.FormatInt(packOf(f), 10), f.Price, inWords(got[0].OnHand, packOf(f), f.Unit),
		strconv.FormatInt(book.Frozen, 10), strconv.FormatInt(f.Multiple, 10), stopped,
	}), nil
}

// lines reads the items of an order, which must be about the drugs as the stock
// query told of them.
func (s *Columns) lines(q *columnsRequest) (lines []hisadapter.Line, complaint string) {
	for i, item := range q.Items {
		facts, known := s.his.Facts(item.Drug)
		if !known {
			return nil, "药品不存在"
		}
		n, ok := fromPacks(item.Packs, packOf(facts))
		if _, decimals, _ := strings.Cut(item.Packs, "."); !ok || len(decimals) > 2 || item.Number != strconv.Itoa(i+1) {
			return nil, "报文不对: 明细"
		}
		if item.Name != facts.Name {
			return nil, "报文不对: 药名"
		}
		if item.Price != facts.Price {
			return nil, "价格已变动"
		}
		lines = append(lines, hisadapter.Line{DrugID: item.Drug, Quantity: n})
	}
	return lines, ""
}

func (s *Columns) complain(words string) (columns, error) {
	s.count(&s.n.BadRequests)
	return columnsNo(words), nil
}

func (s *Columns) hold(r *http.Request, q *columnsRequest) (columns, error) {
	lines, complaint := s.lines(q)
	if complaint != "" {
		return s.complain(complaint)
	}
	f, err := s.driver.Freeze(r.Context(), hisadapter.FreezeRequest{
		HisNo: q.No, PharmacyID: s.pharmacy(q.Store), Lines: lines, Attributes: map[string]string{"patient_id": q.Patient},
	})
	return columnsYes("成功", []string{q.No, f.LockID, columnsMoment(f.Expires)}), err
}

func (s *Columns) giveBack(r *http.Request, q *columnsRequest) (columns, error) {
	if q.Lock == "" {
		return columnsNo("单据不存在"), nil
	}
	return columnsYes("成功"), s.driver.Unfreeze(r.Context(), hisadapter.UnfreezeRequest{HisNo: q.No, LockID: q.Lock})
}

func (s *Columns) place(r *http.Request, q *columnsRequest) (columns, error) {
	lines, complaint := s.lines(q)
	if complaint != "" {
		return s.complain(complaint)
	}
	total, ok := fromYuan(q.Total)
	if _, err := time.Parse(columnsTime, q.PaidAt); !ok || q.PaidAt != "" && err != nil {
		return s.complain("报文不对: 金额或时间")
	}
	o, err := s.driver.PlaceOrder(r.Context(), hisadapter.PlaceOrderRequest{
		HisNo: q.No, LockID: q.Lock, PharmacyID: s.pharmacy(q.Store), Lines: lines, DrugsFen: total, TransactionID: q.Pay,
		Attributes: map[string]string{"patient_id": q.Patient, "rx_no": q.RX},
	})
	return columnsYes("成功", []string{q.No, o.OrderNo}), err
}

func (s *Columns) cancel(r *http.Request, q *columnsRequest) (columns, error) {
	if q.Reason == "" {
		return s.complain("报文不对: 原因")
	}
	return columnsYes("成功"), s.driver.CancelOrder(r.Context(), q.No, q.Order)
}

// findHold is what the service of holds knows: of an order that was placed, only
// that its hold is used up.
func (s *Columns) findHold(r *http.Request, _ *columnsRequest) (columns, error) {
	no := r.PathValue("no")
	f, err := s.driver.FindOrder(r.Context(), no)
	state := map[hisadapter.State]string{
		hisadapter.Frozen: "占用", hisadapter.Lapsed: "过期", hisadapter.Released: "归还", hisadapter.Deducted: "使用",
	}[f.State]
	if s.placed(no) {
		state = "使用"
	}
	if err == nil && state == "" {
		return columnsNone(), nil
	}
	return columnsYes("成功", []string{no, state, f.Freeze.LockID, columnsMoment(f.Freeze.Expires)}), err
}

// findOrder is what the service of orders knows: nothing of holds.
func (s *Columns) findOrder(r *http.Request, _ *columnsRequest) (columns, error) {
	no := r.PathValue("no")
	f, err := s.driver.FindOrder(r.Context(), no)
	if err == nil && !s.placed(no) {
		return columnsNone(), nil
	}
	state := "有效"
	if f.State == hisadapter.Released {
		state = "作废"
	}
	return columnsYes("成功", []string{no, state, f.OrderNo}), err
}

func (s *Columns) placed(no string) bool {
	o, _ := s.his.Books().Order(no)
	return o.Applications() > 0
}

func (s *Columns) list(r *http.Request, _ *columnsRequest) (columns, error) {
	day, err := time.ParseInLocation("20060102", r.URL.Query().Get("rq"), shanghai)
	from, numbered := strconv.Atoi(r.URL.Query().Get("ym"))
	if err != nil || numbered != nil || from < 1 {
		return s.complain("报文不对: 日期或页码")
	}
	orders, err := s.driver.ListOrders(r.Context(), day)
	if err == nil && len(orders) == 0 {
		return columnsNone(), nil
	}
	first := min((from-1)*s.cfg.PageSize, len(orders))
	last := min(first+s.cfg.PageSize, len(orders))
	out := columnsYes("成功")
	if last < len(orders) {
		out[0][2] = "1"
	}
	for _, o := range orders[first:last] {
		state := "有效"
		if o.Canceled {
			state = "作废"
		}
		out = append(out, []string{o.HisNo, o.OrderNo, yuan(o.DrugsFen), state})
	}
	return out, err
}
