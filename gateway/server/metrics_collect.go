package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
)

// collected are the figures of the cores, with how to read each.
var collected = []struct {
	name, help string
	labels     []string
}{
	{"hisgate_calls_in_flight", "Unary calls under way.", nil},
	{"hisgate_streams", "Streams under way.", nil},
	{"hisgate_clients", "Clients told apart by the limits: seen within ten minutes.", nil},
	{"hisgate_connections", "Open connections, by listener.", []string{"listener"}},

	{"hisgate_locks", "Locks that have not ended, by status.", []string{"status"}},
	{"hisgate_lock_cases", "Locks that a person must settle.", nil},
	{"hisgate_lock_work", "Locks for which the HIS is to be asked; a growing figure means that it does not answer.", nil},
	{"hisgate_lock_unknown_outcomes", "Locks with a call to the HIS whose outcome is unknown.", nil},
	{"hisgate_lock_oldest_unknown_seconds", "Age of the oldest of them.", nil},
	{"hisgate_lock_faults_total", "Impossible events; each is logged.", nil},
	{"hisgate_lock_oldest_due_seconds", "How long the lock that waited longest is past its expire_time and not taken up.", nil},
	{"hisgate_holds_total", "Calls to hold stock, by what became of them.", []string{"result"}},
	{"hisgate_confirms_total", "Calls to deduct held stock, by what became of them.", []string{"result"}},
	{"hisgate_clock_doubt", "1 while the clock is in doubt: nothing expires.", nil},
	{"hisgate_clock_skew_seconds", "How far our clock is ahead of WeChat Pay's; negative: behind.", nil},
	{"hisgate_his_clock_skew_seconds", "How far our clock is ahead of the HIS's, by the Date of its answers or the time of its database server; negative: behind. 0 where it gives none.", nil},
	{"hisgate_disk_low", "1 while less of the disk is free than the reserve: no lock and no order begins.", nil},
	{"hisgate_disk_free_bytes", "Free space on the disk of the data folder.", nil},
	{"hisgate_alerts_firing", "Alerts that stand, by severity.", []string{"severity"}},
	{"hisgate_alert_messages_total", "Messages to webhooks, by what became of them.", []string{"result"}},
	{"hisgate_trace_spans_total", "Spans of traces, by what became of them: sent, refused by the collector, dropped before it was asked.", []string{"result"}},
	{"hisgate_holds_outlived_total", "Holds dropped for their age, because no reading came.", nil},
	{"hisgate_recovery_left", "After a restore from a backup: locks and orders that HIS and WeChat Pay are still to be asked about. No lock, order, prepay or refund begins before both are 0.", []string{"of"}},
	{"hisgate_recovering", "1 while the recovery after a restore from a backup stands.", nil},
	{"hisgate_degraded", "1 while the last batch read from the HIS brought nothing: readers are given old figures.", nil},
	{"hisgate_degraded_total", "Answers from an old figure because the HIS could not be asked, by use: keys read, locks judged, lines of checks.", []string{"use"}},
	{"hisgate_stock_answers_total", "Figures that readers were given, by source: LIVE, CACHE, PUSHED, STALE.", []string{"source"}},
	{"hisgate_stock_age_seconds", "Age of the figures that readers were given.", nil},
	{"hisgate_stock_cached_keys", "Stock figures in the cache.", nil},
	{"hisgate_stock_cache_hits_total", "Keys answered without a load, for readers, locks and checks.", nil},
	{"hisgate_stock_cache_stale_total", "Keys answered with the last figure because the load failed.", nil},
	{"hisgate_stock_cache_failed_total", "Keys that could not be answered: no load, and no figure young enough.", nil},
	{"hisgate_stock_loads_total", "Batch loads, by lane.", []string{"lane"}},
	{"hisgate_stock_loaded_keys_total", "Keys in all loads.", nil},
	{"hisgate_stock_filled_keys_total", "Of these, keys nobody waited for yet, taken along in a batch with room.", nil},
	{"hisgate_stock_refreshed_keys_total", "Keys loaded behind their readers.", nil},
	{"hisgate_stock_load_failed_keys_total", "Keys that a load could not bring.", nil},
	{"hisgate_stock_load_waiters_total", "Readers that loads answered; over the loads, the coalescing factor.", nil},
	{"hisgate_stock_waiting", "Readers that wait for a load now, once for each key.", nil},
	{"hisgate_stock_pushes_total", "Changes reported from the HIS's side, by result: applied, or dropped because a later one came before.", []string{"result"}},
	{"hisgate_stock_watchers", "Watchers of stock.", nil},

	{"hisgate_feed_down", "1 while the feed has no connection to its source.", []string{"feed"}},
	{"hisgate_feed_silent", "1 while the feed had no message for longer than its silent_after.", []string{"feed"}},
	{"hisgate_feed_lag_messages", "Messages that wait at the source, where it says.", []string{"feed"}},
	{"hisgate_feed_last_message_age_seconds", "Time since the last message, or since the start.", []string{"feed"}},
	{"hisgate_feed_losses_total", "Connections that were lost, and tries that failed.", []string{"feed"}},
	{"hisgate_feed_gaps_total", "Times that the source had lost changes, where it says.", []string{"feed"}},
	{"hisgate_feed_messages_total", "Messages, by result: taken, skipped, dead, lost, refused.", []string{"feed", "result"}},
	{"hisgate_feed_changes_total", "Changes in them, by result: applied, older, ignored.", []string{"feed", "result"}},
	{"hisgate_feed_delay_seconds", "How long changes took from their time at the source to readers.", []string{"feed"}},

	{"hisgate_payflow_orders", "Orders that are not at rest, by state.", []string{"state"}},
	{"hisgate_payflow_open_cases", "Open cases of orders, by reason.", []string{"reason", "severity"}},
	{"hisgate_payflow_overdue_cases", "Open cases past their deadline.", nil},
	{"hisgate_payflow_proof_broken", "Paid orders that are neither fulfilled, refunded, a case nor on their way. Must be 0.", nil},
	{"hisgate_payflow_inbox", "Callbacks that are durable and not yet taken.", nil},
	{"hisgate_payflow_oldest_inbox_seconds", "Age of the oldest of them.", nil},
	{"hisgate_payflow_oldest_unknown_seconds", "Age of the oldest step whose outcome is unknown.", nil},
	{"hisgate_payflow_oldest_due_seconds", "How long the step of an order that waited longest could have been taken up.", nil},
	{"hisgate_payflow_late_orders", "Paid orders that are not fulfilled five minutes after hisgate learned of the payment.", nil},
	{"hisgate_payflow_owed_fen", "Money of orders that were paid and are neither fulfilled nor refunded, in fen.", nil},
	{"hisgate_payflow_refund_backlog", "Refunds that are stored or sent and not done.", nil},
	{"hisgate_payflow_refund_brake_used", "Automatic refunds of the last hour.", nil},
	{"hisgate_payflow_refund_brake_shut", "1 while the hourly limit of automatic refunds is used up.", nil},
	{"hisgate_payflow_queue", "Orders that wait for a worker, by pool.", []string{"pool"}},
	{"hisgate_payflow_transitions_total", "Changes of state.", []string{"from", "to"}},
	{"hisgate_payflow_callbacks_total", "Callbacks of WeChat, by result.", []string{"result"}},
	{"hisgate_reconciliation_last_success_timestamp_seconds", "When the latest day was compared with WeChat's bill and the HIS; 0 = never. Older than 36 hours: nobody compares.", nil},
	{"hisgate_reconciliation_day_timestamp_seconds", "The beginning of the latest day that was compared, in Beijing; 0 = none.", nil},
	{"hisgate_reconciliation_differences", "Differences of that day that stood when it was compared.", nil},
	{"hisgate_reconciliation_late", "1 while a day that could have been compared six hours ago is not.", nil},
	{"hisgate_reconciliation_runs_total", "Runs of the comparison, by result: done, failed.", []string{"result"}},
	{"hisgate_payflow_panics_total", "Steps of orders that ended in a panic; should stay 0.", nil},

	{"hisgate_guard_breaker_open", "1 while the breaker lets nothing through, 0.5 while it tries.", nil},
	{"hisgate_guard_in_flight", "Calls that occupy the HIS.", nil},
	{"hisgate_guard_slots", "Calls that the HIS may be asked to bear at once.", nil},
	{"hisgate_guard_overdue", "Calls whose driver did not come back in time; a growing figure is a driver that leaks.", nil},
	{"hisgate_guard_limited", "1 while calls wait for the rate.", nil},
	{"hisgate_guard_suspects", "Drugs that are asked for alone, because they spoilt a batch.", nil},
	{"hisgate_guard_retry_tokens", "Retries that the budget has left.", nil},
	{"hisgate_guard_min_share", "The part of all turns that a class gets at least, when it wants them.", []string{"class"}},
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
	for name, n := range c.doors.load() {
		gauge("hisgate_connections", float64(n), string(name))
	}
}

