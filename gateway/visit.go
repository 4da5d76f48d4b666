package gateway

import (
	"container/heap"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
)

// visit is when a lock is to be looked at again, and why it could not go on.
type visit struct {
	id     lockstore.ID
	status lockstore.Status
	step   step
	tries  int
	last   time.Time
	next   time.Time
	place  int // in its heap

	// What the last try met, for callers who come before the next.
	refused *HISRefusedError
	trouble *HISError
}

// maxVisits bounds the memory of pauses. A lock that is not remembered is found
// by the ledger's own list again.
const maxVisits = 100_000

// callerPause is the shortest pause between two tries that a caller can bring
// about by repeating a request.
const callerPause = time.Second

// may reports whether the step may be taken now. A step that failed waits for its
// time; a caller may shorten that to callerPause. When it may not, the job ends
// as the last try did.
func (d *desk) may(j *job, s step, asked bool, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.visits[j.id]
	if v == nil || !v.next.After(now) {
		return true
	}
	if v.status != j.lock.Status || v.step != s && s != find {
		return true // another matter than the one that failed
	}
	if asked && now.Sub(v.last) >= callerPause {
		return true
	}
	j.refused, j.trouble = v.refused, v.trouble
	return false
}

// postpone notes that the job's step could not go on. pauses are taken one after
// the other, at least atLeast; the last repeats.
func (d *desk) postpone(j *job, s step, pauses []time.Duration, atLeast time.Duration, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := &j.lock
	v := d.visits[l.ID()]
	switch {
	case v == nil && len(d.visits) >= maxVisits:
		return
	case v == nil:
		v = &visit{id: l.ID()}
		d.visits[v.id] = v
	default:
		heap.Remove(d.heapOf(v.status), v.place)
	}
	if v.status != l.Status {
		v.tries = 0
	}
	v.status, v.step, v.last = l.Status, s, now
	v.refused, v.trouble = j.refused, j.trouble
	v.next = now.Add(max(pauses[min(v.tries, len(pauses)-1)], atLeast))
	v.tries++
	heap.Push(d.heapOf(v.status), v)
	d.signal()
}

// hurry ends the pauses of orders that wait because the HIS could not be asked:
// it can be now, and a patient waits. Who was told a time, or refused as such,
// waits on.
func (d *desk) hurry() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range d.orders {
		if v.trouble == nil || v.trouble.Outcome == hisadapter.Misconfigured {
			continue
		}
		soonest := v.last.Add(max(callerPause, min(v.trouble.RetryAfter, maxRetryAfter)))
		if soonest.Before(v.next) {
			v.next, v.tries = soonest, 0
		}
	}
	heap.Init(&d.orders)
	d.signal()
}

// urgent reports whether a lock in this status holds up an order.
func urgent(s lockstore.Status) bool { return s == lockstore.Pending || s == lockstore.Confirming }

func (d *desk) heapOf(s lockstore.Status) *visitHeap {
	if urgent(s) {
		return &d.orders
	}
	return &d.others
}

// forget drops the pause of a lock that went on.
func (d *desk) forget(id lockstore.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v := d.visits[id]; v != nil {
		heap.Remove(d.heapOf(v.status), v.place)
		delete(d.visits, id)
	}
}

// due returns up to n locks, those that hold up orders or the others, whose
// pause is over. They stay noted until they went on.
func (d *desk) due(orders bool, n int, now time.Time) []lockstore.ID {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := &d.others
	if orders {
		h = &d.orders
	}
	var out []*visit
	var ids []lockstore.ID
	for len(ids) < n && len(*h) > 0 && !(*h)[0].next.After(now) {
		v := heap.Pop(h).(*visit)
		out = append(out, v)
		if d.jobs[v.id] == nil && d.guests[v.id.OrderNo] == 0 {
			ids = append(ids, v.id)
		}
	}
	for _, v := range out {
		heap.Push(h, v)
	}
	return ids
}

// next returns the time until a pause ends, and false when none is to come.
// Pauses that have ended already do not count: their locks wait for a place.
func (d *desk) next(now time.Time) (wait time.Duration, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range []visitHeap{d.orders, d.others} {
		if len(h) == 0 || !h[0].next.After(now) {
			continue
		}
		if w := h[0].next.Sub(now); !ok || w < wait {
			wait, ok = w, true
		}
	}
	return wait, ok
}

type visitHeap []*visit

func (h visitHeap) Len() int           { return len(h) }
func (h visitHeap) Less(i, j int) bool { return h[i].next.Before(h[j].next) }

func (h visitHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *visitHeap) Push(x any) {
	v := x.(*visit)
	v.place = len(*h)
	*h = append(*h, v)
}

func (h *visitHeap) Pop() any {
	old := *h
	v := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return v
}
