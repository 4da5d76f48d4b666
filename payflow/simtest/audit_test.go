package simtest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
)

// ownNo tells whether a his_no is one of an order's: the order_no itself, or with
// the number of a later attempt.
func ownNo(hisNo, orderNo string) bool {
	rest, ok := strings.CutPrefix(hisNo, orderNo)
	return ok && (rest == "" || rest[0] == '-')
}

// hisNow lists the HIS orders that stand for an order, by the HIS's own books.
func (w *world) hisNow(orderNo string) (standing []string) {
	return standingOf(w.his.Books(), orderNo)
}

func standingOf(b simhis.Books, orderNo string) (standing []string) {
	for _, o := range b.Orders {
		if !ownNo(o.HisNo, orderNo) {
			continue
		}
		for _, p := range o.Orders {
			if !p.Canceled && !p.Partial {
				standing = append(standing, p.OrderNo)
			}
		}
	}
	return standing
}

// inspect looks at the proof obligation again and again (I2).
func (w *world) inspect(ctx context.Context) {
	for n := 0; ; n++ {
		pause := w.dice.at("inspect", n).between(time.Minute, 3*time.Minute)
		if !w.troubled() {
			pause *= 20
		}
		if !sleep(ctx, pause) {
			return
		}
		l := w.alive()
		w.mu.Lock()
		settled := time.Since(w.jumped) > time.Minute
		w.mu.Unlock()
		if l == nil || time.Since(l.opened) < 30*time.Second || !settled {
			continue // what fell due meanwhile is being seen to
		}
		if r, err := l.orders.Proof(ctx); err == nil {
			for _, u := range r.Unproven {
				w.violated("I2 every yuan is proven at every moment", u.OrderNo, "%s since %s: %s", u.State, clock(u.PaidAt.Sub(w.trace.start)), u.Why)
			}
		}
		w.proveByTheBooks(l)
		w.oversold()
	}
}

// proveByTheBooks does not take hisgate's word for it: money of which it was told
// a while ago is drugs, or on its way back, or somebody's open case.
func (w *world) proveByTheBooks(l *life) {
	if len(w.plan.jumps) > 0 || time.Since(l.opened) < 5*time.Minute {
		return // hisgate counts by its own clock, and may have been away
	}
	w.wechat.mu.Lock()
	defer w.wechat.mu.Unlock()
	w.wechat.settle()
	var books simhis.Books
	var cases []payflow.Case
	for _, t := range w.wechat.inOrder {
		for _, m := range t.money {
			grace := w.money.ProofGrace + time.Minute
			if w.forgot(m.acked) || w.forgot(time.Now().Add(-w.wished(t.no))) {
				continue // that it came, or is wanted back: until the day's bill tells
			}
			if m.acked.IsZero() || time.Since(m.acked) < grace || w.wished(t.no) < grace || m.back == m.fen || w.returning(l, t, m) {
				continue
			}
			if books.Stock == nil {
				books = w.his.Books()
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				var err error
				if cases, err = l.openCases(ctx); err != nil {
					return
				}
			}
			if m == t.money[0] && len(standingOf(books, t.no)) > 0 {
				continue
			}
			if !slices.ContainsFunc(cases, func(c payflow.Case) bool {
				return c.OrderNo == t.no && c.Owner != "" && !c.Deadline.IsZero()
			}) {
				w.violated("I2 every yuan is proven at every moment", t.no, "%s was taken for known at %s, and is neither drugs, nor on its way back, nor anybody's case",
					m.id, clock(m.acked.Sub(w.trace.start)))
			}
		}
	}
}

// returning tells whether WeChat took a refund of the money within the grace time:
// that it has ended otherwise since, hisgate learns by asking. The time of one that
// the restored backup does not know counts from when hisgate knows of it again, as
// that of a payment does: at the latest when its recovery is over. Until then an
// order that is not at its end is a case for other reasons.
func (w *world) returning(l *life, t *trade, m *money) bool {
	recovered := l.ledger.Restore().RecoveredAt // by hisgate's clock, which nobody sets in stories that come here
	return slices.ContainsFunc(t.refunds, func(rf *refund) bool {
		since := rf.taken
		if w.forgot(since) && recovered.After(since) {
			since = recovered
		}
		return rf.money == m && time.Since(since) < w.money.RefundGrace
	})
}

func (w *world) oversold() {
	for _, s := range w.his.Books().Oversold() {
		w.violated("I1 no more is taken than there is", "drug="+s.Key.DrugID, "on hand went down to %d", s.Lowest)
	}
}

