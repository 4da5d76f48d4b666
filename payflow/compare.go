package payflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// A comparison is one run over one day. It reads our orders of the day first, then
// the bill row by row, striking out what it meets; what is left is missing there.
// Then the same with the HIS. Its memory grows with our own orders of the day, not
// with the bill.
//
//	orders of the day ──► expected ◄── row by row ── bill (hash, rows and sums verified)
//	                         │ left over: PAYMENT_MISSING, REFUND_MISSING
//	orders of the day ──► fulfilled ◄── one by one ── HIS orders
//	                         │ left over: HIS_MISSING
//
// The bill itself moves nothing: what it says and we did not know is asked of
// WeChat, and only the verified answer is applied, by the same code as ever. Cases
// have ids made of what they are about, so that a second run finds them.
type comparison struct {
	s      *Service
	day    string
	start  time.Time
	report Reconciliation

	payments  map[string]ours // by transaction
	refunds   map[string]ours // by out_refund_no
	fulfilled map[string]ours // by his_no
	early     map[string]bool // what earlier bills had: out_refund_no, or "p." and the transaction
	noBefore  int64           // refunds of an earlier day that has no report
	byHand    int64
	underWay  int64
	revoked   int64
	elsewhere int64 // payments and refunds of another merchant
	newCases  int
	lists     map[string][]HISOrder // of the HIS, by day
}

// ours is something of an order that the other side should have.
type ours struct {
	orderNo string
	fen     int64
	from    string // the first day on which it may be there
}

// newCasesMax bounds the cases that one run opens. The rest stand in the report,
// and get theirs with the next run.
const newCasesMax = 300