// Figures are those that only the program around the edge knows.
type Figures struct {
	ClockSkew time.Duration // how far our clock is ahead of WeChat Pay's; 0 = as far as anybody knows, not at all
	HISSkew   time.Duration // the same of the HIS's
	DiskFree  uint64        // bytes on the disk of the data folder

	Feeds []FeedFigures // of stock changes

	AlertsFiring                            map[string]int // alerts that stand, by severity
	AlertsSent, AlertsFailed, AlertsDropped uint64         // messages taken by webhooks; tries that failed; messages given up

	SpansSent, SpansRefused, SpansDropped uint64 // of traces: taken by the collector; not taken; dropped before it was asked
}

func (c *collector) collectProgram(gauge, counter emit, histogram func(prometheus.Metric)) {
	f := c.figures()
	gauge("hisgate_clock_skew_seconds", f.ClockSkew.Seconds())
	gauge("hisgate_his_clock_skew_seconds", f.HISSkew.Seconds())
	gauge("hisgate_disk_free_bytes", float64(f.DiskFree))
	for _, severity := range []payflow.Severity{payflow.P0, payflow.P1, payflow.P2} {
		gauge("hisgate_alerts_firing", float64(f.AlertsFiring[string(severity)]), string(severity))
	}
	counter("hisgate_alert_messages_total", float64(f.AlertsSent), "sent")
	counter("hisgate_alert_messages_total", float64(f.AlertsFailed), "failed")
	counter("hisgate_alert_messages_total", float64(f.AlertsDropped), "dropped")
	counter("hisgate_trace_spans_total", float64(f.SpansSent), "sent")
	counter("hisgate_trace_spans_total", float64(f.SpansRefused), "refused")
	counter("hisgate_trace_spans_total", float64(f.SpansDropped), "dropped")
	c.collectFeeds(f.Feeds, gauge, counter, histogram)
}

