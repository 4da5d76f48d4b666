package lockstore_test

import (
	"pgregory.net/rapid"

	"github.com/hisgate/hisgate/lockstore"
)

// actCall does for one lock what the gateway would do now: the next call to the
// HIS with any outcome, or a look at what became of the last one.
func (w *world) actCall(t *rapid.T) {
	work := w.Work(1)
	if len(work) == 0 {
		t.Skip("no work")
	}
	l := work[0]
	if w.his == nil {
		w.actCallBlind(t, l)
		return
	}
	if l.Unknown {
		w.look(l)
		return
	}
	switch {
	case l.Status == lockstore.Confirming && (!l.Freeze || w.net(l)):
		w.call(t, l, lockstore.OpPlaceOrder, lockstore.EvOrderPlaced, func() bool { return w.his.place(l.HISNo, w.units(l)) })
	case l.Status == lockstore.Releasing || l.Status == lockstore.Released:
		w.call(t, l, lockstore.OpUnfreeze, lockstore.EvUnfreezeDone, func() bool { return w.his.unfreeze(l.HISNo) })
	default:
		w.call(t, l, lockstore.OpFreeze, lockstore.EvFreezeDone, func() bool { return w.his.freeze(l.HISNo, w.units(l)) })
	}
}

func (w *world) units(l lockstore.Lock) int64 { return w.locks[l.OrderNo].units }

// call makes one call with an outcome that is drawn.
func (w *world) call(t *rapid.T, l lockstore.Lock, op string, done lockstore.EventKind, apply func() bool) {
	unknown := lockstore.Event{Kind: lockstore.EvUnknown, Op: op}
	switch rapid.SampledFrom([]string{"done", "done", "done", "not sent", "applied", "late", "lost"}).Draw(t, "outcome") {
	case "done":
		w.answer(l, op, done, apply())
	case "not sent":
		w.saw(w.record(l.ID(), lockstore.Event{Kind: lockstore.EvNotDone, Op: op}), false)
	case "applied":
		apply()
		w.saw(w.record(l.ID(), unknown), false)
	case "late":
		w.his.late = append(w.his.late, func() { apply() })
		w.saw(w.record(l.ID(), unknown), false)
	case "lost":
		w.saw(w.record(l.ID(), unknown), false)
	}
}

// answer records what a call came back with. A refusal is explained by the state
// of the order at the HIS; for stock it may never be (I1).
func (w *world) answer(l lockstore.Lock, op string, done lockstore.EventKind, ok bool) {
	o := w.his.order(l.HISNo)
	ev := lockstore.Event{Kind: done, Op: op, HISOrderNo: "H"}
	switch {
	case ok && done == lockstore.EvFreezeDone:
		ev.FreezeExpires = w.clock.Now().Add(o.expires - w.Mono())
	case ok:
	case op == lockstore.OpFreeze && o.state == "deducted", op == lockstore.OpUnfreeze && o.state == "deducted":
		ev.Kind = lockstore.EvOrderPlaced
	case o.state == "lapsed" && op != lockstore.OpFreeze:
		ev.Kind = lockstore.EvFreezeLapsed
	case o.state == "" && op == lockstore.OpUnfreeze:
		ev.Kind = lockstore.EvFreezeNone
	default:
		w.Fatalf("the HIS was asked for more than it has: %s of %d, %d left, order %+v\n%s", op, w.units(l), w.his.onHand, *o, story(l))
	}
	w.saw(w.record(l.ID(), ev), ev.Kind == lockstore.EvFreezeDone)
}

// look asks the HIS what became of an unknown call.
func (w *world) look(l lockstore.Lock) {
	o := w.his.order(l.HISNo)
	ev := lockstore.Event{Op: lockstore.OpFindOrder, HISOrderNo: "H"}
	orderInDoubt := l.Status == lockstore.Confirming && l.OrderSent
	switch {
	case o.state == "deducted":
		ev.Kind = lockstore.EvOrderPlaced
	case orderInDoubt && o.state != "lapsed":
		ev.Kind = lockstore.EvOrderNone
	case o.state == "frozen":
		ev.Kind = lockstore.EvFreezeDone
		ev.FreezeExpires = w.clock.Now().Add(o.expires - w.Mono())
		if l.Status == lockstore.Releasing || l.Status == lockstore.Released {
			w.answer(l, lockstore.OpUnfreeze, lockstore.EvUnfreezeDone, w.his.unfreeze(l.HISNo))
			return
		}
	case o.state == "released":
		ev.Kind = lockstore.EvUnfreezeDone
	case o.state == "lapsed":
		ev.Kind = lockstore.EvFreezeLapsed
	default:
		ev.Kind = lockstore.EvFreezeNone
	}
	w.saw(w.record(l.ID(), ev), ev.Kind == lockstore.EvFreezeDone)
}

// actCallBlind records an outcome without a HIS behind it.
func (w *world) actCallBlind(t *rapid.T, l lockstore.Lock) {
	done := lockstore.EvFreezeDone
	switch l.Status {
	case lockstore.Confirming:
		done = lockstore.EvOrderPlaced
	case lockstore.Releasing:
		done = lockstore.EvUnfreezeDone
	}
	kind := rapid.SampledFrom([]lockstore.EventKind{done, done, lockstore.EvUnknown, lockstore.EvNotDone}).Draw(t, "event")
	w.saw(w.record(l.ID(), lockstore.Event{Kind: kind, Op: lockstore.OpFreeze}), kind == lockstore.EvFreezeDone)
}
