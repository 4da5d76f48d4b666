package server

import (
	"time"

	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/lockstore"
)

// collected are the figures of the cores, with how to read each.
var collected = []struct {
	name, help string
	labels     []string
}{
	{"hisgate_calls_in_flight", "Unary calls under way.", nil},
	{"hisgate_streams", "Streams under way.", nil},
	{"hisgate_clients", "Clients told apart by the limits: seen within ten minutes.", nil},

	{"hisgate_locks", "Locks that have not ended, by status.", []string{"status"}},
	{"hisgate_lock_cases", "Locks that a person must settle.", nil},
	{"hisgate_lock_work", "Locks for which the HIS is to be asked; a growing figure means that it does not answer.", nil},
	{"hisgate_lock_unknown_outcomes", "Locks with a call to the HIS whose outcome is unknown.", nil},
	{"hisgate_lock_oldest_unknown_seconds", "Age of the oldest of them.", nil},
	{"hisgate_lock_faults_total", "Impossible events; each is logged.", nil},
	{"hisgate_holds_outlived_total", "Holds dropped for their age, because no reading came.", nil},
	{"hisgate_stock_cached_keys", "Stock figures in the cache.", nil},
	{"hisgate_stock_watchers", "Watchers of stock.", nil},

	{"hisgate_payflow_orders", "Orders that are not at rest, by state.", []string{"state"}},
	{"hisgate_payflow_open_cases", "Open cases of orders, by reason.", []string{"reason"}},
	{"hisgate_payflow_overdue_cases", "Open cases past their deadline.", nil},
	{"hisgate_payflow_proof_broken", "Paid orders that are neither fulfilled, refunded, a case nor on their way. Must be 0.", nil},
	{"hisgate_payflow_inbox", "Callbacks that are durable and not yet taken.", nil},
	{"hisgate_payflow_oldest_inbox_seconds", "Age of the oldest of them.", nil},
	{"hisgate_payflow_oldest_unknown_seconds", "Age of the oldest step whose outcome is unknown.", nil},
	{"hisgate_payflow_refund_backlog", "Refunds that are stored or sent and not done.", nil},
	{"hisgate_payflow_refund_brake_used", "Automatic refunds of the last hour.", nil},
	{"hisgate_payflow_refund_brake_shut", "1 while the hourly limit of automatic refunds is used up.", nil},
	{"hisgate_payflow_queue", "Orders that wait for a worker, by pool.", []string{"pool"}},
	{"hisgate_payflow_transitions_total", "Changes of state.", []string{"from", "to"}},
	{"hisgate_payflow_callbacks_total", "Callbacks of WeChat, by result.", []string{"result"}},
	{"hisgate_payflow_panics_total", "Steps of orders that ended in a panic; should stay 0.", nil},

	{"hisgate_guard_breaker_open", "1 while the breaker lets nothing through, 0.5 while it tries.", nil},
	{"hisgate_guard_in_flight", "Calls that occupy the HIS.", nil},
	{"hisgate_guard_lingering", "Of these, calls that timed out here.", nil},
	{"hisgate_guard_paused", "Operations that the HIS refuses as such.", nil},
	{"hisgate_guard_retries_total", "Retries made.", nil},
	{"hisgate_guard_retries_denied_total", "Retries wanted when the budget was used up.", nil},
	{"hisgate_guard_running", "Calls under way, by class.", []string{"class"}},
	{"hisgate_guard_queued", "Calls that wait for a slot, by class.", []string{"class"}},
	{"hisgate_guard_turns_total", "Slots given, by class.", []string{"class"}},
	{"hisgate_guard_rejected_total", "Calls turned away without asking the HIS.", []string{"class", "cause"}},
}

// emit sends one figure.
type emit func(name string, v float64, labels ...string)

func (c *collector) collectDoor(gauge emit) {
	calls, streams, clients := c.door.load()
	gauge("hisgate_calls_in_flight", float64(calls))
	gauge("hisgate_streams", float64(streams))
	gauge("hisgate_clients", float64(clients))
}

func (c *collector) collectLedger(gauge, counter emit) {
	s := c.gw.State()
	l := s.Ledger
	for st := lockstore.Pending; st <= lockstore.Released; st++ {
		gauge("hisgate_locks", float64(l.ByStatus[st]), st.String())
	}
	gauge("hisgate_lock_cases", float64(l.Cases))
	gauge("hisgate_lock_work", float64(l.Work))
	gauge("hisgate_lock_unknown_outcomes", float64(l.Unknown))
	gauge("hisgate_lock_oldest_unknown_seconds", l.OldestUnknown.Seconds())
	counter("hisgate_lock_faults_total", float64(l.Faults))
	counter("hisgate_holds_outlived_total", float64(l.Outlived))
	gauge("hisgate_stock_cached_keys", float64(s.CachedKeys))
	gauge("hisgate_stock_watchers", float64(s.Watchers))
}

func (c *collector) collectOrders(gauge, counter emit) {
	s := c.orders.Stats()
	for st, n := range s.Orders {
		gauge("hisgate_payflow_orders", float64(n), string(st))
	}
	for why, n := range s.OpenCases {
		gauge("hisgate_payflow_open_cases", float64(n), string(why))
	}
	gauge("hisgate_payflow_overdue_cases", float64(s.OverdueCases))
	gauge("hisgate_payflow_proof_broken", float64(s.Unproven))
	gauge("hisgate_payflow_inbox", float64(s.Inbox))
	gauge("hisgate_payflow_oldest_inbox_seconds", c.age(s.OldestInbox))
	gauge("hisgate_payflow_oldest_unknown_seconds", c.age(s.OldestUnknown))
	gauge("hisgate_payflow_refund_backlog", float64(s.RefundBacklog))
	gauge("hisgate_payflow_refund_brake_used", float64(s.Brake.Used))
	gauge("hisgate_payflow_refund_brake_shut", one(s.Brake.Shut))
	gauge("hisgate_payflow_queue", float64(s.HISQueue), "his")
	gauge("hisgate_payflow_queue", float64(s.PayQueue), "pay")
	for t, n := range s.Transitions {
		counter("hisgate_payflow_transitions_total", float64(n), string(t.From), string(t.To))
	}
	for result, n := range s.Callbacks {
		counter("hisgate_payflow_callbacks_total", float64(n), result)
	}
	counter("hisgate_payflow_panics_total", float64(s.Panics))
}

func (c *collector) collectGuard(gauge, counter emit) {
	s := c.guard()
	open := one(s.Breaker == guard.BreakerOpen)
	if s.Breaker == guard.BreakerHalfOpen {
		open = 0.5
	}
	gauge("hisgate_guard_breaker_open", open)
	gauge("hisgate_guard_in_flight", float64(s.InFlight))
	gauge("hisgate_guard_lingering", float64(s.Lingering))
	gauge("hisgate_guard_paused", float64(len(s.Paused)))
	counter("hisgate_guard_retries_total", float64(s.Retries))
	counter("hisgate_guard_retries_denied_total", float64(s.RetriesDenied))
	for _, cl := range s.Classes {
		name := cl.Class.String()
		gauge("hisgate_guard_running", float64(cl.Running), name)
		gauge("hisgate_guard_queued", float64(cl.Queued), name)
		counter("hisgate_guard_turns_total", float64(cl.Turns), name)
		for cause, n := range cl.Rejected {
			counter("hisgate_guard_rejected_total", float64(n), name, string(cause))
		}
	}
}

// age is how long ago something was, in seconds; 0 when it never was.
func (c *collector) age(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return c.now().Sub(t).Seconds()
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