func (c *collector) collectLedger(gauge, counter emit, histogram func(prometheus.Metric)) {
	s := c.gw.State()
	histogram(c.ages(&s.Answers))
	l := s.Ledger
	for st := lockstore.Pending; st <= lockstore.Released; st++ {
		gauge("hisgate_locks", float64(l.ByStatus[st]), st.String())
	}
	gauge("hisgate_lock_cases", float64(l.Cases))
	gauge("hisgate_lock_work", float64(l.Work))
	gauge("hisgate_lock_unknown_outcomes", float64(l.Unknown))
	gauge("hisgate_lock_oldest_unknown_seconds", l.OldestUnknown.Seconds())
	gauge("hisgate_lock_oldest_due_seconds", l.OldestDue.Seconds())
	gauge("hisgate_clock_doubt", one(l.ClockDoubt))
	gauge("hisgate_disk_low", one(l.DiskLow))
	for r, n := range s.Answers.Holds {
		counter("hisgate_holds_total", float64(n), r.String())
	}
	for r, n := range s.Answers.Confirms {
		counter("hisgate_confirms_total", float64(n), r.String())
	}
	counter("hisgate_lock_faults_total", float64(l.Faults))
	counter("hisgate_holds_outlived_total", float64(l.Outlived))
	gauge("hisgate_recovering", one(s.Recovering))
	gauge("hisgate_recovery_left", one(s.Recovering)*float64(l.Asking), "locks")
	gauge("hisgate_stock_watchers", float64(s.Watchers))
	c.collectStock(&s, gauge, counter)
}

func (c *collector) collectStock(s *gateway.State, gauge, counter emit) {
	gauge("hisgate_degraded", one(s.Degraded))
	for use, n := range s.Answers.Degraded {
		counter("hisgate_degraded_total", float64(n), use.String())
	}
	for source, n := range s.Answers.BySource {
		counter("hisgate_stock_answers_total", float64(n), source.String())
	}
	k := s.Cache
	gauge("hisgate_stock_cached_keys", float64(k.Keys))
	gauge("hisgate_stock_waiting", float64(k.Waiting))
	counter("hisgate_stock_cache_hits_total", float64(k.Hits))
	counter("hisgate_stock_cache_stale_total", float64(k.Stale))
	counter("hisgate_stock_cache_failed_total", float64(k.Failed))
	counter("hisgate_stock_loads_total", float64(k.Loads-k.LiveLoads), "ordinary")
	counter("hisgate_stock_loads_total", float64(k.LiveLoads), "live")
	counter("hisgate_stock_loaded_keys_total", float64(k.LoadedKeys))
	counter("hisgate_stock_filled_keys_total", float64(k.FilledKeys))
	counter("hisgate_stock_refreshed_keys_total", float64(k.Refreshes))
	counter("hisgate_stock_load_failed_keys_total", float64(k.FailedKeys))
	counter("hisgate_stock_load_waiters_total", float64(k.Waiters))
	counter("hisgate_stock_pushes_total", float64(k.Pushes), "applied")
	counter("hisgate_stock_pushes_total", float64(k.PushesDropped), "dropped")
}

