package payflow

import (
	"maps"
	"sync"
	"time"
)

// counters count since opening. transitions are under Service.mu, the rest under
// their own.
type counters struct {
	transitions map[Transition]int64
	recon       ReconcileStats

	mu        *sync.Mutex
	callbacks map[string]int64
	panics    *int64
}

func newCounters() counters {
	c := counters{
		transitions: map[Transition]int64{}, mu: &sync.Mutex{},
		callbacks: map[string]int64{}, panics: new(int64),
	}
	for _, t := range moneyMoves {
		c.transitions[t] = 0
	}
	return c
}

// moneyMoves are shown from the start, as 0, so that whoever watches their rates
// sees the first one.
var moneyMoves = []Transition{
	{Created, Paid},
	{Locked, Paid},
	{AwaitingPayment, Paid},
	{Closing, Paid},
	{Closed, Paid},
	{Closed, Refunding},
	{Paid, Fulfilled},
	{Paid, Refunding},
	{Paid, NeedsAttention},
}

// lateAfter is the time within which a paid order is mostly fulfilled.
const lateAfter = 5 * time.Minute

// callback counts a notice by its result; the results are a fixed small set.
func (c *counters) callback(result string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.callbacks[result]++
}

func (c *counters) panicked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.panics++
}

// Stats is a snapshot from memory, for metrics and health. Unproven must be 0.
func (s *Service) Stats() Stats {
	st := Stats{
		Orders: map[State]int{}, OpenCases: map[CaseReason]int{},
		HISQueue: s.queues[poolHIS].len(), PayQueue: s.queues[poolPay].len(),
		Brake: s.brakeNow(),
	}
	now := s.now()
	s.mu.Lock()
	st.Transitions = maps.Clone(s.counts.transitions)
	st.Reconcile = s.counts.recon
	st.Reconcile.Late = s.comparedLate(now)
	st.Inbox, st.Watchers = len(s.inbox.waiting), s.watchers
	for _, l := range s.inbox.waiting {
		st.OldestInbox = earlier(st.OldestInbox, l.At)
	}
	for _, e := range s.entries {
		o := e.order
		st.OldestDue = earlier(st.OldestDue, e.dueSince(now))
		if o == nil {
			continue
		}
		st.Orders[o.State]++
		if p := o.Payment; p != nil && (o.State == Paid || o.State == Refunding || o.State == NeedsAttention) {
			st.OwedFen += p.TotalFen - o.RefundedFen
			if o.State == Paid && now.Sub(p.KnownAt) > lateAfter {
				st.Late++
			}
		}
		if i := o.openRefund(); i >= 0 || o.State == Refunding {
			st.RefundBacklog++
		}
		if t := o.Trouble; t != nil && (t.Kind == kindUnknown || t.Kind == kindPending) {
			st.OldestUnknown = earlier(st.OldestUnknown, t.Since)
		}
		if (o.Payment != nil || len(o.Disputes) > 0) && unproven(o, s.set, now.Add(-proofSlack)) != "" {
			st.Unproven++
		}
	}
	for _, c := range s.cases {
		st.OpenCases[c.Reason]++
		if now.After(c.Deadline) {
			st.OverdueCases++
		}
	}
	s.mu.Unlock()
	s.counts.mu.Lock()
	st.Callbacks, st.Panics = maps.Clone(s.counts.callbacks), *s.counts.panics
	s.counts.mu.Unlock()
	return st
}

// dueSince is since when the entry's next step could have been taken up; zero
// when it waits for its time, or is with a worker. Callers hold Service.mu.
func (e *entry) dueSince(now time.Time) time.Time {
	switch {
	case e.running:
	case e.queued:
		return e.waits
	case e.index >= 0 && e.at.Before(now):
		return e.at
	}
	return time.Time{}
}

// comparedLate tells whether the latest day that should be compared by now is
// not. Callers hold Service.mu.
func (s *Service) comparedLate(now time.Time) bool {
	if s.bills == nil || !s.set.Reconcile || s.recon.since.IsZero() {
		return false
	}
	day, err := startOf(dayOf(now.Add(-billsReadyAt - reconcileLate)))
	if err != nil {
		return false
	}
	day = day.AddDate(0, 0, -1)
	return !day.Before(s.recon.since) && s.counts.recon.Day < dayOf(day)
}

// earlier is the earlier of two times; a zero one does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// reconciled notes the last run.
func (c *counters) reconciled(r *Reconciliation) {
	c.recon.Runs++
	if r.Failure != "" {
		c.recon.Failures++
	}
	if r.Status == ReconciliationDone {
		c.recon.latest(r)
	}
}

// Start is the first moment of Day; zero when there is none.
func (s *ReconcileStats) Start() time.Time {
	t, err := startOf(s.Day)
	if err != nil {
		return time.Time{}
	}
	return t
}

// latest notes a day that is DONE, unless a later one is known.
func (s *ReconcileStats) latest(r *Reconciliation) {
	if r.Day >= s.Day {
		s.Day, s.DoneAt, s.Differences = r.Day, r.FinishedAt, r.Open()
	}
}
