package payflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

var errLost = errors.New("the answer was lost")

// answer scripts one call: the error, and whether the other side did it all the
// same. hang waits until the caller gives up.
type answer struct {
	err  error
	did  bool
	hang bool
	call func() // runs inside the call, before it takes effect
}

// calm ends the chaos.
func (s *script) calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chaos = nil
}

// script holds the answers of coming calls by operation.
type script struct {
	chaos func(op string) answer // of calls that no answer is scripted for; nil = fine
	mu    sync.Mutex
	next  map[string][]answer
	calls map[string]int
}

func (s *script) on(op string, answers ...answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = map[string][]answer{}
	}
	s.next[op] = append(s.next[op], answers...)
}

// forget drops the answers that are still scripted for an operation.
func (s *script) forget(op string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.next, op)
}

func (s *script) count(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

// play runs act by the script; an error of the script hides what act did.
func (s *script) play(ctx context.Context, op string, act func() error) error {
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[op]++
	var a answer
	scripted := len(s.next[op]) > 0
	if scripted {
		a = s.next[op][0]
		s.next[op] = s.next[op][1:]
	} else if s.chaos != nil {
		a, scripted = s.chaos(op), true
	}
	s.mu.Unlock()
	if a.call != nil {
		a.call()
	}
	if a.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if scripted && a.err != nil && !a.did {
		return a.err
	}
	err := act()
	if scripted && a.err != nil {
		return a.err
	}
	return err
}

// fakeLocks is the stock half: a HIS and a ledger in one.
type fakeLocks struct {
	script
	stock      map[string]int64
	price      map[string]string
	multiple   map[string]int64
	stopped    map[string]bool
	stale      bool
	freezeEnds time.Duration // from the lock on; 0 = never
	degraded   bool
	pending    bool // a lock is not held yet when Lock answers
	unsettled  bool // released locks are not settled yet
	now        func() time.Time

	locks   map[string]*fakeLock
	tombs   map[string]bool
	paidReq map[string]bool // orders whose last Lock said Paid
	orders  []string        // HIS orders made, by order_no

	onRelease func(no string) // called before a release is judged
	editList  func(day string, list []payflow.HISOrder) []payflow.HISOrder
	found     int // what LookAgain finds
}

type fakeLock struct {
	payflow.Lock
	items   []payflow.Item
	refused bool
	madeAt  time.Time // of the HIS order
	fen     int64
	gone    bool // cancelled at the HIS, which told nobody yet
}

func newLocks(now func() time.Time) *fakeLocks {
	return &fakeLocks{
		stock: map[string]int64{"A": 10, "B": 100}, price: map[string]string{"A": "3.3330", "B": "1.00"},
		multiple: map[string]int64{}, stopped: map[string]bool{}, now: now,
		locks: map[string]*fakeLock{}, tombs: map[string]bool{}, paidReq: map[string]bool{},
	}
}

func (f *fakeLocks) Lock(ctx context.Context, r payflow.LockRequest) (lk payflow.Lock, err error) {
	err = f.play(ctx, "lock", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.paidReq[r.OrderNo] = r.Paid
		l := f.locks[r.OrderNo]
		switch {
		case f.tombs[r.OrderNo] && l == nil && !r.NewAttempt:
			return payflow.ErrEnded
		case l != nil && !l.Released:
			lk = l.Lock
			lk.Held = lk.Held && !f.pending
			return nil
		case l != nil && !l.Settled:
			return payflow.ErrUnsettled
		case l != nil && !l.refused && !r.NewAttempt:
			return payflow.ErrEnded
		}
		attempt := 1
		if l != nil {
			attempt = l.Attempt + 1
		}
		fresh := &fakeLock{Lock: payflow.Lock{Attempt: attempt, HisNo: fmt.Sprintf("%s-%d", r.OrderNo, attempt), Held: true, Degraded: f.degraded}, items: slices.Clone(r.Items)}
		var short []payflow.Shortage
		for _, it := range r.Items {
			if f.stock[it.DrugID] < it.Quantity {
				short = append(short, payflow.Shortage{DrugID: it.DrugID, Requested: it.Quantity, Available: f.stock[it.DrugID]})
			}
		}
		f.locks[r.OrderNo] = fresh
		if short != nil {
			fresh.Held, fresh.Released, fresh.Settled, fresh.refused = false, true, true, true
			return &payflow.ShortError{Shortages: short}
		}
		for _, it := range r.Items {
			f.stock[it.DrugID] -= it.Quantity
		}
		if f.freezeEnds > 0 {
			fresh.FreezeExpires = f.now().Add(f.freezeEnds)
		}
		lk = fresh.Lock
		lk.Held = !f.pending
		return nil
	})
	if err != nil {
		return payflow.Lock{}, err
	}
	return lk, nil
}

