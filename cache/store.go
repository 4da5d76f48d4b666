package cache

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// shards is how many locks the hits are spread over.
const shards = 16

// record is a stored value. It is replaced, never changed, save for the marks
// that someone read it and wants its successor.
type record[V, S any] struct {
	value    V
	stamp    S
	loadedAt time.Time
	pushedAt time.Time
	freshTo  time.Time // zero: outdated, to be loaded before it is answered as fresh
	due      time.Time // until then it would be fresh but for a push; zero: no push outdated it
	absent   bool
	read     atomic.Bool // since it was loaded
	behind   atomic.Bool // its successor was asked for behind its readers

	// Since when, and when last, readers were told to wait for its successor, which
	// has not come. Both belong to Cache.mu.
	wantedFrom, wantedLast time.Time
}

func (r *record[V, S]) fresh(now time.Time) bool { return now.Before(r.freshTo) }

// markRead writes only once: the mark is in every reader's cache line.
func (r *record[V, S]) markRead() {
	if !r.read.Load() {
		r.read.Store(true)
	}
}

// ageing reports once whether the record is to be refreshed behind its readers.
func (r *record[V, S]) ageing(now time.Time, after time.Duration) bool {
	return !r.absent && !r.behind.Load() && now.Sub(r.loadedAt) >= after && r.behind.CompareAndSwap(false, true)
}

func (r *record[V, S]) entry() Entry[V, S] {
	return Entry[V, S]{
		Value: r.value, Stamp: r.stamp,
		LoadedAt: r.loadedAt, PushedAt: r.pushedAt, Absent: r.absent,
	}
}

func (r *record[V, S]) clone() *record[V, S] {
	c := &record[V, S]{
		value: r.value, stamp: r.stamp, loadedAt: r.loadedAt,
		pushedAt: r.pushedAt, freshTo: r.freshTo, due: r.due, absent: r.absent,
		wantedFrom: r.wantedFrom, wantedLast: r.wantedLast,
	}
	c.read.Store(r.read.Load())
	c.behind.Store(r.behind.Load())
	return c
}

// store holds one record for a key: among the known ones or among the absent.
type store[K comparable, V, S any] struct {
	seed   maphash.Seed
	known  [shards]*bounded[K, *record[V, S]]
	absent *bounded[K, *record[V, S]]
}

func newStore[K comparable, V, S any](maxKnown, maxAbsent int) *store[K, V, S] {
	s := &store[K, V, S]{
		seed:   maphash.MakeSeed(),
		absent: newBounded[K, *record[V, S]](maxAbsent),
	}
	for i := range s.known {
		// Rounded down, so that the shards together keep the bound; a bound
		// smaller than the number of shards still keeps one record in each.
		s.known[i] = newBounded[K, *record[V, S]](maxKnown / shards)
	}
	return s
}

func (s *store[K, V, S]) shard(key K) *bounded[K, *record[V, S]] {
	return s.known[maphash.Comparable(s.seed, key)%shards]
}

// get returns the key's record, nil when there is none.
func (s *store[K, V, S]) get(key K) *record[V, S] {
	if r, ok := s.shard(key).get(key); ok {
		return r
	}
	r, _ := s.absent.get(key)
	return r
}

func (s *store[K, V, S]) set(key K, r *record[V, S]) {
	if r.absent {
		s.absent.set(key, r)
		s.shard(key).remove(key)
		return
	}
	s.shard(key).set(key, r)
	s.absent.remove(key)
}

func (s *store[K, V, S]) len() int {
	n := s.absent.len()
	for _, b := range s.known {
		n += b.len()
	}
	return n
}
