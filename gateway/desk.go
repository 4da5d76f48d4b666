package gateway

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/hisgate/hisgate/lockstore"
)

// job is the one piece of work on a lock at a moment. Whoever wants something of
// the lock joins it. Fields above done belong to desk.mu; those below are written
// before done is closed and read after.
type job struct {
	id    lockstore.ID
	rank  int  // the highest of all who joined
	asked bool // a caller wants something of this lock
	again bool // somebody joined since the record was last looked at
	after []func()

	done    chan struct{}
	lock    lockstore.Lock // as it stands at the end
	refused *HISRefusedError
	trouble *HISError
	err     error // of the ledger; the lock is not known then
}

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

// desk knows which locks are being worked on, and when the others may be worked
// on again. It is memory only: after a restart everything begins with the first
// pause.
type desk struct {
	mu     sync.Mutex
	jobs   map[lockstore.ID]*job
	visits map[lockstore.ID]*visit
	orders visitHeap // of locks that hold up an order
	others visitHeap
	closed bool
	wg     sync.WaitGroup
	wake   chan struct{} // something may be due earlier, or a job has ended
}

// maxVisits bounds the memory of pauses. A lock that is not remembered is found
// by the ledger's own list again.
const maxVisits = 100_000

// callerPause is the shortest pause between two tries that a caller can bring
// about by repeating a request.
const callerPause = time.Second

func newDesk() *desk {
	return &desk{
		jobs:   make(map[lockstore.ID]*job),
		visits: make(map[lockstore.ID]*visit),
		wake:   make(chan struct{}, 1),
	}
}

// join returns the job of the lock and whether the caller must run it. after, if
// not nil, is called when the job has ended. It returns nil when the desk is
// closed.
func (d *desk) join(id lockstore.ID, rank int, asked bool, after func()) (j *job, mine bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, false
	}
	j = d.jobs[id]
	if j == nil {
		j = &job{id: id, done: make(chan struct{})}
		d.jobs[id] = j
		d.wg.Add(1)
		mine = true
	} else {
		j.again = true
	}
	j.rank = max(j.rank, rank)
	j.asked = j.asked || asked
	if after != nil {
		j.after = append(j.after, after)
	}
	return j, mine
}

// look returns for whom the job works, at the moment when the record is read.
func (d *desk) look(j *job) (rank int, asked bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j.again = false
	return j.rank, j.asked
}

// finish ends the job unless somebody joined since its last look: it must look
// again then.
func (d *desk) finish(j *job) bool {
	d.mu.Lock()
	if j.again && !d.closed && j.err == nil {
		d.mu.Unlock()
		return false
	}
	delete(d.jobs, j.id)
	after := j.after
	d.mu.Unlock()
	close(j.done)
	for _, f := range after {
		f()
	}
	d.signal()
	d.wg.Done()
	return true
}

func (d *desk) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// busy reports whether the lock is being worked on, or is to be left alone until
// later.
func (d *desk) busy(l *lockstore.Lock, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.jobs[l.ID()] != nil {
		return true
	}
	v := d.visits[l.ID()]
	return v != nil && v.status == l.Status && v.next.After(now)
}

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
		if d.jobs[v.id] == nil {
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

// size returns the number of jobs under way and of locks that wait.
func (d *desk) size() (jobs, waiting int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.jobs), len(d.visits)
}

// close lets no new job begin; drain waits for those under way, at most until
// ctx ends.
func (d *desk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

func (d *desk) drain(ctx context.Context) bool {
	done := make(chan struct{})
	go func() {
		d.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
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
