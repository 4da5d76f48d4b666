package cache

import (
	"context"
	"time"
)

// ticket is one key's place in a load. Its fields belong to Cache.mu; answer and
// err are written before done is closed and read after.
type ticket[K comparable, V, S any] struct {
	key      K
	rank     int
	flies    int // the rank that its load was given
	waiters  int
	reader   context.Context  // of the first waiter, for what it carries; nil = nobody waits
	behind   bool             // to be loaded though nobody waits
	left     bool             // the same: its readers lost patience, and want it still
	outdated bool             // a push came while it was flying
	amend    func(V) V        // the last figure pushed while it was flying
	amended  time.Time        // when that came
	ends     time.Time        // until when it is fresh
	suspect  bool             // "changed" came after it
	next     *ticket[K, V, S] // of the same key; queues when this one has landed
	done     chan struct{}
	answer   Entry[V, S]
	err      error
}

func newTicket[K comparable, V, S any](key K) *ticket[K, V, S] {
	return &ticket[K, V, S]{key: key, done: make(chan struct{})}
}

// join makes the caller a waiter of the ticket.
func (t *ticket[K, V, S]) join(ctx context.Context, rank int) *ticket[K, V, S] {
	if t.reader == nil {
		t.reader = ctx
	}
	if t.waiters == 0 || rank > t.rank {
		t.rank = rank
	}
	t.waiters++
	return t
}

// lane is a queue of tickets and what is being loaded of it. In one lane a key
// is queued at most once and flies at most once. It belongs to Cache.mu.
type lane[K comparable, V, S any] struct {
	live     bool
	queue    []*ticket[K, V, S]
	queued   map[K]*ticket[K, V, S]
	flying   map[K]*ticket[K, V, S]
	running  int  // loaders, the starting one included
	starting bool // one was started and has not come to the queue yet
}

func newLane[K comparable, V, S any](live bool) *lane[K, V, S] {
	return &lane[K, V, S]{
		live:   live,
		queued: make(map[K]*ticket[K, V, S]),
		flying: make(map[K]*ticket[K, V, S]),
	}
}

// joinable returns the flying ticket of the key that a reader may still join:
// never a live reader, because its load must begin after its request [A2], and
// nobody once a push came, because the figure on its way may be older [A3].
func (l *lane[K, V, S]) joinable(key K) *ticket[K, V, S] {
	if t := l.flying[key]; t != nil && !t.outdated {
		return t
	}
	return nil
}

// place returns the key's ticket that has not begun to load, making one if
// there is none.
func (l *lane[K, V, S]) place(key K) *ticket[K, V, S] {
	if t := l.flying[key]; t != nil {
		if t.next == nil {
			t.next = newTicket[K, V, S](key)
		}
		return t.next
	}
	if t := l.queued[key]; t != nil {
		return t
	}
	t := newTicket[K, V, S](key)
	l.enqueue(t)
	return t
}

func (l *lane[K, V, S]) enqueue(t *ticket[K, V, S]) {
	l.queue = append(l.queue, t)
	l.queued[t.key] = t
}

// take moves up to n wanted tickets from the queue into flight, the oldest
// first. Tickets whose waiters have all left are dropped.
func (l *lane[K, V, S]) take(n int) []*ticket[K, V, S] {
	var batch []*ticket[K, V, S]
	i := 0
	for ; i < len(l.queue) && len(batch) < n; i++ {
		t := l.queue[i]
		delete(l.queued, t.key)
		if t.waiters == 0 && !t.behind && !t.left {
			continue
		}
		l.flying[t.key] = t
		batch = append(batch, t)
	}
	rest := copy(l.queue, l.queue[i:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	return batch
}

// land ends the flight of a ticket and queues its successor.
func (l *lane[K, V, S]) land(t *ticket[K, V, S]) {
	delete(l.flying, t.key)
	if t.next != nil {
		l.enqueue(t.next)
		t.next = nil
	}
}

// wantsLoader reports whether one more loader should be started. The live lane
// uses every loader it may; the ordinary one starts a further loader only for a
// full batch, because company is cheaper than haste.
func (l *lane[K, V, S]) wantsLoader(batchSize, loaders int) bool {
	switch {
	case len(l.queue) == 0, l.starting, l.running >= loaders:
		return false
	case l.live, l.running == 0:
		return true
	default:
		return len(l.queue) >= batchSize
	}
}
