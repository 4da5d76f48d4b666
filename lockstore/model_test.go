package lockstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// TestModel runs random histories of locks, HIS calls with every outcome,
// readings of every age, passing time, openings and crashes, and holds the
// ledger against three things: a HIS that is asked for what the ledger promised
// never has to refuse (I1); what counts against a reading is what the rule says;
// and every answer stands, over repeats and openings.
func TestModel(t *testing.T) {
	for name, p := range modelPolicies() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				runModel(t, rt, p, &kit{disk: memengine.New(memengine.Options{})})
			})
		})
	}
}

// TestModelOnBadger is the same on a real disk. An opening takes its time there,
// so it makes a twentieth of the checks.
func TestModelOnBadger(t *testing.T) {
	fewerChecks(t, 20)
	for name, p := range modelPolicies() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				f := newFolder(rt, t.TempDir())
				defer f.remove()
				runModel(t, rt, p, &kit{real: f})
			})
		})
	}
}

func modelPolicies() map[string]lockstore.Policy {
	notNet := netFreeze()
	notNet.NetFigure = false
	lagging := noFreeze()
	lagging.FigureLag = 5 * time.Second
	netLagging := netFreeze()
	netLagging.FigureLag = 5 * time.Second
	return map[string]lockstore.Policy{
		"without freeze": noFreeze(), "without freeze, lagging": lagging,
		"net freeze": netFreeze(), "net freeze, lagging": netLagging, "freeze that figures do not show": notNet,
	}
}

func runModel(t *testing.T, rt *rapid.T, p lockstore.Policy, k *kit) {
	w := &world{kit: k, policy: p, locks: map[string]*modelLock{}}
	k.tester, k.ctx, k.clock = rt, t.Context(), newTestClock()
	w.opts = lockstore.Options{Policy: p, DiskReserve: -1}
	w.start()
	w.his = &his{
		freezes: p.NetFigure, lag: p.FigureLag, ttl: 10 * time.Minute, now: w.clock.Mono,
		onHand: 20, orders: map[string]*hisOrder{}, figures: []figure{{0, 20}},
	}
	if p.Freeze && !p.NetFigure {
		w.his = nil // its figures would need a model of their own; the rule is held all the same
	}
	rt.Repeat(map[string]func(*rapid.T){
		"lock":    w.actLock,
		"confirm": w.actConfirm,
		"release": w.actRelease,
		"expire":  w.actExpire,
		"call":    w.actCall,
		"begin":   w.actBegin,
		"answer":  w.actAnswer,
		"observe": w.actObserve,
		"time":    w.actTime,
		"reopen":  w.actReopen,
		"":        w.check,
	})
}

func (w *world) actLock(t *rapid.T) {
	if len(w.read) == 0 {
		t.Skip("no reading")
	}
	r := rapid.SampledFrom(w.read).Draw(t, "reading")
	no := fmt.Sprint("RX", rapid.IntRange(0, 9).Draw(t, "order"))
	m := w.locks[no]
	req := w.request(no, rapid.Int64Range(1, 8).Draw(t, "units"), 0)
	if m != nil {
		req.Items[0].Quantity = m.units
	}
	req.Readings[drugA] = r
	req.TTL = time.Duration(rapid.IntRange(1, 20).Draw(t, "ttl")) * time.Minute
	free := r.OnHand - w.held(r)
	l, created, err := w.Lock(w.ctx, req)
	switch {
	case created:
		if m != nil && !(m.lock.Status == lockstore.Released && m.lock.Cause == lockstore.ForShortage) {
			t.Fatalf("an active or ended order was locked again: %s", story(m.lock))
		}
		if free < req.Items[0].Quantity {
			t.Fatalf("locked %d of %d", req.Items[0].Quantity, free)
		}
		if m == nil {
			w.orders = append(w.orders, no)
		}
		w.locks[no] = &modelLock{lock: l, units: req.Items[0].Quantity}
	case err == nil:
		if diff := cmp.Diff(m.lock, l); diff != "" {
			t.Fatalf("a repeat got another lock:\n%s", diff)
		}
	default:
		if short, ok := errors.AsType[*lockstore.ShortageError](err); ok {
			if want := max(0, free); short.Shortages[0].Available != want || want >= req.Items[0].Quantity {
				t.Fatalf("refused %d for %d, and %d are free", req.Items[0].Quantity, short.Shortages[0].Available, want)
			}
			return
		}
		_, stale := errors.AsType[*lockstore.StaleReadingError](err)
		ended := errors.Is(err, lockstore.ErrLockEnded) && (m.lock.Status == lockstore.Released || m.lock.Status == lockstore.Releasing)
		if !stale && !ended {
			t.Fatal(err)
		}
	}
}

