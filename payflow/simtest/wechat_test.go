package simtest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// wechat keeps the books of WeChat Pay: what was ordered, paid, closed and given
// back. It moves by its own clock, which is right.
//
//	trade:   NOTPAY ──► USERPAYING ──► SUCCESS ──► REFUND
//	            └──close──► CLOSED ──(money under way arrives)──► SUCCESS
//	refund:  PROCESSING ──► SUCCESS | CLOSED | ABNORMAL ──(a person)──► SUCCESS
type wechat struct {
	w *world

	mu      sync.Mutex
	trades  map[string]*trade
	refunds map[string]*refund
	inOrder []*trade
	serial  int
}

type trade struct {
	no      string
	body    string // of the first prepay: every repeat must be the same
	appID   string
	fen     int64 // asked
	expires time.Time
	state   payflow.TradeState
	money   []*money // in order; the first is what a query tells of
	refunds []*refund
	sent    map[string]int64 // what left hisgate as refunds, by number, and was not verifiably refused
}

// money is one transaction that took a patient's money.
type money struct {
	id    string
	fen   int64
	appID string
	at    time.Time
	late  bool      // came after the close
	acked time.Time // when hisgate answered its notice with success, zero = it has not
	back  int64
}

type refund struct {
	trade   *trade
	money   *money
	no, id  string
	fen     int64
	taken   time.Time
	state   payflow.RefundState
	end     payflow.RefundState // what PROCESSING ends as
	endsAt  time.Time
	console bool
	told    bool // its notice is under way
}

func newWechat(w *world) *wechat {
	return &wechat{w: w, trades: map[string]*trade{}, refunds: map[string]*refund{}}
}

const (
	merchant = "1900000001"
	app      = "wx8888888888888888"
)

func (c *wechat) say(format string, args ...any) { c.w.trace.say("WeChat", format, args...) }

func (c *wechat) number(prefix string) string {
	c.serial++
	return fmt.Sprintf("%s%04d", prefix, c.serial)
}

func refused(op, code string) error {
	return &payflow.ChannelError{Op: op, Outcome: payflow.ChannelRefused, Status: 400, Code: code}
}

