package cache

import (
	"sync"
	"sync/atomic"
)

// bounded is a map of limited size. What has not been looked at since the hand
// last came by is driven out first (the clock algorithm), so that a look costs a
// read lock and, at most once per round, one atomic store.
//
// It is our own because an entry must never vanish before its successor is
// there: a cache with an admission policy may turn a value away that was just
// loaded, and the next reader would ask the source again.
type bounded[K comparable, V any] struct {
	mu    sync.RWMutex
	limit int
	index map[K]int
	slots []*slot[K, V]
	hand  int
}

type slot[K comparable, V any] struct {
	key   K
	value V
	used  atomic.Bool
}

func newBounded[K comparable, V any](limit int) *bounded[K, V] {
	return &bounded[K, V]{limit: max(limit, 1), index: make(map[K]int)}
}

func (b *bounded[K, V]) get(key K) (value V, ok bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	i, ok := b.index[key]
	if !ok {
		return value, false
	}
	s := b.slots[i]
	if !s.used.Load() {
		s.used.Store(true)
	}
	return s.value, true
}

func (b *bounded[K, V]) set(key K, value V) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i, ok := b.index[key]; ok {
		b.slots[i].value = value
		return
	}
	s := &slot[K, V]{key: key, value: value}
	if len(b.slots) < b.limit {
		b.index[key] = len(b.slots)
		b.slots = append(b.slots, s)
		return
	}
	for b.slots[b.hand].used.CompareAndSwap(true, false) {
		b.hand = (b.hand + 1) % len(b.slots)
	}
	delete(b.index, b.slots[b.hand].key)
	b.slots[b.hand] = s
	b.index[key] = b.hand
	b.hand = (b.hand + 1) % len(b.slots)
}

func (b *bounded[K, V]) remove(key K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := b.index[key]
	if !ok {
		return
	}
	delete(b.index, key)
	last := len(b.slots) - 1
	if i != last {
		b.slots[i] = b.slots[last]
		b.index[b.slots[i].key] = i
	}
	b.slots[last] = nil
	b.slots = b.slots[:last]
	if b.hand >= len(b.slots) {
		b.hand = 0
	}
}

func (b *bounded[K, V]) len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.slots)
}
