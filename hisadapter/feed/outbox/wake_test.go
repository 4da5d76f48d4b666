package outbox_test

import (
	"runtime"
	"testing"
	"time"
)

// With an hour between two looks it is NOTIFY alone that brings a sale.
func TestNotifyWakesAtOnce(t *testing.T) {
	h := newHospital(t, "postgres")
	h.stock(t, 3)
	o := h.options()
	o.Notify = true
	h.install(t, o)
	s := h.settings("hisgate_outbox")
	s.Poll, s.Notify = time.Hour, "hisgate_outbox"
	r := newReaders(t)
	stop := r.begin(s)
	r.await("the first look", func() bool { return r.looks >= 1 }) // the only one of its own accord
	for i := 1; i <= 3; i++ {
		h.run(t, sell+"'"+drug(i)+"'")
		r.count(i)
	}
	// A transaction that notifies as it commits is not heard of before.
	open := h.session(t)
	open.run(t, sell+"'D001'")
	h.run(t, sell+"'D002'")
	r.count(4)
	open.run(t, "COMMIT")
	r.count(5)
	stop()
	for over := time.Now().Add(patience); ; runtime.Gosched() {
		n := h.texts(t, "SELECT pid FROM pg_stat_activity WHERE usename = '"+h.user+"'")
		if len(n) == 0 {
			break
		}
		if time.Now().After(over) {
			t.Fatalf("%d connections are left", len(n))
		}
	}
}
