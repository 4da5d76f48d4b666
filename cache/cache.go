package cache

import (
	"context"
	"sync"
	"time"
)

// Cache answers from what it loaded lately, and loads the rest in batches. Its
// methods may be called by several goroutines at once.
type Cache[K comparable, V, S any] struct {
	opts  Options[K, V, S]
	store *store[K, V, S]

	base   context.Context // of all loads; ends at Close
	cancel context.CancelFunc
	loads  sync.WaitGroup
	tally  tally

	mu        sync.Mutex
	ordinary  *lane[K, V, S]
	live      *lane[K, V, S]
	waiting   int
	closed    bool
	counted   Stats // as far as it is counted under mu
	recent    recent[K]
	sequences *bounded[sequenceKey[K], int64]
}

// New returns an empty cache. It starts no goroutine before the first load.
func New[K comparable, V, S any](opts Options[K, V, S]) *Cache[K, V, S] {
	opts.defaults()
	base, cancel := context.WithCancel(context.Background())
	return &Cache[K, V, S]{
		opts:      opts,
		store:     newStore[K, V, S](opts.MaxKeys, opts.MaxAbsent),
		base:      base,
		cancel:    cancel,
		ordinary:  newLane[K, V, S](false),
		live:      newLane[K, V, S](true),
		sequences: newBounded[sequenceKey[K], int64](opts.MaxKeys),
	}
}

// Get returns the key's value: a fresh one at once, or else the outcome of the
// next load, or the last one known, marked Stale, when that load fails or takes
// longer than MaxWait and the value is younger than MaxStale.
//
// Errors: the load's; [ErrTooManyWaiting]; [ErrClosed]; the error of ctx when
// the caller leaves first, which does not end the load.
func (c *Cache[K, V, S]) Get(ctx context.Context, key K, want Want) (Entry[V, S], error) {
	if !want.Live {
		if e, ok := c.hit(key); ok {
			return e, nil
		}
	}
	t, until, e, err := c.join(ctx, key, want)
	if t == nil {
		return e, err
	}
	return c.await(ctx, t, want, until)
}

// GetMany is Get for several keys, which share their loads. It returns one
// answer for each key, in their order.
func (c *Cache[K, V, S]) GetMany(ctx context.Context, keys []K, want Want) []Answer[V, S] {
	answers := make([]Answer[V, S], len(keys))
	tickets := make([]*ticket[K, V, S], len(keys))
	until := make([]time.Time, len(keys))
	for i, key := range keys {
		if !want.Live {
			if e, ok := c.hit(key); ok {
				answers[i].Entry = e
				continue
			}
		}
		tickets[i], until[i], answers[i].Entry, answers[i].Err = c.join(ctx, key, want)
	}
	for i, t := range tickets {
		if t != nil {
			answers[i].Entry, answers[i].Err = c.await(ctx, t, want, until[i])
		}
	}
	return answers
}

// Peek returns what is known of the key without loading it, however old. Stale
// is not set; the caller judges by AsOf.
func (c *Cache[K, V, S]) Peek(key K) (Entry[V, S], bool) {
	r := c.store.get(key)
	if r == nil {
		return Entry[V, S]{}, false
	}
	return r.entry(), true
}

// Fresh reports whether Get would answer without a load.
func (c *Cache[K, V, S]) Fresh(key K) bool {
	r := c.store.get(key)
	return r != nil && r.fresh(c.opts.Now())
}

// Len returns the number of values kept, those of absent keys included.
func (c *Cache[K, V, S]) Len() int { return c.store.len() }

// Close ends the loads under way, answers their waiters, refuses new ones with
// [ErrClosed] and waits until the last load has returned.
func (c *Cache[K, V, S]) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.loads.Wait()
}

// hit is the way of nearly every read: one shard's read lock.
func (c *Cache[K, V, S]) hit(key K) (e Entry[V, S], ok bool) {
	now := c.opts.Now()
	r := c.store.get(key)
	if r == nil || !r.fresh(now) {
		return e, false
	}
	c.tally.hits.Add(1)
	r.markRead()
	if c.opts.RefreshAfter > 0 && r.ageing(now, c.opts.RefreshAfter) {
		c.refresh(key, r)
	}
	return r.entry(), true
}

// fresh looks once more, for those who were about to wait.
func (c *Cache[K, V, S]) fresh(key K) (e Entry[V, S], ok bool) {
	r := c.store.get(key)
	if r == nil || !r.fresh(c.opts.Now()) {
		return e, false
	}
	r.markRead()
	return r.entry(), true
}

// join makes the caller a waiter for the key, and says until when it waits where
// it has a last value; zero = for as long as the load takes. It returns no ticket
// when a load landed in between, or with an error.
func (c *Cache[K, V, S]) join(ctx context.Context, key K, want Want) (t *ticket[K, V, S], until time.Time, e Entry[V, S], err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !want.Live {
		if e, ok := c.fresh(key); ok {
			c.tally.hits.Add(1)
			return nil, until, e, nil
		}
	}
	if err := c.full(); err != nil {
		e, err := c.fallback(key, want, err)
		return nil, until, e, err
	}
	c.waiting++
	if want.Live {
		t := c.live.place(key).join(ctx, want.Rank)
		c.start(c.live)
		return t, until, e, nil
	}
	rank := c.urgency(key, want.Rank)
	t, l := c.share(key, rank)
	t.join(ctx, rank)
	c.start(l)
	return t, c.patience(key), e, nil
}

