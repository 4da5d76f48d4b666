package httphis

import (
	"container/list"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// maxFacts is how many drugs are remembered. The one that was silent longest
// makes room.
const maxFacts = 100_000

// factStore remembers what readings said of drugs, for the templates of writes.
type factStore struct {
	mu     sync.Mutex
	max    int
	order  *list.List // of *knownDrug, the newest first
	drugs  map[hisadapter.Key]*list.Element
	ratios map[string]units.Ratio // by drug, of the pharmacy that was read last
}

type knownDrug struct {
	key   hisadapter.Key
	facts *lineFacts
	at    time.Time
}

func newFactStore(most int) *factStore {
	return &factStore{max: most, order: list.New(), drugs: map[hisadapter.Key]*list.Element{}, ratios: map[string]units.Ratio{}}
}

func (s *factStore) put(key hisadapter.Key, f *lineFacts, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ratios[key.DrugID] = f.ratio
	if e, ok := s.drugs[key]; ok {
		e.Value = &knownDrug{key, f, at}
		s.order.MoveToFront(e)
		return
	}
	s.drugs[key] = s.order.PushFront(&knownDrug{key, f, at})
	if s.order.Len() > s.max {
		last := s.order.Remove(s.order.Back()).(*knownDrug).key
		delete(s.drugs, last)
		delete(s.ratios, last.DrugID) // known again with its next reading
	}
}

// get finds facts, and says whether they are no older than since.
func (s *factStore) get(key hisadapter.Key, since time.Time) (f *lineFacts, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.drugs[key]
	if !ok {
		return nil, false
	}
	k := e.Value.(*knownDrug)
	return k.facts, !k.at.Before(since)
}

// ratioOf finds the ratio of a drug in whatever pharmacy it was read last.
func (s *factStore) ratioOf(drugID string) units.Ratio {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ratios[drugID]
}
