package simtest_test

import (
	"context"
	"errors"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
)

// client is the principal of the mini-program's back end, service that of the
// internal service that only locks.
const (
	client  = "web"
	service = "prescriptions"
)

// patient is one patient with one order, and the back end that speaks for them.
type patient struct {
	w    *world
	plan *orderPlan
}

func (p patient) say(format string, args ...any) {
	p.w.trace.say("patient", p.plan.no+" "+format, args...)
}

// live is the patient's part of the story.
func (p patient) live() {
	time.Sleep(p.plan.at)
	if p.plan.cancels {
		p.w.later(p.plan.cancelAt, p.cancel)
	}
	if p.plan.twice {
		p.w.background(func() { p.order() })
	}
	o, ok := p.order()
	if ok && p.plan.strategy == payflow.Hold {
		time.Sleep(p.plan.prepay)
		p.prepay()
	}
	if o.No == "" {
		return
	}
	if p.plan.anomaly == "console refund" {
		p.w.background(p.console)
	}
	p.pay(o.PayDeadline)
	for range p.plan.syncs {
		time.Sleep(p.w.throw("sync", p.plan.no).between(100*time.Millisecond, 4*time.Minute))
		p.w.ask(p.plan.no, func(ctx context.Context, l *life) error {
			_, err := l.orders.Sync(ctx, client, p.plan.no)
			return err
		})
	}
}