// urgency is the rank that an ordinary reader's load has, under mu: not the
// reader's own while only a push asks for the load.
func (c *Cache[K, V, S]) urgency(key K, rank int) int {
	if r := c.store.get(key); r != nil && c.opts.Now().Before(r.due) {
		return min(rank, c.opts.RefreshRank)
	}
	return rank
}

// patience is until when readers of the key wait, under mu: MaxWait after the
// first of them who came since it was last loaded, so that a source in trouble
// keeps those who come later waiting no more. When nobody came for MaxAge it is
// given its time again.
func (c *Cache[K, V, S]) patience(key K) (until time.Time) {
	r := c.store.get(key)
	if r == nil || c.opts.MaxWait <= 0 {
		return until
	}
	now := c.opts.Now()
	if now.Sub(r.wantedLast) > c.opts.MaxAge {
		r.wantedFrom = now
	}
	r.wantedLast = now
	return r.wantedFrom.Add(c.opts.MaxWait)
}

// share picks the ticket for an ordinary reader, under mu: whatever is on its way
// for the key already will do, unless it went with less urgency than the reader
// has. Then the live lane brings it sooner, where there is no load of the key
// under way.
func (c *Cache[K, V, S]) share(key K, rank int) (*ticket[K, V, S], *lane[K, V, S]) {
	flying := false
	for _, l := range []*lane[K, V, S]{c.ordinary, c.live} {
		t := l.joinable(key)
		if t != nil && t.flies >= rank {
			return t, l
		}
		flying = flying || t != nil
	}
	if t := c.live.queued[key]; t != nil {
		return t, c.live
	}
	switch {
	case !flying:
		return c.ordinary.place(key), c.ordinary
	case c.live.flying[key] == nil:
		return c.live.place(key), c.live
	case c.live.joinable(key) != nil:
		return c.live.joinable(key), c.live // it will land before another can begin
	default:
		return c.ordinary.joinable(key), c.ordinary
	}
}

// full returns why no further reader may wait, under mu.
func (c *Cache[K, V, S]) full() error {
	switch {
	case c.closed:
		return ErrClosed
	case c.waiting >= c.opts.MaxWaiting:
		return ErrTooManyWaiting
	default:
		return nil
	}
}

// await waits for a ticket and says what it means for this reader.
func (c *Cache[K, V, S]) await(ctx context.Context, t *ticket[K, V, S], want Want, until time.Time) (Entry[V, S], error) {
	var enough <-chan time.Time // nil = never
	if !until.IsZero() && !want.Live {
		timer := time.NewTimer(until.Sub(c.opts.Now()))
		defer timer.Stop()
		enough = timer.C
	}
	impatient := false
	select {
	case <-t.done:
	case <-ctx.Done():
	case <-enough:
		if _, impatient = c.last(t.key); !impatient {
			select {
			case <-t.done:
			case <-ctx.Done():
			}
		}
	}
	c.mu.Lock()
	c.waiting--
	t.waiters--
	t.left = t.left || impatient
	c.mu.Unlock()

	select {
	case <-t.done: // a known answer wins over a context that is over as well
	default:
		if ctx.Err() == nil {
			return c.fallback(t.key, want, context.DeadlineExceeded)
		}
		return Entry[V, S]{}, ctx.Err()
	}
	if t.err != nil {
		return c.fallback(t.key, want, t.err)
	}
	return c.landed(t, want), nil
}

// fallback is the answer of an ordinary reader whose key could not be loaded:
// the last value, if it is not too old.
func (c *Cache[K, V, S]) fallback(key K, want Want, err error) (Entry[V, S], error) {
	if e, young := c.last(key); young && !want.Live {
		e.Stale = true
		c.tally.stale.Add(1)
		return e, nil
	}
	c.tally.failed.Add(1)
	return Entry[V, S]{}, err
}

// last is the last value of a key, and whether it is young enough to be answered
// while there is no better one.
func (c *Cache[K, V, S]) last(key K) (e Entry[V, S], young bool) {
	r := c.store.get(key)
	if r == nil {
		return e, false
	}
	e = r.entry()
	return e, c.opts.Now().Sub(e.AsOf()) <= c.opts.MaxStale
}

// landed picks the answer of a load that succeeded. A live reader gets that very
// reading. Another gets what the cache holds by now, which is as new or newer,
// unless it was evicted or called outdated meanwhile.
func (c *Cache[K, V, S]) landed(t *ticket[K, V, S], want Want) Entry[V, S] {
	if !want.Live {
		if e, ok := c.fresh(t.key); ok {
			e.Waited = true
			return e
		}
	}
	return t.answer
}