// compare runs the comparison of a day. Errors: ErrBillNotReady, *BillError and
// what else kept it from its end; then the report says nothing new.
func (s *Service) compare(ctx context.Context, day string, before *Reconciliation) (*comparison, error) {
	start, err := startOf(day)
	if err != nil {
		return nil, err
	}
	c := &comparison{
		s: s, day: day, start: start, report: Reconciliation{Day: day},
		payments: map[string]ours{}, refunds: map[string]ours{}, fulfilled: map[string]ours{},
		early: map[string]bool{}, lists: map[string][]HISOrder{},
	}
	if err := c.readOurs(ctx); err != nil {
		return nil, err
	}
	totals, err := s.bills.TradeBill(ctx, start, func(r BillRow) error { return c.row(ctx, &r) })
	if err != nil {
		return nil, err
	}
	c.report.BillRows, c.report.BillEmpty, c.report.BillSHA1 = totals.Rows, totals.Empty, totals.SHA1
	if err := c.missing(ctx); err != nil {
		return nil, err
	}
	hisErr := c.compareHIS(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	c.report.Status = ReconciliationDone
	if hisErr != nil {
		c.report.Status, c.report.Failure = ReconciliationIncomplete, cut(hisErr.Error(), detailMax)
	}
	if !c.report.HISListed || hisErr != nil {
		c.keepHIS(before)
	}
	c.leaveOut()
	c.report.keepGone(before)
	return c, c.closeGone(ctx, before)
}

// keepHIS takes over what an earlier run found at a HIS that cannot be asked now,
// or not to the end.
func (c *comparison) keepHIS(before *Reconciliation) {
	if before == nil {
		return
	}
	found := c.report.keys()
	for _, d := range before.Differences {
		if d.Kind.his() && !found[d.key()] {
			c.report.find(d)
		}
	}
}

func (k DifferenceKind) his() bool { return strings.HasPrefix(string(k), "HIS_") }

// readOurs reads our orders of the day.
func (c *comparison) readOurs(ctx context.Context) error {
	prefix := prefixDay + c.day + "/"
	var numbers []string
	if err := c.s.engine.Scan([]byte(prefix), after(prefix), func(key, _ []byte) error {
		numbers = append(numbers, string(key[len(prefix):]))
		return ctx.Err()
	}); err != nil {
		return err
	}
	if _, err := c.readEarly(dayOf(c.start.AddDate(0, 0, -1))); err != nil {
		return err
	}
	for _, no := range numbers {
		o, _, err := c.s.load(no)
		if err != nil {
			return err
		}
		if o == nil {
			continue
		}
		if err := c.expect(o); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) expect(o *Order) error {
	other := o.otherMerchant(c.s.set.MchID)
	if p := o.Payment; p != nil && dayOf(p.PaidAt) == c.day && other {
		c.elsewhere++
	} else if p != nil && dayOf(p.PaidAt) == c.day {
		c.report.Payments.add(p.TotalFen)
		if !c.early["p."+p.TransactionID] {
			c.payments[p.TransactionID] = ours{orderNo: o.No, fen: p.TotalFen}
		}
	}
	for i := range o.Refunds {
		r := &o.Refunds[i]
		if r.AcceptedAt.IsZero() || r.due() != c.day {
			continue
		}
		if other {
			c.elsewhere++
			continue
		}
		c.report.Refunds.add(r.Fen)
		x := ours{orderNo: o.No, fen: r.Fen, from: dayOf(r.SentAt.Add(-lateSlack))}
		complete, err := c.readEarly(x.from)
		if err != nil {
			return err
		}
		switch {
		case c.early[r.OutRefundNo]:
		case !complete:
			c.noBefore++
		default:
			c.refunds[r.OutRefundNo] = x
		}
	}
	if o.wasFulfilled() && dayOf(o.FulfilledAt) == c.day {
		c.report.Fulfilled.add(o.Amount.DrugsFen)
		if o.ByHand || o.Lock.HisNo == "" || o.Lock.Settled {
			c.byHand++
		} else {
			c.fulfilled[o.Lock.HisNo] = ours{orderNo: o.No, fen: o.Amount.DrugsFen, from: dayOf(o.Payment.PaidAt)}
		}
	}
	return nil
}

// wasFulfilled tells whether the HIS should have an order that stands: also of an
// order that was refunded knowingly, as long as nobody cancelled it there.
func (o *Order) wasFulfilled() bool {
	return !o.FulfilledAt.IsZero() && o.Payment != nil && (o.State == Fulfilled || o.WasFulfilled)
}

// readEarly collects what the bills from a day on, and before this one, had early.
// complete is false when one of them was never compared.
func (c *comparison) readEarly(from string) (complete bool, err error) {
	first, err := startOf(from)
	if err != nil {
		return false, err
	}
	for d := c.start.AddDate(0, 0, -1); !d.Before(first); d = d.AddDate(0, 0, -1) {
		r, err := c.s.report(d)
		if err != nil {
			return false, err
		}
		if r == nil || r.Status != ReconciliationDone && r.Status != ReconciliationIncomplete {
			return false, nil
		}
		for _, no := range r.SeenEarly {
			c.early[no] = true
		}
	}
	return true, nil
}

// readLate collects what only the bills after this one had.
func (c *comparison) readLate(ctx context.Context) (map[string]bool, error) {
	late := map[string]bool{}
	err := c.s.engine.Scan([]byte(prefixReport), keyReport(c.start), func(key, value []byte) error {
		r, err := decodeReport(key, value)
		if err != nil {
			return err
		}
		for _, what := range r.SeenLate {
			late[what] = true
		}
		return ctx.Err()
	})
	return late, err
}

// missing makes differences of what no row of the bill spoke of, nor of a later one.
func (c *comparison) missing(ctx context.Context) error {
	if len(c.payments)+len(c.refunds) == 0 {
		return nil
	}
	late, err := c.readLate(ctx)
	if err != nil {
		return err
	}
	for _, tx := range slices.Sorted(maps.Keys(c.payments)) {
		if late["p."+tx] {
			continue
		}
		x := c.payments[tx]
		d := Difference{
			Kind: DiffNoPayment, OrderNo: x.orderNo, TransactionID: tx, OursFen: x.fen,
			Detail: "paid here, and not in WeChat's bill of " + c.day,
		}
		if err := c.caseFor(ctx, d, "p."+tx, CaseBillMissing); err != nil {
			return err
		}
	}
	for _, no := range slices.Sorted(maps.Keys(c.refunds)) {
		if late["r."+no] {
			continue
		}
		x := c.refunds[no]
		d := Difference{
			Kind: DiffNoRefund, OrderNo: x.orderNo, OutRefundNo: no, OursFen: x.fen,
			Detail: "refund taken by WeChat, as it said, and not in its bill of " + c.day,
		}
		if err := c.caseFor(ctx, d, "r."+no, CaseBillMissing); err != nil {
			return err
		}
	}
	return nil
}

// leaveOut says what was not compared.
func (c *comparison) leaveOut() {
	r := &c.report
	if r.BillOthers > 0 {
		r.leave("OTHER_SYSTEMS", r.BillOthers, "账单中属于本商户其他系统的交易", "rows of other systems of the merchant")
	}
	if c.revoked > 0 {
		r.leave("OTHER_STATES", c.revoked, "账单中既非支付成功也非退款的交易（如撤销）", "rows that are neither a payment nor a refund, such as revoked ones")
	}
	if c.elsewhere > 0 {
		r.leave("OTHER_MERCHANT", c.elsewhere, "付款时的商户号与现在配置的不同，其账单无法取得", "payments and refunds of the merchant that was configured then; its bill cannot be had")
	}
	if c.noBefore > 0 {
		r.leave("DAY_BEFORE_UNKNOWN", c.noBefore, "零点前后的退款，前一日账单未对过", "refunds around midnight whose other day was never compared")
	}
	if c.byHand > 0 {
		r.leave("BY_HAND", c.byHand, "人工登记发药的订单，HIS 单不经本系统", "orders fulfilled by a person's word; the HIS order was not made by hisgate")
	}
	if c.underWay > 0 {
		r.leave("UNDER_WAY", c.underWay, "HIS 已有单、本系统仍在确认的订单", "orders that the HIS has and hisgate is still confirming")
	}
	if r.HISOthers > 0 {
		r.leave("OTHER_LOCKS", r.HISOthers, "其他调用方自行预扣的 HIS 单", "HIS orders of locks that callers hold by themselves")
	}
}

// caseFor adds a difference with its case. A case that a person has settled stays
// settled; one that ended by itself begins again.
func (c *comparison) caseFor(ctx context.Context, d Difference, about string, reason CaseReason) error {
	id, isNew, err := c.s.caseIDFor(caseBase(reason, about))
	if err != nil {
		return err
	}
	switch {
	case isNew && c.newCases >= newCasesMax:
		d.Detail += " (no case yet: too many in one run)"
	case isNew:
		c.newCases++
		d.CaseID = id
		facts := caseFacts{Detail: d.Detail, TransactionID: d.TransactionID, Fen: max(d.TheirsFen, d.OursFen)}
		if err := c.s.underKey(ctx, d.OrderNo, func(u *unit) error {
			u.openNamedCase(id, reason, facts)
			return nil
		}); err != nil {
			return err
		}
	default:
		d.CaseID = id
	}
	c.report.find(d)
	return nil
}

// caseBase is what the ids of the cases of a thing begin with.
func caseBase(reason CaseReason, about string) string {
	return "R." + string(reason) + "." + about
}

// caseIDFor finds the case of a thing: the one that is open or that a person
// closed; else the id of a new one.
func (s *Service) caseIDFor(base string) (id string, isNew bool, err error) {
	for n := 1; ; n++ {
		if id = base; n > 1 {
			id = fmt.Sprintf("%s.%d", base, n)
		}
		c, err := s.findCase(id)
		if err != nil || c == nil {
			return id, true, err
		}
		if c.Open || len(c.Audit) == 0 || c.Audit[len(c.Audit)-1].Actor != worker {
			return id, false, nil
		}
	}
}

// underKey changes the order, or what is known of a number that is no order of
// ours, under its key.
func (s *Service) underKey(ctx context.Context, no string, f func(*unit) error) error {
	unlock, err := s.keys.lock(ctx, no)
	if err != nil {
		return err
	}
	defer unlock()
	u, err := s.begin(no)
	if err != nil {
		return err
	}
	defer u.release()
	if err := f(u); err != nil {
		return err
	}
	return u.commit()
}

// openNamedCase opens a case under an id of its own, of the order if there is one.
func (u *unit) openNamedCase(id string, reason CaseReason, f caseFacts) {
	if u.openedCase(id) != nil {
		return // found twice at once
	}
	c := u.newCase(id, reason, f)
	if u.o != nil {
		u.o.hasCase(c)
		u.o.Compared = append(u.o.Compared, id)
		u.said("CASE_OPENED", string(reason))
	}
}

// closeGone closes the cases of what an earlier run found and this one did not:
// their cause is gone.
func (c *comparison) closeGone(ctx context.Context, before *Reconciliation) error {
	if before == nil {
		return nil
	}
	standing := map[string]bool{}
	for i := range c.report.Differences {
		if d := &c.report.Differences[i]; !d.Gone {
			standing[d.CaseID] = true
		}
	}
	if c.report.More > 0 {
		return nil // not all that stands is listed
	}
	for _, d := range before.Differences {
		if d.CaseID != "" && !standing[d.CaseID] {
			if err := c.s.agrees(ctx, d.OrderNo, d.CaseID); err != nil {
				return err
			}
		}
	}
	return nil
}

// agrees closes a case of reconciliation whose cause is gone.
func (s *Service) agrees(ctx context.Context, orderNo, id string) error {
	return s.underKey(ctx, orderNo, func(u *unit) error {
		if k := u.openedCase(id); k != nil && k.Reason.reconciled() {
			u.closeCase(k, worker, Words{ZH: "双方已一致", EN: "both sides agree now"})
		}
		return nil
	})
}

// reconciled tells whether reconciliation opens and closes cases of this reason.
func (r CaseReason) reconciled() bool {
	switch r {
	case CaseBillMissing, CaseBillMismatch, CaseHISMissing, CaseHISCancelled, CaseHISUnmatched, CaseHISAmount:
		return true
	}
	return false
}

// report reads a day's report; nil when there is none.
func (s *Service) report(day time.Time) (*Reconciliation, error) {
	key := keyReport(day)
	data, err := s.engine.Get(key)
	if errors.Is(err, engine.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeReport(key, data)
}

// caseIDs names all cases that the order ever had.
func (o *Order) caseIDs() []string {
	ids := make([]string, 0, o.CaseSeq+len(o.Compared))
	for n := 1; n <= o.CaseSeq; n++ {
		ids = append(ids, fmt.Sprintf("%s.%d", o.No, n))
	}
	return append(ids, o.Compared...)
}