// ages is the histogram of what readers were given.
func (c *collector) ages(a *gateway.Answers) prometheus.Metric {
	var total uint64
	below := make(map[float64]uint64, len(gateway.AgeBounds))
	for i, n := range a.Ages {
		total += n
		if i < len(gateway.AgeBounds) {
			below[gateway.AgeBounds[i]] = total
		}
	}
	return prometheus.MustNewConstHistogram(c.descs["hisgate_stock_age_seconds"], total, a.AgesSum.Seconds(), below)
}

func (c *collector) collectOrders(gauge, counter emit) {
	s := c.orders.Stats()
	for st, n := range s.Orders {
		gauge("hisgate_payflow_orders", float64(n), string(st))
	}
	for why, n := range s.OpenCases {
		gauge("hisgate_payflow_open_cases", float64(n), string(why), string(why.Severity()))
	}
	gauge("hisgate_payflow_overdue_cases", float64(s.OverdueCases))
	gauge("hisgate_payflow_proof_broken", float64(s.Unproven))
	gauge("hisgate_payflow_inbox", float64(s.Inbox))
	gauge("hisgate_payflow_oldest_inbox_seconds", c.age(s.OldestInbox))
	gauge("hisgate_payflow_oldest_unknown_seconds", c.age(s.OldestUnknown))
	gauge("hisgate_payflow_oldest_due_seconds", c.age(s.OldestDue))
	gauge("hisgate_payflow_late_orders", float64(s.Late))
	gauge("hisgate_payflow_owed_fen", float64(s.OwedFen))
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
	back := c.orders.Recovery()
	gauge("hisgate_recovery_left", one(back.Recovering)*float64(back.Left), "orders")
	c.collectReconciliation(&s.Reconcile, gauge, counter)
}

func (c *collector) collectReconciliation(s *payflow.ReconcileStats, gauge, counter emit) {
	gauge("hisgate_reconciliation_last_success_timestamp_seconds", unixOf(s.DoneAt))
	gauge("hisgate_reconciliation_day_timestamp_seconds", unixOf(s.Start()))
	gauge("hisgate_reconciliation_differences", float64(s.Differences))
	gauge("hisgate_reconciliation_late", one(s.Late))
	counter("hisgate_reconciliation_runs_total", float64(s.Runs-s.Failures), "done")
	counter("hisgate_reconciliation_runs_total", float64(s.Failures), "failed")
}

// unixOf is a time in seconds since 1970; 0 when it never was.
func unixOf(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}

func (c *collector) collectGuard(gauge, counter emit) {
	s := c.guard()
	open := one(s.Breaker == guard.BreakerOpen)
	if s.Breaker == guard.BreakerHalfOpen {
		open = 0.5
	}
	gauge("hisgate_guard_breaker_open", open)
	gauge("hisgate_guard_in_flight", float64(s.InFlight))
	gauge("hisgate_guard_slots", float64(s.MaxConcurrent))
	gauge("hisgate_guard_lingering", float64(s.Lingering))
	gauge("hisgate_guard_overdue", float64(s.Overdue))
	gauge("hisgate_guard_limited", one(s.Limited))
	gauge("hisgate_guard_suspects", float64(s.Suspects))
	gauge("hisgate_guard_retry_tokens", s.RetryTokens)
	gauge("hisgate_guard_paused", float64(len(s.Paused)))
	counter("hisgate_guard_retries_total", float64(s.Retries))
	counter("hisgate_guard_retries_denied_total", float64(s.RetriesDenied))
	for _, cl := range s.Classes {
		name := cl.Class.String()
		gauge("hisgate_guard_running", float64(cl.Running), name)
		gauge("hisgate_guard_min_share", cl.MinShare, name)
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
