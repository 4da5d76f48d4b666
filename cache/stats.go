package cache

import "sync/atomic"

// Stats are counts since New, and what is there now. Waiters / Loads is how many
// readers one load served, and LoadedKeys / Loads how full the batches are.
type Stats struct {
	Hits   uint64 // keys answered at once
	Stale  uint64 // keys answered with the last value, because the load failed
	Failed uint64 // keys that could not be answered

	Loads      uint64 // begun, those of the live lane included
	LiveLoads  uint64
	LoadedKeys uint64 // in all loads
	FilledKeys uint64 // of these, keys that nobody waited for yet
	FailedKeys uint64 // of these, keys that could not be loaded
	Refreshes  uint64 // keys loaded behind their readers
	Waiters    uint64 // readers that landed loads answered

	Pushes        uint64 // applied
	PushesDropped uint64 // older than what their source had sent

	Keys    int // values kept
	Absent  int // of these, keys that the source does not know
	Waiting int // readers, once for each key
	Flying  int // keys that are being loaded
}

// tally is what is counted outside Cache.mu.
type tally struct {
	hits, stale, failed atomic.Uint64
}

// Stats returns the figures of now.
func (c *Cache[K, V, S]) Stats() Stats {
	c.mu.Lock()
	s := c.counted
	s.Waiting = c.waiting
	s.Flying = len(c.ordinary.flying) + len(c.live.flying)
	c.mu.Unlock()
	s.Hits, s.Stale, s.Failed = c.tally.hits.Load(), c.tally.stale.Load(), c.tally.failed.Load()
	s.Keys, s.Absent = c.store.len(), c.store.absent.len()
	return s
}
