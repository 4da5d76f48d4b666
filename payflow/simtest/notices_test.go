package simtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// noticeWaits are WeChat's waits between the attempts of a notice.
var noticeWaits = []time.Duration{
	15 * time.Second, 15 * time.Second, 30 * time.Second, 3 * time.Minute, 10 * time.Minute, 20 * time.Minute,
	30 * time.Minute, 30 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 6 * time.Hour, 6 * time.Hour,
}

// notify sends the notice of a payment on its way.
func (w *world) notify(t *trade, m *money) {
	body, _ := json.Marshal(t.tell(m))
	w.background(func() {
		// Money after the close, and a second payment, are told of by their notice
		// alone, and by the daily bill: one of the two arrives in the end. (Asked about
		// an order, WeChat tells of its first payment.)
		alone := m.late || m != t.money[0]
		if m == t.money[0] && m.late && w.plan.reconcile && w.dice.at("notice of late money "+m.id, 0).chance(0.3) {
			w.tally.fault("notice: the bill alone tells of late money")
			w.trace.say("WeChat", "notice of payment %s of %s never comes", m.id, t.no)
			return
		}
		w.deliver("payment "+m.id+" of "+t.no, body, alone, func(ctx context.Context, o *payflow.Service, cb payflow.Callback) error {
			return o.PaymentCallback(ctx, cb)
		}, func() {
			w.wechat.mu.Lock()
			defer w.wechat.mu.Unlock()
			m.acked = time.Now()
		})
	})
}

// notifyRefund sends the notice of a refund's end on its way.
func (w *world) notifyRefund(rf *refund) {
	rf.told = true
	ends := time.Until(rf.endsAt)
	w.background(func() {
		time.Sleep(ends + time.Nanosecond)
		w.wechat.mu.Lock()
		w.wechat.settle()
		body, _ := json.Marshal(rf.tell())
		w.wechat.mu.Unlock()
		w.deliver("refund "+rf.no, body, false, func(ctx context.Context, o *payflow.Service, cb payflow.Callback) error {
			return o.RefundCallback(ctx, cb)
		}, func() {})
	})
}

type ring func(context.Context, *payflow.Service, payflow.Callback) error

// deliver makes WeChat's attempts until one is answered with success. sure is a
// notice that must arrive: its attempts may be lost as long as the trouble lasts.
func (w *world) deliver(what string, body []byte, sure bool, at ring, acked func()) {
	r := w.dice.at("notice "+what, 0)
	if !sure && (w.plan.deaf || r.chance(0.08*w.rough())) {
		w.tally.fault("notice: never comes")
		w.trace.say("WeChat", "notice of %s never comes", what)
		return
	}
	wait := r.between(100*time.Millisecond, 3*time.Second)
	if r.chance(0.10 * w.rough()) {
		wait = r.between(time.Minute, 50*time.Minute)
		w.tally.fault("notice: delayed")
	}
	for n := 0; ; n++ {
		time.Sleep(wait)
		r := w.dice.at("notice "+what, n+1)
		lost := w.troubled() && r.chance(0.2*w.rough()) || w.plan.deaf && w.troubled()
		if lost {
			w.tally.fault("notice: an attempt is lost")
		} else {
			if r.chance(0.05 * w.rough()) {
				w.tally.fault("notice: forged")
				w.forge(body, at)
			}
			if r.chance(0.10 * w.rough()) {
				w.tally.fault("notice: comes twice at once")
				w.background(func() { _ = w.attempt(what, body, at, acked) })
			}
			err := w.attempt(what, body, at, acked)
			switch {
			case err == nil && w.troubled() && r.chance(0.1*w.rough()):
				w.tally.fault("notice: its answer is lost")
			case err == nil:
				return
			}
		}
		if n >= len(noticeWaits) {
			return
		}
		wait = noticeWaits[n] + r.between(0, time.Second)
	}
}

var errDown = errors.New("connection refused")

func (w *world) attempt(what string, body []byte, at ring, acked func()) error {
	l := w.alive()
	if l == nil {
		w.tally.fault("notice: finds nobody")
		return errDown
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	skew := w.skew()
	err := at(ctx, l.orders, payflow.Callback{
		Timestamp: time.Now().Format(time.RFC3339Nano), Signature: genuine, Body: body, ReceivedAt: w.wall(),
	})
	w.trace.say("WeChat", "notice of %s → %v", what, err)
	refusal := (*payflow.CallbackError)(nil)
	switch {
	case err == nil:
		acked()
	case errors.As(err, &refusal) && refusal.Reason == "STALE" && (skew > maxSkew || skew < -maxSkew):
	case errors.As(err, &refusal):
		w.violated("a genuine notice is taken", "", "%s: %v", what, err)
	}
	return err
}

// forge sends what somebody made up.
func (w *world) forge(body []byte, at ring) {
	l := w.alive()
	if l == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := at(ctx, l.orders, payflow.Callback{
		Timestamp: time.Now().Format(time.RFC3339Nano), Signature: "made up", Body: body, ReceivedAt: w.wall(),
	})
	if err == nil {
		w.violated("a forged notice is refused", "", "it was taken: %s", body)
	}
}
