package lockstore

import (
	"sort"
	"time"
)

// workList is the queue of the locks that need the HIS, doubly linked through
// the entries. Who was handed out goes to its end, so that a long one is walked
// through in turns.
type workList struct {
	head, tail *entry
	n          int
}

func (w *workList) add(e *entry) {
	if e.queued {
		return
	}
	e.queued = true
	e.prev, e.next = w.tail, nil
	if w.tail != nil {
		w.tail.next = e
	} else {
		w.head = e
	}
	w.tail = e
	w.n++
}

func (w *workList) remove(e *entry) {
	if !e.queued {
		return
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		w.head = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		w.tail = e.prev
	}
	e.queued, e.prev, e.next = false, nil, nil
	w.n--
}

// turn hands out the first n and puts them at the end.
func (w *workList) turn(n int) []*entry {
	out := make([]*entry, 0, min(n, w.n))
	for len(out) < cap(out) {
		e := w.head
		w.remove(e)
		out = append(out, e)
	}
	for _, e := range out {
		w.add(e)
	}
	return out
}

// outliving is the queue of CONFIRMED locks whose holds are dropped for their
// age [A5]. The time to wait is the same for all, so it is in order by itself.
type outliving struct{ queue []outlivingEntry }

type outlivingEntry struct {
	e  *entry
	at time.Duration
}

func (o *outliving) add(e *entry, at time.Duration) {
	o.queue = append(o.queue, outlivingEntry{e, at})
}

// next takes out the first whose time has come and who is still there, or
// returns nil. Who has gone is passed over.
func (o *outliving) next(now time.Duration) *entry {
	for len(o.queue) > 0 {
		first := o.queue[0]
		if !first.e.gone && first.at > now {
			return nil
		}
		o.queue[0] = outlivingEntry{}
		o.queue = o.queue[1:]
		if !first.e.gone {
			return first.e
		}
	}
	o.queue = nil
	return nil
}

// creation keeps the active locks by creation time, oldest first, for listing.
type creation struct {
	slots []*entry // gone entries stay until the next compaction
	live  int
}

func (c *creation) add(e *entry) {
	if len(c.slots) >= 64 && len(c.slots) >= 2*c.live {
		kept := make([]*entry, 0, c.live+c.live/2+16)
		for _, o := range c.slots {
			if !o.gone {
				kept = append(kept, o)
			}
		}
		c.slots = kept
	}
	c.live++
	if n := len(c.slots); n == 0 || c.slots[n-1].created.Before(e.created) {
		c.slots = append(c.slots, e)
		return
	}
	// An ended lock that came back to life: rare.
	i := c.search(e.created)
	c.slots = append(c.slots, nil)
	copy(c.slots[i+1:], c.slots[i:])
	c.slots[i] = e
}

// remove must be followed by marking e as gone.
func (c *creation) remove(*entry) { c.live-- }

// search returns the first place that is not before t.
func (c *creation) search(t time.Time) int {
	return sort.Search(len(c.slots), func(i int) bool { return !c.slots[i].created.Before(t) })
}