func (f *fakeLocks) Confirm(ctx context.Context, no string, r payflow.Reference) (lk payflow.Lock, err error) {
	err = f.play(ctx, "confirm", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		l := f.locks[no]
		switch {
		case l == nil:
			return payflow.ErrNotFound
		case l.Released:
			return payflow.ErrEnded
		case !l.Confirmed:
			l.Confirmed, l.Held, l.HisOrderNo = true, false, "HIS-"+l.HisNo
			f.orders = append(f.orders, no)
			l.madeAt, l.fen = f.now(), r.DrugsFen
		}
		lk = l.Lock
		return nil
	})
	if err != nil {
		return payflow.Lock{}, err
	}
	return lk, nil
}

// refuseConfirm makes the next confirm of any order fail for good and release it.
func (f *fakeLocks) refuseConfirm(no, kind string) answer {
	return answer{err: &payflow.RefusedError{Kind: kind, ForGood: true, Code: "E1", Message: "库存不足"}, call: func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.free(f.locks[no])
	}}
}

func (f *fakeLocks) free(l *fakeLock) {
	if l == nil || l.Released || l.Confirmed {
		return
	}
	for _, it := range l.items {
		f.stock[it.DrugID] += it.Quantity
	}
	l.Held, l.Released, l.Settled = false, true, !f.unsettled
}

func (f *fakeLocks) Release(ctx context.Context, no string) (lk payflow.Lock, err error) {
	f.mu.Lock()
	look := f.onRelease
	f.mu.Unlock()
	if look != nil {
		look(no)
	}
	err = f.play(ctx, "release", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		l := f.locks[no]
		switch {
		case l == nil:
			f.tombs[no] = true
			lk = payflow.Lock{Released: true, Settled: true}
			return nil
		case l.Confirmed:
			return payflow.ErrConfirmed
		}
		f.free(l)
		if l.Released {
			l.Settled = !f.unsettled
		}
		lk = l.Lock
		return nil
	})
	if err != nil {
		return payflow.Lock{}, err
	}
	return lk, nil
}

func (f *fakeLocks) Get(ctx context.Context, no string) (lk payflow.Lock, err error) {
	err = f.play(ctx, "get", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		switch l := f.locks[no]; {
		case l != nil:
			if l.Released {
				l.Settled = !f.unsettled
			}
			lk = l.Lock
		case f.tombs[no]:
			lk = payflow.Lock{Released: true, Settled: true}
		default:
			return payflow.ErrNotFound
		}
		return nil
	})
	if err != nil {
		return payflow.Lock{}, err
	}
	return lk, nil
}

func (f *fakeLocks) Check(ctx context.Context, r payflow.CheckStock) (lines []payflow.StockLine, err error) {
	op := "check"
	if r.Live {
		op = "check_live"
	}
	err = f.play(ctx, op, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, it := range r.Items {
			on, known := f.stock[it.DrugID]
			if l := f.locks[r.OrderNo]; l != nil && l.Held { // own holds do not count [A9]
				for _, own := range l.items {
					if own.DrugID == it.DrugID {
						on += own.Quantity
					}
				}
			}
			lines = append(lines, payflow.StockLine{
				DrugID: it.DrugID, Requested: it.Quantity, Available: on, Unknown: !known, Stopped: f.stopped[it.DrugID],
				Multiple: max(f.multiple[it.DrugID], 1), Price: f.price[it.DrugID], PricePer: 1, Checked: true, Stale: f.stale, AsOf: f.now(),
			})
		}
		return nil
	})
	return lines, err
}

