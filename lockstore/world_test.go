package lockstore_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/hisgate/hisgate/lockstore"
)

// his is a HIS of one drug that shows what it has left, as late as it likes up
// to its lag, and refuses what it cannot give.
type his struct {
	freezes bool // and then its figures are net of them
	lag     time.Duration
	ttl     time.Duration
	now     func() time.Duration
	onHand  int64 // less deducted, less frozen
	orders  map[string]*hisOrder
	figures []figure // what it had left since when
	late    []func() // calls that it will apply after their caller gave up
}

type figure struct {
	since  time.Duration
	onHand int64
}

type hisOrder struct {
	units   int64
	state   string // "", frozen, deducted, released, lapsed
	expires time.Duration
}

func (h *his) order(no string) *hisOrder {
	if h.orders[no] == nil {
		h.orders[no] = &hisOrder{}
	}
	return h.orders[no]
}

func (h *his) take(units int64) bool {
	if h.onHand < units {
		return false
	}
	h.onHand -= units
	h.figures = append(h.figures, figure{h.now(), h.onHand})
	return true
}

// freeze, place and unfreeze are idempotent by number, and return whether they
// were done.
func (h *his) freeze(no string, units int64) bool {
	o := h.order(no)
	switch o.state {
	case "frozen":
		return true
	case "deducted":
		return false
	}
	if !h.take(units) {
		return false
	}
	o.units, o.state, o.expires = units, "frozen", h.now()+h.ttl
	return true
}

func (h *his) place(no string, units int64) bool {
	o := h.order(no)
	if o.state == "deducted" {
		return true
	}
	if o.state != "frozen" && (h.freezes || !h.take(units)) {
		return false
	}
	o.units, o.state = units, "deducted"
	return true
}

func (h *his) unfreeze(no string) bool {
	o := h.order(no)
	if o.state == "frozen" {
		h.take(-o.units)
		o.state = "released"
	}
	return o.state == "released"
}

// pass lets time do its work: late calls arrive, freezes lapse.
func (h *his) pass() {
	for _, call := range h.late {
		call()
	}
	h.late = nil
	for _, o := range h.orders {
		if o.state == "frozen" && h.now() >= o.expires {
			h.take(-o.units)
			o.state = "lapsed"
		}
	}
}

// show draws what a reading that began then may say now.
func (h *his) show(t *rapid.T, began time.Duration) int64 {
	var possible []int64
	for i, f := range h.figures {
		over := i+1 < len(h.figures) && h.figures[i+1].since <= began-h.lag
		if !over {
			possible = append(possible, f.onHand)
		}
	}
	return rapid.SampledFrom(possible).Draw(t, "figure")
}

// world is a ledger before a HIS, with the simple model that it is held against.
type world struct {
	*kit
	policy lockstore.Policy
	his    *his
	orders []string
	locks  map[string]*modelLock
	begun  []lockstore.Reading // under way
	read   []lockstore.Reading // answered
}

// modelLock is what the model knows of the newest attempt of an order.
type modelLock struct {
	lock      lockstore.Lock
	units     int64
	ack       modelAck
	confirmed time.Duration // since when, in this opening
	read      bool          // the ledger dropped it: a CONFIRMED one has ended, and no opening brings it back
}

// modelAck is an acknowledgement: readings stamped later than stamp know of it
// when they began at least the lag after at.
type modelAck struct {
	stamp lockstore.Stamp
	at    time.Duration
}

// held is the rule of availability, walked over all locks.
func (w *world) held(r lockstore.Reading) (sum int64) {
	for _, m := range w.locks {
		l := m.lock
		counts := false
		switch l.Status {
		case lockstore.Pending:
			counts = true
		case lockstore.Locked, lockstore.Confirming, lockstore.Releasing:
			counts = !w.known(m, r) || !w.net(l)
		case lockstore.Confirmed:
			counts = !m.read && !w.known(m, r)
		}
		if counts {
			sum += m.units
		}
	}
	return sum
}

// net reports whether the HIS holds a freeze of the lock that figures show.
func (w *world) net(l lockstore.Lock) bool {
	lapsed := !l.FreezeExpires.IsZero() && !w.clock.Now().Before(l.FreezeExpires.Add(-w.policy.FreezeMargin))
	return w.policy.NetFigure && l.Freeze && l.Word == lockstore.WordFrozen && !lapsed
}

func (w *world) known(m *modelLock, r lockstore.Reading) bool {
	return r.Stamp.Compare(m.ack.stamp) > 0 && r.Began >= m.ack.at+w.policy.FigureLag
}

// saw takes a lock as the ledger answered it. A change into a state that
// readings can know of is acknowledged now.
func (w *world) saw(l lockstore.Lock, freezeDone bool) {
	m := w.locks[l.OrderNo]
	wasNet := m.lock.Status == lockstore.Confirmed || m.lock.Status != 0 && w.net(m.lock)
	isNet := l.Status == lockstore.Confirmed || w.net(l)
	if l.Status == lockstore.Confirmed && m.lock.Status != lockstore.Confirmed {
		m.confirmed = w.Mono()
	}
	m.lock = l
	if isNet && (!wasNet || freezeDone) {
		m.ack, m.read = modelAck{w.Stamp(), w.Mono()}, false
	}
}

// dropped marks the locks whose holds the ledger forgot, because of a reading
// that it observed or, CONFIRMED, for their age [A5].
func (w *world) dropped(r *lockstore.Reading) {
	for _, m := range w.locks {
		confirmed := m.lock.Status == lockstore.Confirmed
		switch {
		case r != nil && (confirmed || w.net(m.lock)) && w.known(m, *r),
			confirmed && w.Mono() >= m.confirmed+w.policy.MaxStale+w.policy.FigureLag:
			m.read = true
		}
	}
}
