package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hisgate/hisgate/lockstore"
)

// job is the one piece of work on a lock at a moment. Whoever wants something of
// the lock joins it. Fields above done belong to desk.mu; those below are written
// before done is closed and read after.
type job struct {
	id      lockstore.ID
	visitor      // the highest rank, and whatever any of those who joined wants
	again   bool // somebody joined since the record was last looked at
	afters  []func()

	under context.Context // of the steps under way, with the span of whoever asked; the worker's alone

	done    chan struct{}
	lock    lockstore.Lock // as it stands at the end
	refused *HISRefusedError
	trouble *HISError
	err     error // of the ledger; the lock is not known then
}

// visitor is whoever wants something of a lock.
type visitor struct {
	rank  int
	asked bool            // it is a caller
	due   bool            // the ledger says that the time of a look has come
	after func()          // called when the job has ended; nil = nobody cares
	cause context.Context // what the steps carry of the caller who asked for them; nil = nothing
}

// desk knows which locks are being worked on, and when the others may be worked
// on again. It is memory only: after a restart everything begins with the first
// pause.
type desk struct {
	mu     sync.Mutex
	jobs   map[lockstore.ID]*job
	guests map[string]int // callers with a command for an order under way
	visits map[lockstore.ID]*visit
	orders visitHeap // of locks that hold up an order
	others visitHeap
	closed bool
	wg     sync.WaitGroup
	wake   chan struct{} // something may be due earlier, or a job has ended
}

func newDesk() *desk {
	return &desk{
		jobs:   make(map[lockstore.ID]*job),
		guests: make(map[string]int),
		visits: make(map[lockstore.ID]*visit),
		wake:   make(chan struct{}, 1),
	}
}

// attend announces a caller with a command for an order, which will see to the
// lock itself: the resolver leaves it alone until the returned function is
// called. So the answer of the HIS comes to the caller who waits for it, and not
// to a job that ended before they could join.
func (d *desk) attend(orderNo string) (leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.guests[orderNo]++
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.guests[orderNo]--; d.guests[orderNo] == 0 {
			delete(d.guests, orderNo)
		}
		d.signal()
	}
}

// join returns the job of the lock and whether the caller must run it. It returns
// nil when the desk is closed.
func (d *desk) join(id lockstore.ID, v visitor) (j *job, mine bool) {
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
	j.rank = max(j.rank, v.rank)
	j.asked = j.asked || v.asked
	j.due = j.due || v.due
	if j.cause == nil {
		j.cause = v.cause
	}
	if v.after != nil {
		j.afters = append(j.afters, v.after)
	}
	return j, mine
}

// seize waits until nobody works on the lock, and then makes the caller the one
// who does: they must run work on the returned job.
//
// Errors: lockstore.ErrConfirmInProgress when ctx ended first; ErrClosed.
func (d *desk) seize(ctx context.Context, id lockstore.ID, rank int) (*job, error) {
	for {
		d.mu.Lock()
		if d.closed {
			d.mu.Unlock()
			return nil, ErrClosed
		}
		other := d.jobs[id]
		if other == nil {
			j := &job{id: id, visitor: visitor{rank: rank}, done: make(chan struct{})}
			d.jobs[id] = j
			d.wg.Add(1)
			d.mu.Unlock()
			return j, nil
		}
		d.mu.Unlock()
		if other.wait(ctx) != nil {
			return nil, fmt.Errorf("%w: a call about this lock is under way", lockstore.ErrConfirmInProgress)
		}
	}
}

// look returns for whom the job works, at the moment when the record is read.
func (d *desk) look(j *job) visitor {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := j.visitor
	j.again, j.due = false, false
	return v
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
	afters := j.afters
	d.mu.Unlock()
	close(j.done)
	for _, f := range afters {
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
	if d.jobs[l.ID()] != nil || d.guests[l.OrderNo] > 0 {
		return true
	}
	v := d.visits[l.ID()]
	return v != nil && v.status == l.Status && v.next.After(now)
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
