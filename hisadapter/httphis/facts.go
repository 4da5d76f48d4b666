package httphis

import (
	"container/list"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// maxFacts is how many drugs are remembered. The one that was silent longest
// makes room.
const maxFacts = 100_000

// factStore remembers what readings said of drugs, for the templates of writes.
type factStore struct {
	mu    sync.Mutex
	max   int
	order *list.List // of *knownDrug, the newest first
	drugs map[hisadapter.Key]*list.Element
}

type knownDrug struct {
	key   hisadapter.Key
	facts *lineFacts
	at    time.Time
}

func newFactStore(most int) *factStore {
	return &factStore{max: most, order: list.New(), drugs: map[hisadapter.Key]*list.Element{}}
}

func (s *factStore) put(key hisadapter.Key, f *lineFacts, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.drugs[key]; ok {
		e.Value = &knownDrug{key, f, at}
		s.order.MoveToFront(e)
		return
	}
	s.drugs[key] = s.order.PushFront(&knownDrug{key, f, at})
	if s.order.Len() > s.max {
		last := s.order.Back()
		delete(s.drugs, s.order.Remove(last).(*knownDrug).key)
	}
}

// get finds facts that are not older than since.
func (s *factStore) get(key hisadapter.Key, since time.Time) (*lineFacts, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.drugs[key]
	if !ok {
		return nil, false
	}
	k := e.Value.(*knownDrug)
	return k.facts, !k.at.Before(since)
}
