package payflow

import (
	"container/heap"
	"context"
	"maps"
	"slices"
	"time"
)

// pool is a bounded set of workers. HIS and WeChat calls have one each, so that
// the one side hanging never keeps the other from its work [D8]; what needs no
// outside call has a third.
type pool int

const (
	poolLocal pool = iota
	poolHIS
	poolPay
	poolCount
)

// entry is an order in memory: all active ones, and ended ones while there is a
// letter or a question about them.
type entry struct {
	no     string
	order  *Order // durable and shared: replaced, never changed
	place  place
	mail   []*letter
	ask    bool            // someone waits: do not wait for NextAt
	asked  time.Time       // when ask was last set
	faults int             // panics and unexpected errors in a row
	parked time.Time       // a poisoned order rests until then
	cause  context.Context // of the call or callback that its next steps follow from; nil = none

	running bool      // with a worker, which plans anew at the end of its turn
	queued  bool      // in the queue of pool in, by that ticket
	waits   time.Time // since when it is in a queue
	in      pool
	ticket  uint64
	at      time.Time
	index   int // in the heap, -1 = not there
}

// show makes a durable order visible and plans its next turn.
func (s *Service) show(o *Order, at place, moves []Transition, cause context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range moves {
		s.counts.transitions[m]++
	}
	e := s.entries[o.No]
	if e == nil {
		e = &entry{no: o.No, index: -1}
		s.entries[o.No] = e
	}
	e.order, e.place = o, at
	if cause != nil {
		e.cause = cause
	}
	s.plan(e)
}

// kick has the order looked at now. ask overrides its waiting time, at most once
// a second; the answer says whether it did.
func (s *Service) kick(no string, ask bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[no]
	if e == nil {
		if !ask {
			return false
		}
		e = &entry{no: no, index: -1}
		s.entries[no] = e
	}
	if ask {
		now := s.now()
		if since := now.Sub(e.asked); since >= 0 && since < time.Second {
			return e.ask
		}
		e.ask, e.asked = true, now
	}
	s.plan(e)
	return true
}

// plan puts the entry where it belongs: into the queue of the pool that its next
// step needs, into the heap, or out of memory. Callers hold s.mu.
func (s *Service) plan(e *entry) {
	if e.running {
		return
	}
	now := s.wallNow()
	a := s.wants(e, now)
	if e.parked.After(a.at) && e.parked.Sub(now) <= longestPark {
		a.at = e.parked
	}
	if a.kind == actNone || a.at.After(now) {
		e.cause = nil // what comes later nobody waits for
	}
	if a.kind == actNone {
		s.unheap(e)
		e.queued = false
		if e.order == nil || e.place == placeEnded {
			delete(s.entries, e.no)
		}
		return
	}
	if a.at.After(now) {
		e.queued = false
		s.wakeAt(e, a.at)
		return
	}
	if a.pool != poolLocal && !a.alarm.IsZero() {
		s.wakeAt(e, a.alarm)
	} else {
		s.unheap(e)
	}
	if e.queued && e.in == a.pool {
		return // it keeps its place
	}
	// A letter must not wait in the queue of a pool that hangs: the entry moves,
	// and the old place is found void by its ticket.
	s.tickets++
	if !e.queued {
		e.waits = now
	}
	e.queued, e.in, e.ticket = true, a.pool, s.tickets
	s.queues[a.pool].push(turnAt{no: e.no, ticket: e.ticket}, e.urgent())
}

// wants is the entry's next action. Letters, and orders that are not in memory
// yet, are for the local pool.
func (s *Service) wants(e *entry, now time.Time) action {
	if len(e.mail) > 0 || e.order == nil && e.ask {
		return action{kind: actRead, pool: poolLocal, at: now}
	}
	if e.order == nil {
		return action{}
	}
	return nextAction(e.order, s.set, s.restore, now, e.ask)
}

// claim takes a popped entry over, with what its steps follow from; false when its
// place in the queue is void.
func (s *Service) claim(q turnAt, p pool) (cause context.Context, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[q.no]
	if e == nil || !e.queued || e.in != p || e.ticket != q.ticket {
		return nil, false
	}
	e.queued, e.running = false, true
	return e.cause, true
}

func (e *entry) urgent() bool {
	return len(e.mail) > 0 || e.order != nil && e.order.Payment != nil
}

// planAll plans every entry anew, in the order of their numbers. Callers hold s.mu.
func (s *Service) planAll() {
	for _, no := range slices.Sorted(maps.Keys(s.entries)) {
		if e := s.entries[no]; e != nil { // planning takes entries out
			s.plan(e)
		}
	}
}

// wakeAt has the scheduler plan the entry again at the time.
func (s *Service) wakeAt(e *entry, at time.Time) {
	e.at = at
	if e.index < 0 {
		heap.Push(&s.due, e)
	} else {
		heap.Fix(&s.due, e.index)
	}
	if e.index == 0 {
		s.nudge()
	}
}

func (s *Service) unheap(e *entry) {
	if e.index >= 0 {
		heap.Remove(&s.due, e.index)
	}
}

// wallNow is the time, and notes when the wall clock was set back: what was planned
// by it must be planned anew. Callers hold s.mu.
func (s *Service) wallNow() time.Time {
	now := s.now()
	wall := now.Round(0) // without the monotonic clock, which nobody sets
	if s.wall.Sub(wall) > time.Second {
		s.setBack = true
	}
	s.wall = wall
	return now
}

func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// longestSleep bounds the scheduler's sleep, so that a wall clock that was set
// forward is noticed.
const longestSleep = 15 * time.Second

// schedule hands due orders to the workers: one heap, one timer.
func (s *Service) schedule(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		s.mu.Lock()
		s.wallNow()
		if s.setBack {
			s.setBack = false
			s.planAll()
		}
		sleep := longestSleep
		for s.due.Len() > 0 {
			e := s.due[0]
			if d := e.at.Sub(s.now()); d > 0 {
				sleep = min(d, longestSleep)
				break
			}
			heap.Pop(&s.due)
			e.at = time.Time{}
			s.plan(e)
		}
		s.mu.Unlock()
		timer.Reset(sleep)
	}
}

// dueHeap orders entries by time.
type dueHeap []*entry

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for container/heap.
func (h *dueHeap) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop is for container/heap.
func (h *dueHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.index = -1
	return e
}