// onReleases has look see each release before it is judged; nil = nobody looks.
func (f *fakeLocks) onReleases(look func(no string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onRelease = look
}

// forgets loses all that the ledger knows of an order; the HIS keeps its own.
func (f *fakeLocks) forgets(no string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.locks, no)
}

// settles says whether released locks count as settled from now on.
func (f *fakeLocks) settles(yes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unsettled = !yes
}

// doubt has the lock wait for a person.
func (f *fakeLocks) doubt(no, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.locks[no].Case = why
}

func (f *fakeLocks) Cancel(ctx context.Context, no string) (lk payflow.Lock, err error) {
	err = f.play(ctx, "cancel", func() error {
		f.cancelOrder(no)
		f.mu.Lock()
		defer f.mu.Unlock()
		lk = f.locks[no].Lock
		return nil
	})
	if err != nil {
		return payflow.Lock{}, err
	}
	return lk, nil
}

func (f *fakeLocks) Standing(ctx context.Context, no string) (lk payflow.Lock, err error) {
	err = f.play(ctx, "standing", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		l := f.locks[no]
		if l == nil {
			return payflow.ErrNotFound
		}
		if l.gone {
			l.Cancelled, l.Settled = true, true
		}
		lk = l.Lock
		return nil
	})
	if err != nil {
		return payflow.Lock{}, err
	}
	return lk, nil
}

// cancelThere is somebody at the HIS who cancels its order; the ledger hears of it when
// the HIS is asked.
func (f *fakeLocks) cancelThere(no string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.locks[no].gone = true
}

// lose is a ledger that has lost a lock.
func (f *fakeLocks) lose(no string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.locks, no)
}

// cancelOrder cancels the HIS order, at the HIS.
func (f *fakeLocks) cancelOrder(no string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.locks[no].Cancelled, f.locks[no].Settled = true, true
}

// appliedByHand is a person who says of a released lock that the HIS has deducted for it.
func (f *fakeLocks) appliedByHand(no string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.locks[no]
	l.Released, l.Settled, l.Confirmed, l.HisOrderNo = false, false, true, "HIS-"+l.HisNo
	f.orders = append(f.orders, no)
}

// sell is the counter, behind our back.
func (f *fakeLocks) sell(drug string, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stock[drug] -= n
}

func (f *fakeLocks) left(drug string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stock[drug]
}

func (f *fakeLocks) made() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.orders)
}

// fakePay is WeChat.
type fakePay struct {
	script
	now     func() time.Time
	trades  map[string]*trade
	seconds map[string]payflow.Transaction // by transaction
	refunds map[string]*payflow.RefundAnswer
	bodies  map[string][]string  // what Prepay was sent, by order
	state   payflow.RefundState  // of a fresh refund; "" = PROCESSING
	takenAt map[string]time.Time // of refunds
	editRow func(day string, rows []payflow.BillRow) []payflow.BillRow
	onPay   string // appid override of transactions
}

type trade struct {
	payflow.Transaction
	expire time.Time
}

func newPay(now func() time.Time) *fakePay {
	return &fakePay{now: now, trades: map[string]*trade{}, refunds: map[string]*payflow.RefundAnswer{}, bodies: map[string][]string{}, takenAt: map[string]time.Time{}}
}

func (f *fakePay) BuildPrepay(p payflow.PrepayIntent) ([]byte, error) {
	if p.Description == "too long" {
		return nil, &payflow.FieldError{Field: "description", Reason: "too long"}
	}
	return json.Marshal(p)
}

