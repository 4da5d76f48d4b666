package simhis

import (
	"container/heap"
	"time"
)

// event is something that will happen at the HIS by itself.
type event struct {
	at  time.Time
	seq uint64 // orders events of the same instant
	run func(at time.Time)
}

type eventQueue []event

func (q eventQueue) Len() int      { return len(q) }
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(event)) }

func (q eventQueue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].seq < q[j].seq
}

func (q *eventQueue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return e
}

// schedule lets run happen at the given time, under h.mu.
func (h *HIS) schedule(at time.Time, run func(at time.Time)) {
	h.seq++
	heap.Push(&h.events, event{at: at, seq: h.seq, run: run})
}

// catchUp plays every event that is due, in its order and at its own time, and
// returns the present.
func (h *HIS) catchUp() time.Time {
	now := h.cfg.Now()
	for len(h.events) > 0 && !h.events[0].at.After(now) {
		e := heap.Pop(&h.events).(event)
		e.run(e.at)
	}
	return now
}