// some draws an order in one of the statuses.
func (w *world) some(t *rapid.T, statuses ...lockstore.Status) *modelLock {
	var fit []string
	for _, no := range w.orders {
		for _, s := range statuses {
			if w.locks[no].lock.Status == s {
				fit = append(fit, no)
			}
		}
	}
	if len(fit) == 0 {
		t.Skip("no such lock")
	}
	return w.locks[rapid.SampledFrom(fit).Draw(t, "lock")]
}

func (w *world) actConfirm(t *rapid.T) {
	m := w.some(t, lockstore.Locked, lockstore.Confirming, lockstore.Confirmed)
	w.saw(w.confirm(m.lock.OrderNo), false)
}

func (w *world) actRelease(t *rapid.T) {
	m := w.some(t, lockstore.Pending, lockstore.Locked, lockstore.Releasing, lockstore.Released)
	l, err := w.Release(w.ctx, alice, m.lock.OrderNo, lockstore.ByCaller)
	w.must(err)
	w.saw(l, false)
}

func (w *world) actExpire(*rapid.T) {
	for _, l := range w.Due(100) {
		if l.ExpireTime.After(w.clock.Now()) {
			w.Fatalf("%s is due before its time", l.OrderNo)
		}
		w.saw(w.record(l.ID(), clockEvent), false)
	}
}

func (w *world) actBegin(*rapid.T) {
	w.begun = append(w.begun, lockstore.Reading{Stamp: w.Stamp(), Began: w.Mono()})
}

func (w *world) actAnswer(t *rapid.T) {
	if len(w.begun) == 0 {
		t.Skip("nothing is under way")
	}
	i := rapid.IntRange(0, len(w.begun)-1).Draw(t, "which")
	r := w.begun[i]
	w.begun = append(w.begun[:i], w.begun[i+1:]...)
	if w.his != nil {
		r.OnHand = w.his.show(t, r.Began)
	} else {
		r.OnHand = 20
	}
	w.read = append(w.read, r)
}

func (w *world) actObserve(t *rapid.T) {
	if len(w.read) == 0 {
		t.Skip("no reading")
	}
	r := rapid.SampledFrom(w.read).Draw(t, "reading")
	err := w.Observe(keyA, r)
	if _, stale := errors.AsType[*lockstore.StaleReadingError](err); stale {
		return
	}
	w.must(err)
	w.dropped(&r)
}

func (w *world) actTime(t *rapid.T) {
	w.clock.advance(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
	if w.his != nil {
		w.his.pass()
	}
	w.dropped(nil)
}

func (w *world) actReopen(t *rapid.T) {
	if rapid.Bool().Draw(t, "crash") {
		w.crash()
	} else {
		w.reopen()
	}
	w.verify()
	w.begun, w.read = nil, nil
	for _, m := range w.locks {
		m.ack, m.confirmed = modelAck{w.Stamp(), w.Mono()}, w.Mono()
		m.read = m.read && m.lock.Status == lockstore.Confirmed
		l := w.get(m.lock.OrderNo)
		ignore := cmpopts.IgnoreFields(lockstore.Lock{}, "Unknown", "UnknownSince", "UnknownFrom", "OrderSent", "FreezeDoubt")
		if diff := cmp.Diff(m.lock, l, ignore); diff != "" {
			t.Fatalf("an opening changed a lock:\n%s", diff)
		}
		m.lock = l
	}
}

// check compares what counts against every reading with the rule, and what the
// ledger says of each lock with what it said last.
func (w *world) check(t *rapid.T) {
	for _, r := range w.read {
		a, err := w.Available(keyA, r, nil)
		if _, stale := errors.AsType[*lockstore.StaleReadingError](err); stale {
			continue
		}
		w.must(err)
		if want := w.held(r); a.Held != want {
			t.Fatalf("held %d against %+v, want %d", a.Held, r, want)
		}
	}
	if len(w.orders) > 0 {
		w.verify()
		m := w.locks[rapid.SampledFrom(w.orders).Draw(t, "seen again")]
		if diff := cmp.Diff(m.lock, w.get(m.lock.OrderNo)); diff != "" {
			t.Fatalf("a lock changed by itself:\n%s", diff)
		}
	}
}
