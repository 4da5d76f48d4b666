package guard

import (
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// suspects remembers keys that a HIS refused alone. For a while they are asked
// alone from the start, so that a drug that spoils batches costs one call more
// and not a halving of each batch.
type suspects struct {
	mu    sync.Mutex
	until map[hisadapter.Key]time.Time
}

const (
	suspectFor   = 10 * time.Minute
	suspectsMost = 1024
)

func newSuspects() *suspects { return &suspects{until: make(map[hisadapter.Key]time.Time)} }

func (s *suspects) has(k hisadapter.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.until[k]
	if ok && time.Now().After(until) {
		delete(s.until, k)
		return false
	}
	return ok
}

func (s *suspects) add(k hisadapter.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if _, known := s.until[k]; !known && len(s.until) >= suspectsMost {
		for old, until := range s.until {
			if now.After(until) {
				delete(s.until, old)
			}
		}
		if len(s.until) >= suspectsMost {
			return // halving finds it again
		}
	}
	s.until[k] = now.Add(suspectFor)
}

func (s *suspects) clear(k hisadapter.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.until, k)
}
