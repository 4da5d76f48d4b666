package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/cache"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
)

// hub wakes the watchers of a key. Its signals are coalesced: a watcher that is
// slow sees the latest value, not each.
type hub struct {
	count atomic.Int64 // of watchers, so that nobody pays for it when there are none
	limit int64
	mu    sync.Mutex
	keys  map[hisadapter.Key]map[chan struct{}]bool
}

func newHub(limit int) *hub {
	return &hub{limit: int64(limit), keys: make(map[hisadapter.Key]map[chan struct{}]bool)}
}

// join registers a watcher; leave must be called. It returns false when there are
// too many.
func (h *hub) join(key hisadapter.Key) (wake <-chan struct{}, leave func(), ok bool) {
	if h.count.Add(1) > h.limit {
		h.count.Add(-1)
		return nil, nil, false
	}
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.keys[key] == nil {
		h.keys[key] = make(map[chan struct{}]bool)
	}
	h.keys[key][c] = true
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.keys[key], c)
		if len(h.keys[key]) == 0 {
			delete(h.keys, key)
		}
		h.count.Add(-1)
	}, true
}

// changed tells the watchers of a key that its stock, or what is held of it, may
// have changed.
func (h *hub) changed(key hisadapter.Key) {
	if h.count.Load() == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.keys[key] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// lockChanged tells the watchers of all keys of a lock.
func (h *hub) lockChanged(l *lockstore.Lock) {
	if h.count.Load() == 0 {
		return
	}
	for i := range l.Items {
		h.changed(hisadapter.Key{PharmacyID: l.PharmacyID, DrugID: l.Items[i].DrugID})
	}
}

// WatchStock sends the key's stock, and again whenever it changed: by a reading,
// a push or a hold. While someone watches, the key is read at the cache's pace.
// It blocks until ctx ends (nil), or send fails (its error).
//
// Errors: as GetStock for the first value; ErrTooManyWatchers. Later failures of
// the HIS show as Degraded, or send nothing until it is back.
func (g *Gateway) WatchStock(ctx context.Context, key hisadapter.Key, send func(Stock) error) error {
	wake, leave, ok := g.hub.join(key)
	if !ok {
		return ErrTooManyWatchers
	}
	defer leave()
	last, err := g.GetStock(ctx, key, Cached)
	if err != nil {
		return err
	}
	if err := send(last); err != nil {
		return err
	}
	tick := time.NewTicker(g.settings.Cache.MaxAge)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.closing:
			return ErrClosed
		case <-wake:
		case <-tick.C:
		}
		e, err := g.cache.Get(ctx, key, cache.Want{Rank: rankRefresh})
		if err != nil {
			continue
		}
		now, err := g.stockOf(ctx, key, e)
		if err != nil || sameStock(&last, &now) {
			continue
		}
		if err := send(now); err != nil {
			return err
		}
		last = now
	}
}

// sameStock ignores when and from where a figure was read.
func sameStock(a, b *Stock) bool {
	x, y := *a, *b
	x.AsOf, y.AsOf = time.Time{}, time.Time{}
	x.Source, y.Source = 0, 0
	return x == y
}
