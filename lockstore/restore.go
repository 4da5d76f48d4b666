package lockstore

import (
	"fmt"
	"runtime"
	"time"
)

// restored is an active lock as an opening takes it in. lock is whole only where
// it needs a person; else it lacks what the memory does not keep.
type restored struct {
	entry       *entry
	lock        Lock
	needsPerson bool
	marked      bool // the opening changed it
	err         error
}

// again empties r for the next lock, with room for its items and its first step.
func (r *restored) again() *restored {
	var items []Item
	var steps []Step
	if !r.needsPerson { // else the lock was given away
		items, steps = r.lock.Items[:0], r.lock.History[:0]
	}
	*r = restored{lock: Lock{Items: items, History: steps}}
	return r
}

// restorer turns stored records into entries. It is used by one goroutine.
type restorer struct {
	l   *Ledger // of which it reads what stands still meanwhile
	now moment
	skimmer
}

// restore reads one record and marks what was interrupted, or is to be recalled.
func (r *restorer) restore(s *storedLock, to *restored) {
	if to.err = r.skim(s.rec, &to.lock); to.err == nil {
		if trial := to.lock; r.marks(&trial, new(bool)) {
			to.err = r.rewrite(s, to)
		}
	}
	for i := range to.lock.Items {
		if n := to.lock.Items[i].Quantity; n < 1 && to.err == nil {
			to.err = fmt.Errorf("it holds %d units of %q", n, to.lock.Items[i].DrugID)
		}
	}
	if to.err != nil {
		to.err = fmt.Errorf("the active lock of %s: %w", s.created.Format(time.RFC3339Nano), to.err)
		return
	}
	to.entry = newEntry(&to.lock, s.rec)
}

// marks changes what an opening changes of a lock, and reports whether that was
// anything.
func (r *restorer) marks(lock *Lock, needsPerson *bool) bool {
	interrupted, person := r.l.interrupt(lock, r.now)
	recalled, personToo := r.l.recall(lock, r.now)
	*needsPerson = person || personToo
	return interrupted || recalled
}

// rewrite does that to the whole lock, and makes its record anew.
func (r *restorer) rewrite(s *storedLock, to *restored) error {
	whole, err := decodeLock(s.rec)
	if err != nil {
		return err
	}
	r.marks(whole, &to.needsPerson)
	to.lock, s.rec, to.marked = *whole, encodeLock(whole), true
	return nil
}

// restoreChunk is how many records one goroutine decodes in a go.
const restoreChunk = 512

// eachInOrder decodes the records on all processors and gives them to f one
// after the other, in their order. Few are decoded at a time: a million decoded
// locks would need many times the room of their records. It returns the error of
// the first record that cannot be read.
func eachInOrder(stored []storedLock, open func() *restorer, f func(*restored)) error {
	type chunk struct {
		stored []storedLock
		locks  []restored
		done   chan struct{}
	}
	n := runtime.GOMAXPROCS(0)
	work := make(chan *chunk, 2*n)
	defer close(work)
	for range n {
		go func() {
			r := open()
			for c := range work {
				for i := range c.stored {
					r.restore(&c.stored[i], c.locks[i].again())
				}
				close(c.done)
			}
		}()
	}
	var ahead []*chunk // under way, oldest first
	var spare []restored
	for len(stored) > 0 || len(ahead) > 0 {
		if len(stored) > 0 && len(ahead) < 2*n {
			size := min(restoreChunk, len(stored))
			if len(spare) == 0 {
				spare = make([]restored, restoreChunk)
			}
			c := &chunk{stored: stored[:size], locks: spare[:size], done: make(chan struct{})}
			stored, spare = stored[size:], nil
			work <- c
			ahead = append(ahead, c)
			continue
		}
		c := ahead[0]
		ahead = ahead[1:]
		<-c.done
		for i := range c.locks {
			if err := c.locks[i].err; err != nil {
				return err
			}
			f(&c.locks[i])
		}
		spare = c.locks[:cap(c.locks)]
	}
	return nil
}