// ask has somebody put one question to whoever lives now; errDown when nobody
// does, or who was asked dies over it.
func (w *world) ask(who string, f func(context.Context, *life) error) error {
	l := w.alive()
	if l == nil {
		return errDown
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := f(ctx, l)
	if err != nil && w.alive() != l {
		time.Sleep(w.throw("dropped", who).between(0, 10*time.Millisecond))
		return errDown
	}
	return err
}

// again tells whether a client should repeat a request that ended so.
func again(err error) bool {
	var notYet *payflow.NotYetError
	return errors.Is(err, errDown) || errors.Is(err, payflow.ErrStopped) || errors.Is(err, payflow.ErrRecovering) || errors.As(err, &notYet) ||
		errors.Is(err, payflow.ErrUnavailable) || errors.Is(err, payflow.ErrPending) || errors.Is(err, payflow.ErrMisconfigured) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

const tries = 8

func (p patient) request() payflow.CreateRequest {
	r := payflow.CreateRequest{
		Principal: client, OrderNo: p.plan.no, Strategy: p.plan.strategy, PharmacyID: pharmacy, Items: p.plan.items,
		Pricing: true, Attributes: map[string]string{"patient_id": "P" + p.plan.no},
	}
	if p.plan.rx != "" {
		r.Attributes["rx_no"] = p.plan.rx
	}
	if !p.plan.derive {
		r.Amount.DrugsFen = p.w.listPrice(p.plan.items)
		r.Amount.OtherFen = 1500
		r.Amount.TotalFen = r.Amount.DrugsFen + r.Amount.OtherFen
	}
	if p.plan.strategy != payflow.Hold {
		r.Payment = p.terms()
	}
	return r
}

func (p patient) terms() *payflow.PaymentTerms {
	t := &payflow.PaymentTerms{Method: p.plan.method, AppID: app, Description: "互联网医院药费"}
	if t.Method == payflow.JSAPI {
		t.OpenID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
	}
	return t
}

// order creates the order, and repeats the request while its end is not known.
// ok tells whether the patient can go on.
func (p patient) order() (o payflow.Order, ok bool) {
	for range tries {
		err := p.w.ask(p.plan.no, func(ctx context.Context, l *life) (err error) {
			o, err = l.orders.Create(ctx, p.request())
			return err
		})
		p.say("orders (%s) → %s", p.plan.strategy, answer(o.State, err))
		var notYet *payflow.NotYetError
		switch {
		case err == nil:
			p.w.said.order(p.w, &o)
			return o, true
		case errors.As(err, &notYet):
			o = notYet.Order
			p.w.said.order(p.w, &o)
		case !again(err):
			return payflow.Order{}, false
		}
		time.Sleep(p.w.throw("try", p.plan.no).between(time.Second, 20*time.Second))
	}
	return o, false
}

func answer(s payflow.State, err error) string {
	if err != nil {
		return err.Error()
	}
	return string(s)
}

func (p patient) prepay() {
	for range tries {
		var o payflow.Order
		err := p.w.ask(p.plan.no, func(ctx context.Context, l *life) (err error) {
			o, err = l.orders.Prepay(ctx, payflow.PrepayRequest{Principal: client, OrderNo: p.plan.no, Payment: p.terms()})
			return err
		})
		p.say("asks for the payment → %s", answer(o.State, err))
		if err == nil {
			p.w.said.order(p.w, &o)
		}
		if err == nil || !again(err) {
			return
		}
		time.Sleep(p.w.throw("try", p.plan.no).between(time.Second, 15*time.Second))
	}
}

func (p patient) cancel() {
	var o payflow.Order
	err := p.w.ask(p.plan.no, func(ctx context.Context, l *life) (err error) {
		o, err = l.orders.Cancel(ctx, payflow.CancelRequest{Principal: client, OrderNo: p.plan.no})
		return err
	})
	p.say("cancels → %s", answer(o.State, err))
	if err == nil {
		p.w.said.order(p.w, &o)
	}
}

// pay pays, or not, at the moment that the plan says.
func (p patient) pay(deadline time.Time) {
	w, no := p.w, p.plan.no
	r := w.dice.at("pay "+no, 0)
	until := time.Until(deadline.Add(-w.skew()))
	anomaly := p.plan.anomaly
	if anomaly != "wrong amount" && anomaly != "wrong appid" {
		anomaly = ""
	}
	paid := false
	switch p.plan.pays {
	case "never":
		return
	case "soon":
		time.Sleep(r.between(3*time.Second, 2*time.Minute))
	case "later":
		time.Sleep(r.between(2*time.Minute, 12*time.Minute))
	case "deadline":
		time.Sleep(max(0, until+p.plan.slip))
	case "closing": // the patient types the password while hisgate closes
		time.Sleep(max(0, until-r.between(0, 4*time.Second)))
		if !w.wechat.keypad(no) {
			return
		}
		time.Sleep(r.between(time.Second, 3*time.Minute))
		if r.chance(0.3) {
			w.wechat.unkeypad(no)
			return
		}
	case "after close": // money that was under way when the trade was closed
		for range 200 {
			time.Sleep(r.between(5*time.Second, 25*time.Second))
			if w.wechat.pay(no, anomaly, true) {
				break
			}
		}
		return
	}
	for n := 0; !paid && n < 4; n++ { // the prepay may be under way still
		if paid = w.wechat.pay(no, anomaly, false); !paid {
			time.Sleep(r.between(time.Second, 90*time.Second))
		}
	}
	// Which of two payments is the second is WeChat's to say: it has the first known.
	for n := 0; paid && p.plan.anomaly == "second payment" && n < 20; n++ {
		time.Sleep(r.between(time.Second, 5*time.Minute))
		known := false
		_ = w.ask(no, func(ctx context.Context, l *life) error {
			o, err := l.orders.Get(ctx, "", no)
			known = o.Payment != nil
			return err
		})
		if known {
			w.wechat.pay(no, "second payment", false)
			return
		}
	}
}

// console is somebody who refunds behind hisgate's back.
func (p patient) console() {
	time.Sleep(p.w.throw("console", p.plan.no).between(30*time.Second, 100*time.Minute))
	p.w.person(p.plan.no, "console refund")
	if p.w.wechat.console(p.plan.no, "") != "" {
		p.w.tally.fault("WeChat: console refund behind our back")
	}
}

// serve is an internal service that holds stock and pays elsewhere.
func (w *world) serve(p *lockPlan) {
	time.Sleep(p.at)
	held := false
	for range tries {
		var lk lockstore.Lock
		err := w.ask(p.no, func(ctx context.Context, l *life) (err error) {
			lk, err = l.gateway.Lock(ctx, gateway.LockRequest{
				Principal: service, OrderNo: p.no, PharmacyID: pharmacy, TTL: 15 * time.Minute,
				Items: []lockstore.Item{{DrugID: p.drug, Quantity: p.quantity}},
			})
			return err
		})
		w.trace.say("service", "%s locks %d of %s → %v %v", p.no, p.quantity, p.drug, lk.Status, err)
		if err == nil {
			w.said.lock(w, &lk)
			held = true
			break
		}
		time.Sleep(w.throw("try", p.no).between(time.Second, 15*time.Second))
	}
	time.Sleep(p.then)
	if !held || p.fate == "expire" {
		return
	}
	for range tries {
		var lk lockstore.Lock
		err := w.ask(p.no, func(ctx context.Context, l *life) (err error) {
			if p.fate == "confirm" {
				lk, err = l.gateway.Confirm(ctx, service, p.no, lockstore.Reference{TransactionID: "cash " + p.no})
			} else {
				lk, err = l.gateway.Release(ctx, service, p.no)
			}
			return err
		})
		w.trace.say("service", "%s %ss → %v %v", p.no, p.fate, lk.Status, err)
		if err == nil {
			w.said.lock(w, &lk)
			return
		}
		time.Sleep(w.throw("try", p.no).between(time.Second, 30*time.Second))
	}
}

// listPrice is what the shop thinks that the items cost: the prices of the
// morning.
func (w *world) listPrice(items []payflow.Item) (fen int64) {
	for _, it := range items {
		switch it.DrugID {
		case "A":
			fen += (it.Quantity*33330 + 5000) / 10000
		case "B":
			fen += it.Quantity * 1250
		case "C":
			fen += it.Quantity * 85
		}
	}
	return fen
}