// restless says what is not at rest yet, "" when everything is.
func (w *world) restless() string {
	l := w.alive()
	if l == nil {
		return "hisgate is down"
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if why := w.uncompared(ctx, l); why != "" {
		return why
	}
	cases, err := l.openCases(ctx)
	if err != nil || len(cases) > 0 {
		return fmt.Sprintf("open cases: %v %v", err, caseIDs(cases))
	}
	if s := l.gateway.State(); s.Ledger.Work != 0 || s.Ledger.Unknown != 0 || s.Ledger.Waiting != 0 || s.Jobs != 0 || s.Ledger.Cases != 0 {
		return fmt.Sprintf("locks: %+v", s.Ledger)
	}
	for i := range w.plan.orders {
		o, err := l.orders.Get(ctx, "", w.plan.orders[i].no)
		if err != nil {
			continue // never ordered
		}
		switch o.State {
		case payflow.Closed, payflow.Rejected, payflow.Fulfilled, payflow.Refunded:
			for k := range o.Refunds {
				if s := o.Refunds[k].Status; s != payflow.RefundDone && s != payflow.RefundEnded {
					return fmt.Sprintf("order %s: refund %s is %s", o.No, o.Refunds[k].OutRefundNo, s)
				}
			}
		default:
			return fmt.Sprintf("order %s is %s", o.No, o.State)
		}
	}
	return ""
}

func caseIDs(cases []payflow.Case) (ids []string) {
	for i := range cases {
		ids = append(ids, cases[i].ID+" "+string(cases[i].Reason))
	}
	return ids
}

// audit holds the end of the story against the books of the HIS and of WeChat.
func (w *world) audit() {
	w.mu.Lock()
	w.closes = true
	w.mu.Unlock()
	l := w.alive()
	for range 60 { // it may be coming up after a last death
		if l != nil {
			break
		}
		time.Sleep(10 * time.Second)
		l = w.alive()
	}
	if l == nil {
		w.violated("I6 everything comes to rest", "", "hisgate is down at the end")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	w.standsBy(l)
	books := w.his.Books()
	if err := books.Check(); err != nil {
		w.violated("I1 the HIS's books agree with themselves", "", "%v", err)
	}
	w.oversold()
	left := w.leftFrozen(ctx, l)
	for _, s := range books.Stock {
		if s.Frozen != left[s.Key.DrugID] {
			w.violated("I6 every hold ends", "drug="+s.Key.DrugID, "%d stay frozen at the HIS", s.Frozen)
		}
	}
	w.wechat.mu.Lock()
	w.wechat.settle()
	w.wechat.mu.Unlock()
	for i := range w.plan.orders {
		w.auditOrder(ctx, l, books, &w.plan.orders[i])
	}
	var numbers []string
	for i := range w.plan.orders {
		numbers = append(numbers, w.plan.orders[i].no)
	}
	for i := range w.plan.locks {
		numbers = append(numbers, w.plan.locks[i].no)
	}
	for _, no := range numbers {
		w.auditLocks(ctx, l, books, no)
	}
	w.auditBooks(l)
}

// auditOrder follows the money of one order (I2, I4, I5).
func (w *world) auditOrder(ctx context.Context, l *life, books simhis.Books, p *orderPlan) {
	o, err := l.orders.Get(ctx, "", p.no)
	ordered := err == nil
	if ordered {
		w.tally.state("order", string(o.State))
	}
	standing, person := standingOf(books, p.no), w.byPerson(p.no)
	if len(standing) > 1 {
		w.violated("I4 no fulfilment twice", p.no, "HIS orders %v stand", standing)
	}
	t := w.wechat.trades[p.no]
	if t == nil || len(t.money) == 0 {
		if len(standing) > 0 {
			w.violated("I2 nothing is handed out unpaid", p.no, "HIS orders %v stand, and nothing was paid", standing)
		}
		if ordered && o.State != payflow.Closed && o.State != payflow.Rejected {
			w.violated("I2 an unpaid order ends", p.no, "it is %s", o.State)
		}
		return
	}
	for k, m := range t.money {
		if m.back > m.fen {
			w.violated("I4 no refund twice", p.no, "%d fen of %d went back", m.back, m.fen)
		}
		whole := m.back == m.fen
		good := k == 0 && m.fen == t.fen && (m.appID == t.appID || w.forgotTerms(&o, m))
		switch {
		case !good && !whole:
			w.violated("I2 money that is not the order's goes back", p.no, "of %s %d fen are back", m.id, m.back)
		case !good:
		case whole && len(standing) > 0 && !person:
			w.violated("I5 not both fulfilled and refunded", p.no, "HIS orders %v stand, and all is back", standing)
		case !whole && len(standing) == 0:
			w.violated("I2 every yuan ends as drugs or as money back", p.no, "no HIS order stands, %d of %d fen are back; hisgate says %s", m.back, m.fen, o.State)
		}
		if !m.acked.IsZero() && !w.knows(ctx, l, &o, m) {
			w.violated("I3 an acknowledged payment is known", p.no, "%s was answered with success, and hisgate knows nothing of it", m.id)
		}
	}
	if !ordered {
		return
	}
	// hisgate's word and the books are the same.
	good := t.money[0].fen == t.fen && t.money[0].appID == t.appID
	if o.State == payflow.Fulfilled && len(standing) == 0 && !person {
		w.violated("I2 FULFILLED is true", p.no, "hisgate says so, and no HIS order stands")
	}
	if o.State == payflow.Refunded && good && t.money[0].back != t.money[0].fen {
		w.violated("I2 REFUNDED is true", p.no, "hisgate says so, and %d of %d fen are back", t.money[0].back, t.money[0].fen)
	}
}

// forgotTerms tells whether the ledger was thrown back to before the order's terms
// of payment were known, so that any of the merchant's appids fits.
func (w *world) forgotTerms(o *payflow.Order, m *money) bool {
	return w.thrownBack() && o.Payment != nil && o.Payment.TransactionID == m.id
}

// knows tells whether hisgate has a transaction in its records.
func (w *world) knows(ctx context.Context, l *life, o *payflow.Order, m *money) bool {
	if o.Payment != nil && o.Payment.TransactionID == m.id {
		return true
	}
	for _, d := range o.Disputes {
		if d.TransactionID == m.id {
			return true
		}
	}
	for _, id := range []string{"X." + m.id, "R." + string(payflow.CaseBillMismatch) + ".p." + m.id} {
		if _, err := l.orders.GetCase(ctx, id); err == nil {
			return true
		}
	}
	return false
}

// auditLocks holds every attempt of an order against the HIS's books (I4, I6).
func (w *world) auditLocks(ctx context.Context, l *life, books simhis.Books, no string) {
	all, err := l.gateway.Attempts(ctx, no)
	if err != nil {
		return // never locked
	}
	for i := range all {
		lk := &all[i]
		w.tally.state("lock", lk.Status.String())
		for _, s := range lk.History {
			if s.From != s.To {
				w.lockMoved(lk, s)
			}
		}
		b, _ := books.Order(lk.HISNo)
		standing := b.Applications() - b.Cancellations()
		switch {
		case b.Applications() > 1:
			w.violated("I4 no number is deducted twice", no, "%s was deducted %d times", lk.HISNo, b.Applications())
		case lk.Status == lockstore.Confirmed && w.thrownBack() && (w.atTheHIS(no) || slices.Contains(standingOf(books, no), lk.HISOrderNo)):
			// Cancelled there since the backup, or made there as another attempt.
		case lk.Status == lockstore.Confirmed && standing == 0 && w.byPerson(no) && w.atTheHIS(no):
			// The call to cancel it got lost, arrived after the look for it, and its repeat
			// was refused: a person gave the money back without it.
		case lk.Status == lockstore.Confirmed && standing != 1 && lk.CancelledAt.IsZero():
			w.violated("I4 CONFIRMED is true", no, "%s: %d HIS orders stand", lk.HISNo, standing)
		case !lk.CancelledAt.IsZero() && standing != 0:
			w.violated("I4 cancelled is true", no, "%s: %d HIS orders stand", lk.HISNo, standing)
		case lk.Status == lockstore.Released && standing != 0:
			w.violated("I4 what was released is never deducted", no, "%s: %d HIS orders stand", lk.HISNo, standing)
		case lk.Status == lockstore.Released && (b.State == hisadapter.Frozen || !lk.Settled()):
			w.violated("I6 every hold ends", no, "%s is RELEASED, settled %v, and %v at the HIS", lk.HISNo, lk.Settled(), b.State)
		case lk.Status != lockstore.Confirmed && lk.Status != lockstore.Released:
			w.violated("I6 every hold ends", no, "%s is %v at the end", lk.HISNo, lk.Status)
		}
	}
}
