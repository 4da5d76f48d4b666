package payflow_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine/memengine"
	"github.com/hisgate/hisgate/payflow"
)

// clock is a wall clock that people set; its hands know nothing of the monotonic one.
func (h *house) clock() (set func(time.Duration)) {
	h.Helper()
	var offset atomic.Int64
	h.close()
	h.now = func() time.Time { return time.Now().Round(0).Add(time.Duration(offset.Load())) }
	h.open()
	return func(d time.Duration) { offset.Store(int64(d)) }
}

// A clock that was a day ahead, and is set right: what was planned by it is not put
// off for a day, with or without a restart.
func TestAClockThatIsSetBackPutsNothingOff(t *testing.T) {
	for name, restart := range map[string]func(*house){"running": func(*house) {}, "restarted": (*house).crash} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				set := h.clock()
				h.create("ORDER-1", payflow.Reserve)
				h.create("ORDER-2", payflow.Reserve)
				h.create("ORDER-3", payflow.Reserve)
				set(26 * time.Hour)
				// The deadlines are over by this clock. One is refunded; the HIS does not hear of
				// one; of one WeChat does not say whether it is closed.
				h.locks.on("confirm", h.locks.refuseConfirm("ORDER-2", "insufficient"))
				h.callback(h.pay.pay("ORDER-2"))
				h.locks.on("confirm", many(3, answer{err: payflow.ErrUnavailable})...)
				h.callback(h.pay.pay("ORDER-1"))
				h.pay.on("close", answer{err: channelFailure(payflow.ChannelUnknown)})
				h.wait(time.Second)
				h.is("ORDER-1", payflow.Paid)
				h.is("ORDER-2", payflow.Refunding)
				set(0)
				restart(h)
				h.pay.payOutAll()
				h.wait(10 * time.Minute)
				h.is("ORDER-1", payflow.Fulfilled)
				h.is("ORDER-2", payflow.Refunded)
				h.wait(30 * time.Minute)
				h.is("ORDER-3", payflow.Closed)
				h.callback(h.pay.pay("ORDER-3")) // late
				h.wait(time.Minute)
				h.is("ORDER-3", payflow.Fulfilled)
			})
		})
	}
}

// A person who asks is heard also just after the clock was set back.
func TestAClockThatIsSetBackDeafensNobody(t *testing.T) {
	inHouse(t, func(h *house) {
		set := h.clock()
		h.create("ORDER-1", payflow.Reserve)
		set(10 * time.Minute)
		if _, err := h.svc.Sync(h.Context(), "web", "ORDER-1"); err != nil {
			t.Fatal(err)
		}
		set(0)
		h.pay.pay("ORDER-1") // the callback is lost
		h.wait(2 * time.Second)
		if o, err := h.svc.Sync(h.Context(), "web", "ORDER-1"); err != nil || o.Payment == nil {
			t.Errorf("%s, %v", o.State, err)
		}
	})
}

// The case of a patient who waits neither goes nor comes a day late because the clock
// was a day ahead when the money came [D9].
func TestD9AClockThatIsSetBackHidesNobodyWhoWaits(t *testing.T) {
	for _, ahead := range []time.Duration{30 * time.Minute, time.Hour, 26 * time.Hour, 400 * 24 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			inHouse(t, func(h *house) { // it has its case already
				set := h.clock()
				h.create("ORDER-1", payflow.Reserve)
				set(ahead)
				h.locks.on("confirm", many(1000, answer{err: payflow.ErrUnavailable})...)
				h.callback(h.pay.pay("ORDER-1"))
				h.wait(11 * time.Minute)
				c := h.onlyCase(payflow.CaseOverdue)
				set(0)
				for range 60 {
					h.wait(time.Minute)
					if d := h.onlyCase(payflow.CaseOverdue); d.ID != c.ID {
						t.Fatal("the case went and came")
					}
				}
				h.locks.forget("confirm")
				h.wait(time.Hour)
				h.is("ORDER-1", payflow.Fulfilled)
				h.noCases()
			})
			inHouse(t, func(h *house) { // it is to have one
				set := h.clock()
				h.create("ORDER-1", payflow.Reserve)
				set(ahead)
				h.locks.on("confirm", many(1000, answer{err: payflow.ErrUnavailable})...)
				h.callback(h.pay.pay("ORDER-1"))
				h.wait(time.Minute)
				set(0)
				h.wait(25 * time.Minute)
				h.onlyCase(payflow.CaseOverdue)
			})
		})
	}
}

// A clock that is years ahead for a while purges nothing.
func TestAClockThatIsAheadPurgesNothing(t *testing.T) {
	inHouse(t, func(h *house) {
		set := h.clock()
		h.paid("ORDER-1", payflow.Reserve)
		h.wait(2 * time.Hour)
		set(800 * 24 * time.Hour)
		h.wait(20 * time.Minute)
		set(0)
		h.wait(2 * time.Hour)
		h.is("ORDER-1", payflow.Fulfilled)
	})
}

// A clock that was years ahead at the first start does not put reconciliation off.
func TestAClockThatWasAheadAtTheFirstStartPutsNoReconciliationOff(t *testing.T) {
	inHouse(t, func(h *house) {
		set := h.clock()
		h.close()
		h.disk = memengine.New(memengine.Options{})
		set(800 * 24 * time.Hour)
		h.open()
		h.wait(time.Minute)
		set(0)
		h.crash()
		h.paid("ORDER-1", payflow.Reserve)
		h.compared(h.morning())
	})
}