func (f *fakePay) Prepay(ctx context.Context, m payflow.Method, body []byte) (out payflow.Prepay, err error) {
	var p payflow.PrepayIntent
	if err := json.Unmarshal(body, &p); err != nil {
		return out, err
	}
	f.mu.Lock()
	f.bodies[p.OrderNo] = append(f.bodies[p.OrderNo], string(body))
	f.mu.Unlock()
	err = f.play(ctx, "prepay", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if t := f.trades[p.OrderNo]; t != nil && t.State != payflow.TradeNotPay {
			return refusal("prepay", map[payflow.TradeState]string{payflow.TradeSuccess: "ORDERPAID", payflow.TradeClosed: "ORDERCLOSED"}[t.State])
		}
		f.trades[p.OrderNo] = &trade{Transaction: payflow.Transaction{
			OrderNo: p.OrderNo, MchID: "M1", AppID: p.AppID, State: payflow.TradeNotPay, TotalFen: p.TotalFen, Currency: "CNY",
		}, expire: p.TimeExpire}
		out = payflow.Prepay{PrepayID: "wx-" + p.OrderNo}
		if m == payflow.Native {
			out = payflow.Prepay{CodeURL: "weixin://" + p.OrderNo}
		}
		return nil
	})
	if err != nil {
		return payflow.Prepay{}, err
	}
	return out, nil
}

// refusal is WeChat's verified refusal.
func refusal(op, code string) error {
	return &payflow.ChannelError{Op: op, Outcome: payflow.ChannelRefused, Status: 400, Code: code}
}

// channelFailure is no word of WeChat.
func channelFailure(o payflow.ChannelOutcome) error {
	return &payflow.ChannelError{Op: "x", Outcome: o, Message: "scripted"}
}

func (f *fakePay) Query(ctx context.Context, no string) (tx payflow.Transaction, err error) {
	err = f.play(ctx, "query", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		t := f.trades[no]
		if t == nil {
			return refusal("query", "ORDERNOTEXIST")
		}
		tx = t.Transaction
		return nil
	})
	if err != nil {
		return payflow.Transaction{}, err
	}
	return tx, nil
}

// QueryTransaction is scripted as "query" is.
func (f *fakePay) QueryTransaction(ctx context.Context, id string) (tx payflow.Transaction, err error) {
	err = f.play(ctx, "query", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, t := range f.trades {
			if t.TransactionID == id {
				tx = t.Transaction
				return nil
			}
		}
		if second, known := f.seconds[id]; known {
			tx = second
			return nil
		}
		return refusal("query", "ORDERNOTEXIST")
	})
	if err != nil {
		return payflow.Transaction{}, err
	}
	return tx, nil
}

// payAgain is a second payment of an order, of which Query does not tell.
func (f *fakePay) payAgain(no string) payflow.Transaction {
	f.mu.Lock()
	defer f.mu.Unlock()
	tx := second(f.trades[no].Transaction)
	tx.PaidAt = f.now()
	if f.seconds == nil {
		f.seconds = map[string]payflow.Transaction{}
	}
	f.seconds[tx.TransactionID] = tx
	return tx
}

func (f *fakePay) Close(ctx context.Context, no string) error {
	return f.play(ctx, "close", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		switch t := f.trades[no]; {
		case t == nil:
			return refusal("close", "ORDERNOTEXIST")
		case t.State == payflow.TradeSuccess:
			return refusal("close", "ORDERPAID")
		default:
			t.State = payflow.TradeClosed
			return nil
		}
	})
}

func (f *fakePay) Refund(ctx context.Context, r payflow.RefundIntent) (a payflow.RefundAnswer, err error) {
	err = f.play(ctx, "refund", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		got := f.refunds[r.OutRefundNo]
		if got == nil {
			state := f.state
			if state == "" {
				state = payflow.RefundProcessing
			}
			got = &payflow.RefundAnswer{OrderNo: r.OrderNo, OutRefundNo: r.OutRefundNo, RefundID: "R", MchID: "M1", State: state, RefundFen: r.RefundFen, TotalFen: r.TotalFen, TakenAt: f.now()}
			f.refunds[r.OutRefundNo] = got
			f.takenAt[r.OutRefundNo] = f.now()
		}
		a = *got
		return nil
	})
	if err != nil {
		return payflow.RefundAnswer{}, err
	}
	return a, nil
}