// prepay books an order, or answers the same again.
func (c *wechat) prepay(method payflow.Method, body []byte) (payflow.Prepay, error) {
	var p payflow.PrepayIntent
	if err := json.Unmarshal(body, &p); err != nil {
		return payflow.Prepay{}, refused("prepay", "INVALIDREQUEST")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.trades[p.OrderNo]
	switch {
	case t == nil && !time.Now().Before(p.TimeExpire):
		return payflow.Prepay{}, refused("prepay", "INVALIDREQUEST")
	case t == nil:
		t = &trade{
			no: p.OrderNo, body: string(body), appID: p.AppID, fen: p.TotalFen, expires: p.TimeExpire,
			state: payflow.TradeNotPay, sent: map[string]int64{},
		}
		c.trades[p.OrderNo] = t
		c.inOrder = append(c.inOrder, t)
		c.say("%s ordered, %d fen, until %s", t.no, t.fen, clock(p.TimeExpire.Sub(c.w.trace.start)))
	case t.body != string(body):
		if !c.w.thrownBack() { // else nobody may remember the bytes
			c.w.violated("a repeated prepay must be byte-identical", t.no, "%s, then %s", t.body, body)
		}
		return payflow.Prepay{}, refused("prepay", "INVALIDREQUEST")
	case len(t.money) > 0:
		return payflow.Prepay{}, refused("prepay", "ORDERPAID")
	case t.state == payflow.TradeClosed:
		return payflow.Prepay{}, refused("prepay", "ORDERCLOSED")
	}
	switch method {
	case payflow.Native:
		return payflow.Prepay{CodeURL: "weixin://" + t.no}, nil
	default:
		return payflow.Prepay{PrepayID: "wx-" + t.no}, nil
	}
}

// query tells of the trade as it stands.
func (c *wechat) query(no string) (payflow.Transaction, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.trades[no]
	if t == nil {
		return payflow.Transaction{}, refused("query", "ORDERNOTEXIST")
	}
	return t.tell(t.first()), nil
}

// transaction tells of one payment by its number.
func (c *wechat) transaction(id string) (payflow.Transaction, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.inOrder {
		for i, m := range t.money {
			if m.id != id {
				continue
			}
			if i > 0 {
				c.w.tally.fault("reconcile: a second payment is asked about by its number")
			}
			return t.tell(m), nil
		}
	}
	return payflow.Transaction{}, refused("query_id", "ORDERNOTEXIST")
}

func (t *trade) first() *money {
	if len(t.money) == 0 {
		return nil
	}
	return t.money[0]
}

// tell is what WeChat says of the trade and one of its transactions.
func (t *trade) tell(m *money) payflow.Transaction {
	x := payflow.Transaction{OrderNo: t.no, MchID: merchant, AppID: t.appID, State: t.state, TotalFen: t.fen, Currency: "CNY"}
	if m != nil {
		x.TransactionID, x.TotalFen, x.AppID, x.PaidAt = m.id, m.fen, m.appID, m.at
		x.State = payflow.TradeSuccess
		for _, rf := range t.refunds {
			if rf.money == m && rf.state != payflow.RefundClosed {
				x.State = payflow.TradeRefund
			}
		}
	}
	return x
}

// close ends an unpaid trade. A patient at the keypad keeps it open.
func (c *wechat) close(no string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.trades[no]
	switch {
	case t == nil:
		return refused("close", "ORDERNOTEXIST")
	case len(t.money) > 0:
		return refused("close", "ORDERPAID")
	case t.state == payflow.TradeUserPaying:
		c.w.tally.fault("WeChat: close finds the patient at the keypad")
		return &payflow.ChannelError{Op: "close", Outcome: payflow.ChannelUnknown, Status: 202, Code: "USERPAYING"}
	case t.state == payflow.TradeNotPay:
		t.state = payflow.TradeClosed
		c.say("%s closed", no)
	}
	return nil
}

// pay takes a patient's money. late money was under way when the trade was
// closed.
func (c *wechat) pay(no, anomaly string, late bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.trades[no]
	if t == nil || len(t.money) > 0 && anomaly != "second payment" {
		return false
	}
	now := time.Now()
	open := t.state == payflow.TradeNotPay && now.Before(t.expires) || t.state == payflow.TradeUserPaying
	if late {
		open = t.state == payflow.TradeClosed
	}
	if !open && len(t.money) == 0 {
		return false
	}
	m := &money{id: c.number("T"), fen: t.fen, appID: t.appID, at: now, late: t.state == payflow.TradeClosed}
	switch anomaly {
	case "wrong amount":
		m.fen += 7
	case "wrong appid":
		m.appID = "wx0000000000000000"
	}
	if anomaly != "" {
		c.w.tally.fault("WeChat: " + anomaly)
	}
	if m.late {
		c.w.tally.fault("WeChat: money after the close")
	}
	t.money = append(t.money, m)
	t.state = payflow.TradeSuccess
	c.say("%s takes %d fen as %s%s", no, m.fen, m.id, note(m.late, " (after the close)"))
	c.w.notify(t, m)
	return true
}

func note(yes bool, words string) string {
	if yes {
		return words
	}
	return ""
}

// keypad has the patient begin to pay; false when there is nothing to pay.
func (c *wechat) keypad(no string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.trades[no]
	if t == nil || t.state != payflow.TradeNotPay || !time.Now().Before(t.expires) {
		return false
	}
	t.state = payflow.TradeUserPaying
	c.say("%s: the patient is at the keypad", no)
	return true
}

// unkeypad is the patient who goes away without paying.
func (c *wechat) unkeypad(no string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.trades[no]; t.state == payflow.TradeUserPaying {
		t.state = payflow.TradeNotPay
	}
}

// refund takes a refund, or finds the same one again.
func (c *wechat) refund(r payflow.RefundIntent, how string, takes time.Duration, end payflow.RefundState) (payflow.RefundAnswer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	t := c.trades[r.OrderNo]
	if t == nil || len(t.money) == 0 {
		return payflow.RefundAnswer{}, refused("refund", "RESOURCENOTEXISTS")
	}
	m := t.first()
	if rf := c.refunds[r.OutRefundNo]; rf != nil {
		if rf.trade != t || rf.fen != r.RefundFen || m.fen != r.TotalFen {
			return payflow.RefundAnswer{}, refused("refund", "INVALIDREQUEST")
		}
		return rf.tell(), nil
	}
	given := int64(0)
	for _, rf := range t.refunds {
		if rf.money == m && rf.state != payflow.RefundClosed {
			given += rf.fen
		}
	}
	switch {
	case m.fen != r.TotalFen, given+r.RefundFen > m.fen:
		return payflow.RefundAnswer{}, refused("refund", "INVALIDREQUEST")
	case how == "not enough":
		return payflow.RefundAnswer{}, refused("refund", "NOTENOUGH")
	}
	rf := &refund{
		trade: t, money: m, no: r.OutRefundNo, id: c.number("RF"), fen: r.RefundFen, taken: time.Now(),
		state: payflow.RefundProcessing, end: end, endsAt: time.Now().Add(takes), console: how == "console",
	}
	t.refunds = append(t.refunds, rf)
	t.state = payflow.TradeRefund
	c.refunds[rf.no] = rf
	c.say("%s: refund %s of %d fen taken%s", t.no, rf.no, rf.fen, note(rf.console, " (in the merchant console)"))
	if !rf.console {
		c.w.notifyRefund(rf)
	}
	return rf.tell(), nil
}

// settle ends the refunds whose time has come.
func (c *wechat) settle() {
	now := time.Now()
	for _, t := range c.inOrder {
		for _, rf := range t.refunds {
			if rf.state != payflow.RefundProcessing || rf.endsAt.After(now) {
				continue
			}
			rf.state = rf.end
			if rf.end == payflow.RefundSuccess {
				rf.money.back += rf.fen
			} else {
				c.w.tally.fault("WeChat: refund ends " + string(rf.end))
			}
			c.say("%s: refund %s ends %s", t.no, rf.no, rf.end)
		}
	}
}

func (rf *refund) tell() payflow.RefundAnswer {
	a := payflow.RefundAnswer{
		OrderNo: rf.trade.no, OutRefundNo: rf.no, RefundID: rf.id, MchID: merchant,
		State: rf.state, RefundFen: rf.fen, TotalFen: rf.money.fen, TakenAt: rf.taken,
	}
	if rf.state == payflow.RefundSuccess {
		a.SuccessAt = rf.endsAt
	}
	return a
}

func (c *wechat) queryRefund(no string) (payflow.RefundAnswer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	rf := c.refunds[no]
	if rf == nil {
		return payflow.RefundAnswer{}, refused("refund_query", "RESOURCENOTEXISTS")
	}
	return rf.tell(), nil
}

// console is a person giving the rest of one transaction back in the merchant
// console; ABNORMAL refunds are paid out by hand. It returns what stands as
// evidence, "" when the money cannot go back.
func (c *wechat) console(no, transaction string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	t := c.trades[no]
	if t == nil {
		return ""
	}
	for _, m := range t.money {
		if m.id != transaction && transaction != "" {
			continue
		}
		given := int64(0)
		for _, rf := range t.refunds {
			if rf.money != m {
				continue
			}
			if rf.state == payflow.RefundAbnormal {
				rf.state = payflow.RefundSuccess
				m.back += rf.fen
				c.say("%s: refund %s paid out by hand", no, rf.no)
			}
			if rf.state != payflow.RefundClosed {
				given += rf.fen
			}
		}
		if left := m.fen - given; left > 0 {
			rf := &refund{
				trade: t, money: m, no: c.number("CONSOLE"), id: c.number("RF"), fen: left, taken: time.Now(),
				state: payflow.RefundSuccess, endsAt: time.Now(), console: true,
			}
			m.back += left
			t.refunds = append(t.refunds, rf)
			t.state = payflow.TradeRefund
			c.refunds[rf.no] = rf
			c.say("%s: %d fen of %s given back in the merchant console", no, left, m.id)
		}
		return "console refund of " + m.id
	}
	return ""
}

// paidFor is what was paid for an order first, 0 = nothing, and a number for a refund
// in the merchant console.
func (c *wechat) paidFor(no string) (fen int64, refund string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.trades[no]; t != nil && len(t.money) > 0 {
		return t.first().fen, c.number("CONSOLE")
	}
	return 0, ""
}

// underWay tells whether a refund in the merchant console has yet to end.
func (c *wechat) underWay(no, transaction string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	t := c.trades[no]
	return t != nil && slices.ContainsFunc(t.refunds, func(rf *refund) bool {
		return rf.console && rf.state == payflow.RefundProcessing && (transaction == "" || rf.money.id == transaction)
	})
}

// tellOf sends the notice of a refund in the merchant console on its way.
func (c *wechat) tellOf(refund string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.w.notifyRefund(c.refunds[refund])
}

// paidFirst tells whether the transaction is the first that was paid for the order.
func (c *wechat) paidFirst(no, transaction string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.trades[no]
	return t != nil && len(t.money) > 0 && t.money[0].id == transaction
}

// paidTwice tells whether there is more than one payment for the order.
func (c *wechat) paidTwice(no string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.trades[no]
	return t != nil && len(t.money) > 1
}

// allBack tells whether nothing that was paid for the order is left with the
// hospital.
func (c *wechat) allBack(no string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	t := c.trades[no]
	return t == nil || !slices.ContainsFunc(t.money, func(m *money) bool { return m.back < m.fen })
}

// leaves notes that a refund leaves hisgate for WeChat, whatever becomes of it,
// and holds that against what must never happen: that more could go back than was
// paid (I4, [D7]), or the money of an order that the HIS has deducted for (I5).
func (c *wechat) leaves(in payflow.RefundIntent, l *life) {
	if l.dead() {
		return
	}
	deducted, persons := c.w.hisNow(in.OrderNo), c.w.byPerson(in.OrderNo)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	t := c.trades[in.OrderNo]
	if t == nil || len(t.money) == 0 {
		c.w.violated("I4 only what was paid goes back", in.OrderNo, "refund %s of %d fen, and nothing was paid", in.OutRefundNo, in.RefundFen)
		return
	}
	t.sent[in.OutRefundNo] = in.RefundFen
	sum := int64(0)
	for no, fen := range t.sent {
		if rf := c.refunds[no]; rf == nil || rf.state != payflow.RefundClosed {
			sum += fen
		}
	}
	if sum > t.first().fen {
		c.w.violated("I4 no refund twice", in.OrderNo, "%s: refunds that may all arrive are %d fen, paid were %d", in.OutRefundNo, sum, t.first().fen)
	}
	if len(deducted) > 0 && !persons {
		c.w.violated("I5 no refund while the HIS has deducted", in.OrderNo, "%s leaves, and at the HIS stands %s", in.OutRefundNo, deducted)
	}
}

// refusedSend forgets a number that WeChat verifiably does not have.
func (c *wechat) refusedSend(no string, err error) {
	if e := (*payflow.ChannelError)(nil); !errors.As(err, &e) || e.Outcome != payflow.ChannelRefused {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refunds[no] != nil {
		return
	}
	for _, t := range c.inOrder {
		delete(t.sent, no)
	}
}
