package cache

import "time"

// Push is news about a key from its source's side, not asked for.
type Push[V any] struct {
	// Amend returns the value with the pushed figure laid over it; it must not
	// keep or change its argument. nil means: changed, the figure is not told.
	Amend func(V) V
	// Source and Sequence order pushes: one whose Sequence is not above the last
	// of the same key and source is dropped. nil = unordered, always taken.
	Source   string
	Sequence *int64
	// At is when the figure was true, by the source's clock; zero = it does not say.
	// It bounds how long the figure is answered, and never orders anything.
	At time.Time
}

type sequenceKey[K comparable] struct {
	key    K
	source string
}

// Push takes news about a key and reports whether it was applied; it was not if
// a later one of the same source came before. It never blocks on a load.
//
// A load of the key that began before the push cannot overwrite it, and no
// reader joins such a load any more [A3]. A pushed figure is answered for as long
// as the value under it is fresh: its age is not renewed, so that the source is
// asked as often as without pushes. Nor is it answered when it is older than
// MaxAge, by its own time: what has waited for long at its source (a backlog) tells
// no more than that something changed. A key of which nothing is known stays so.
//
// "Changed" has the next reader wait for a load, at the rank of one that nobody
// waits for: however many come, they cost the source what that rank is given.
// Changes of a key that come before its load has begun share it.
func (c *Cache[K, V, S]) Push(key K, p Push[V]) bool {
	c.mu.Lock()
	applied := c.push(key, p)
	if applied {
		c.counted.Pushes++
	} else {
		c.counted.PushesDropped++
	}
	c.mu.Unlock()
	if applied && c.opts.OnChange != nil {
		c.opts.OnChange(key)
	}
	return applied
}

func (c *Cache[K, V, S]) push(key K, p Push[V]) bool {
	if p.Sequence != nil {
		k := sequenceKey[K]{key, p.Source}
		if last, ok := c.sequences.get(k); ok && *p.Sequence <= last {
			return false
		}
		c.sequences.set(k, *p.Sequence)
	}
	now := c.opts.Now()
	until := now.Add(c.opts.MaxAge)
	if !p.At.IsZero() {
		if own := p.At.Add(c.opts.MaxAge); own.Before(until) {
			until = own
		}
		if !now.Before(until) {
			p.Amend = nil
		}
	}
	for _, l := range []*lane[K, V, S]{c.ordinary, c.live} {
		if t := l.flying[key]; t != nil {
			t.outdated = true
			t.suspect = p.Amend == nil
			if p.Amend != nil {
				t.amend, t.amended, t.ends = p.Amend, now, until
			}
		}
	}
	old := c.store.get(key)
	if old == nil {
		return true
	}
	r := old.clone()
	switch {
	case p.Amend == nil, old.absent:
		r.endAt(r.loadedAt) // at once; kept for when it cannot be loaded
	default:
		r.value, r.pushedAt = p.Amend(old.value), now
		r.endAt(until)
	}
	c.store.set(key, r)
	return true
}

// endAt has a record that is not stored yet be fresh no longer than until. The load
// that this asks for is the push's doing.
func (r *record[V, S]) endAt(until time.Time) {
	if !until.Before(r.freshTo) {
		return
	}
	if r.due.Before(r.freshTo) {
		r.due = r.freshTo
	}
	r.freshTo = until
}
