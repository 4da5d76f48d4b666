package cache

import "time"

// recent lists loads of keys in their order, for batches that have room. It
// belongs to Cache.mu. Its items may be obsolete; the visitor finds out.
type recent[K comparable] struct {
	items []loadedKey[K]
}

type loadedKey[K comparable] struct {
	key      K
	loadedAt time.Time
}

// verdict is what a visitor says of an item.
type verdict uint8

const (
	keepItem  verdict = iota // and go on
	dropItem                 // and go on
	stopVisit                // keep it and all that follow
)

func (r *recent[K]) add(key K, loadedAt time.Time, limit int) {
	if len(r.items) >= limit {
		// The oldest half goes at once, so that adding stays cheap.
		n := copy(r.items, r.items[len(r.items)/2:])
		clear(r.items[n:])
		r.items = r.items[:n]
	}
	r.items = append(r.items, loadedKey[K]{key, loadedAt})
}

// visit shows at most n items to fn, the oldest first.
func (r *recent[K]) visit(n int, fn func(key K, loadedAt time.Time) verdict) {
	kept, i := 0, 0
loop:
	for ; i < len(r.items) && i < n; i++ {
		switch fn(r.items[i].key, r.items[i].loadedAt) {
		case stopVisit:
			break loop
		case keepItem:
			r.items[kept] = r.items[i]
			kept++
		}
	}
	if kept == i {
		return
	}
	rest := copy(r.items[kept:], r.items[i:])
	clear(r.items[kept+rest:])
	r.items = r.items[:kept+rest]
}
