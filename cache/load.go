package cache

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// start starts a loader for the lane if one is wanted, under mu.
func (c *Cache[K, V, S]) start(l *lane[K, V, S]) {
	if c.closed || !l.wantsLoader(c.opts.BatchSize, c.opts.Loaders) {
		return
	}
	l.running++
	l.starting = true
	c.loads.Add(1)
	go c.run(l)
}

// run is a loader: it loads batch after batch until nothing waits.
func (c *Cache[K, V, S]) run(l *lane[K, V, S]) {
	defer c.loads.Done()
	first := true
	for {
		// The readers that came with the one who started us, or that the last
		// batch woke, are about to queue: let them in at the price of a turn of
		// the scheduler.
		runtime.Gosched()
		c.mu.Lock()
		if first {
			l.starting, first = false, false
		}
		if c.closed {
			c.abandon(l)
		}
		tickets := l.take(c.opts.BatchSize)
		if len(tickets) == 0 {
			l.running--
			c.mu.Unlock()
			return
		}
		began := c.opts.Now()
		if !l.live {
			tickets = c.fill(l, tickets, began)
		}
		batch := Batch[K, S]{Keys: make([]K, len(tickets)), Live: l.live, Rank: tickets[0].rank}
		c.counted.Loads++
		c.counted.LoadedKeys += uint64(len(tickets))
		if l.live {
			c.counted.LiveLoads++
		}
		for i, t := range tickets {
			batch.Keys[i] = t.key
			if t.reader != nil {
				batch.Readers = append(batch.Readers, t.reader)
			}
			if t.waiters > 0 || t.left {
				batch.Rank = max(batch.Rank, t.rank)
			}
		}
		for _, t := range tickets {
			t.flies = batch.Rank
		}
		// After the tickets were taken: later than every request in the batch.
		batch.Stamp = c.opts.Stamp()
		c.start(l) // more may wait than one batch holds
		c.mu.Unlock()

		results := c.load(batch)
		c.land(l, tickets, batch.Stamp, began, results)
	}
}

// fill adds keys to an ordinary batch that has room: those which were read since
// their last load and have lived half of their age. They cost no call of their
// own here, and would soon cost one.
func (c *Cache[K, V, S]) fill(l *lane[K, V, S], tickets []*ticket[K, V, S], now time.Time) []*ticket[K, V, S] {
	room := c.opts.BatchSize - len(tickets)
	if room <= 0 {
		return tickets
	}
	c.recent.visit(8*c.opts.BatchSize, func(key K, loadedAt time.Time) verdict {
		age := now.Sub(loadedAt)
		r := c.store.get(key)
		switch {
		case r == nil, !r.loadedAt.Equal(loadedAt), age > 2*c.opts.MaxAge:
			return dropItem // replaced, evicted, or long cold
		case age < c.opts.MaxAge/2, room == 0:
			return stopVisit
		case r.absent, !r.read.Load():
			return keepItem
		case l.flying[key] != nil, l.queued[key] != nil:
			return keepItem
		}
		room--
		t := newTicket[K, V, S](key)
		l.flying[key] = t
		tickets = append(tickets, t)
		c.counted.FilledKeys++
		return dropItem
	})
	return tickets
}

// refresh has the key loaded, unless it is on its way already. It does not block.
func (c *Cache[K, V, S]) refresh(key K, r *record[V, S]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.store.get(key) != r {
		return // another is there, and will have its own turn
	}
	for _, l := range []*lane[K, V, S]{c.ordinary, c.live} {
		if l.flying[key] != nil || l.queued[key] != nil {
			return
		}
	}
	t := c.ordinary.place(key)
	t.behind, t.rank = true, c.opts.RefreshRank
	c.counted.Refreshes++
	c.start(c.ordinary)
}

func (c *Cache[K, V, S]) load(batch Batch[K, S]) []Result[V] {
	ctx, cancel := context.WithTimeout(c.base, c.opts.LoadTimeout)
	defer cancel()
	results := c.opts.Load(ctx, batch)
	if len(results) == len(batch.Keys) {
		return results
	}
	err := fmt.Errorf("cache: the load returned %d results for %d keys", len(results), len(batch.Keys))
	results = make([]Result[V], len(batch.Keys))
	for i := range results {
		results[i].Err = err
	}
	return results
}

// land stores what a load brought and answers the waiters.
func (c *Cache[K, V, S]) land(l *lane[K, V, S], tickets []*ticket[K, V, S], stamp S, began time.Time, results []Result[V]) {
	c.mu.Lock()
	shorter := c.opts.Random()
	changed := make([]K, 0, len(tickets))
	for i, t := range tickets {
		l.land(t)
		c.counted.Waiters += uint64(t.waiters)
		res := results[i]
		if res.Err != nil {
			c.counted.FailedKeys++
			t.err = res.Err
			continue
		}
		r := c.record(t, res, stamp, began, shorter)
		t.answer = Entry[V, S]{
			Value: res.Value, Stamp: stamp, LoadedAt: began,
			Absent: res.Absent, Waited: true, Outdated: t.outdated,
		}
		if c.keep(t.key, r) {
			changed = append(changed, t.key)
		}
	}
	c.start(l) // for the successors
	c.mu.Unlock()

	for _, t := range tickets {
		close(t.done)
	}
	if c.opts.OnChange != nil {
		for _, key := range changed {
			c.opts.OnChange(key)
		}
	}
}

// record makes the record of a landed ticket. A figure that was pushed while it
// flew is laid over it; if it was only called outdated, it is not fresh [A3].
func (c *Cache[K, V, S]) record(t *ticket[K, V, S], res Result[V], stamp S, began time.Time, shorter float64) *record[V, S] {
	r := &record[V, S]{value: res.Value, stamp: stamp, loadedAt: began, absent: res.Absent}
	age, jitter := c.opts.MaxAge, c.opts.Jitter
	if res.Absent {
		age, jitter = c.opts.AbsentAge, c.opts.AbsentAge/3
	}
	r.freshTo = began.Add(age - time.Duration(shorter*float64(jitter)))
	amended := t.amend != nil && !res.Absent
	if amended {
		r.value, r.pushedAt = t.amend(res.Value), t.amended
		r.endAt(t.ends)
	}
	if t.suspect || (t.outdated && !amended) {
		r.endAt(time.Time{})
	}
	return r
}

// keep stores a record unless a newer one is there, under mu.
func (c *Cache[K, V, S]) keep(key K, r *record[V, S]) bool {
	if old := c.store.get(key); old != nil && c.opts.Compare(r.stamp, old.stamp) < 0 {
		return false
	}
	c.store.set(key, r)
	if !r.absent {
		c.recent.add(key, r.loadedAt, c.opts.MaxKeys)
	}
	return true
}

// abandon answers everything queued in the lane with ErrClosed, under mu.
func (c *Cache[K, V, S]) abandon(l *lane[K, V, S]) {
	for _, t := range l.queue {
		delete(l.queued, t.key)
		t.err = ErrClosed
		close(t.done)
	}
	l.queue = nil
}
