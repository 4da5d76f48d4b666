package lockstore

import (
	"container/heap"
	"time"
)

// timer is one entry's place in a wheel. The zero timer is in none.
type timer struct {
	at    time.Duration // by the monotonic clock
	place int           // index in the heap + 1; 0 = not set
	of    *entry
}

// timers is the wheel: a heap by time. It lives in memory only and is built
// again on opening. Setting and stopping cost O(log n), so that a tick after
// many expiries costs what a fresh one does.
type timers struct{ heap timerHeap }

// set makes t go off at a time, or at another time than before.
func (w *timers) set(t *timer, at time.Duration) {
	t.at = at
	if t.place > 0 {
		heap.Fix(&w.heap, t.place-1)
		return
	}
	heap.Push(&w.heap, t)
}

// stop takes t out; stopping what is not set does nothing.
func (w *timers) stop(t *timer) {
	if t.place > 0 {
		heap.Remove(&w.heap, t.place-1)
	}
}

// first returns the earliest timer, or nil.
func (w *timers) first() *timer {
	if len(w.heap) == 0 {
		return nil
	}
	return w.heap[0]
}

// due appends up to limit timers that have come, earliest first, and leaves them
// set.
func (w *timers) due(now time.Duration, limit int) []*timer {
	var out []*timer
	for len(out) < limit {
		t := w.first()
		if t == nil || t.at > now {
			break
		}
		heap.Pop(&w.heap)
		out = append(out, t)
	}
	for _, t := range out {
		heap.Push(&w.heap, t)
	}
	return out
}

type timerHeap []*timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at < h[j].at }

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}

func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	*h = append(*h, t)
	t.place = len(*h)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.place = 0
	return t
}