func (f *fakePay) QueryRefund(ctx context.Context, no string) (a payflow.RefundAnswer, err error) {
	err = f.play(ctx, "refund_query", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		got := f.refunds[no]
		if got == nil {
			return refusal("refund_query", "RESOURCENOTEXISTS")
		}
		a = *got
		return nil
	})
	if err != nil {
		return payflow.RefundAnswer{}, err
	}
	return a, nil
}

func (f *fakePay) Invoke(m payflow.Method, appID, prepayID string) (map[string]string, error) {
	if m == payflow.App {
		return map[string]string{"appid": appID, "prepayid": prepayID, "timestamp": fmt.Sprint(f.now().Unix())}, nil
	}
	return map[string]string{"appId": appID, "package": "prepay_id=" + prepayID, "timeStamp": fmt.Sprint(f.now().Unix())}, nil
}

func (f *fakePay) ParsePayment(ctx context.Context, c payflow.Callback) (tx payflow.Transaction, err error) {
	if c.Signature != "good" {
		return tx, &payflow.CallbackError{Reason: "SIGNATURE"}
	}
	return tx, json.Unmarshal(c.Body, &tx)
}

func (f *fakePay) ParseRefund(ctx context.Context, c payflow.Callback) (a payflow.RefundAnswer, err error) {
	if c.Signature != "good" {
		return a, &payflow.CallbackError{Reason: "SIGNATURE"}
	}
	return a, json.Unmarshal(c.Body, &a)
}

// pay is the patient, and the transaction that WeChat tells of.
func (f *fakePay) pay(no string) payflow.Transaction {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.trades[no]
	t.State, t.TransactionID, t.PaidAt = payflow.TradeSuccess, "tx-"+no, f.now()
	if f.onPay != "" {
		t.AppID = f.onPay
	}
	return t.Transaction
}

// tryPay is a patient who pays if WeChat lets them; money may come after a close.
func (f *fakePay) tryPay(no string) (tx payflow.Transaction, late, ok bool) {
	f.mu.Lock()
	t := f.trades[no]
	late = t != nil && t.State == payflow.TradeClosed
	ok = t != nil && t.State != payflow.TradeSuccess && (t.State != payflow.TradeNotPay || !f.now().After(t.expire))
	f.mu.Unlock()
	if !ok {
		return payflow.Transaction{}, false, false
	}
	return f.pay(no), late, true
}

func (f *fakePay) isPaid(no string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.trades[no]
	return t != nil && t.State == payflow.TradeSuccess
}

// payOutAll has all refunds reach the patients.
func (f *fakePay) payOutAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.refunds {
		r.State = payflow.RefundSuccess
	}
}

// answerRefunds says what a fresh refund is answered with.
func (f *fakePay) answerRefunds(s payflow.RefundState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = s
}

// change alters what WeChat says of a transaction.
func (f *fakePay) change(no string, alter func(*payflow.Transaction)) payflow.Transaction {
	f.mu.Lock()
	defer f.mu.Unlock()
	alter(&f.trades[no].Transaction)
	return f.trades[no].Transaction
}

func (f *fakePay) set(outRefundNo string, s payflow.RefundState) payflow.RefundAnswer {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refunds[outRefundNo].State = s
	return *f.refunds[outRefundNo]
}

// sentRefunds is what WeChat took, as out_refund_no → fen.
func (f *fakePay) sentRefunds() map[string]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]int64{}
	for no, r := range maps.All(f.refunds) {
		out[no] = r.RefundFen
	}
	return out
}

func notice(v any) payflow.Callback {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return payflow.Callback{Signature: "good", Body: body}
}
