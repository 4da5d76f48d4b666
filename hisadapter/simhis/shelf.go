package simhis

import (
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// shelf is the stock of one key with its book.
type shelf struct {
	onHand  int64
	frozen  int64
	book    StockBook
	history []figure // what a reading would have shown, oldest first
}

type figure struct {
	at    time.Time
	value int64
}

// free is what anyone without a freeze can take.
func (s *shelf) free() int64 { return s.onHand - s.frozen }

// layIn sets a shelf to onHand and books the difference.
func (h *HIS) layIn(now time.Time, key hisadapter.Key, onHand int64) {
	s, ok := h.shelves[key]
	if !ok {
		s = &shelf{book: StockBook{Key: key, Initial: onHand, Lowest: onHand}}
		h.shelves[key] = s
		s.onHand = onHand
	} else {
		s.book.Adjusted += onHand - s.onHand
		s.onHand = onHand
		// A count that is set by hand starts a new reckoning of the lowest mark
		// only downwards: an old overdraft stays in the books.
		s.book.Lowest = min(s.book.Lowest, onHand)
	}
	h.note(now, s)
}

// move changes on-hand and frozen stock together and notes the new figure.
func (h *HIS) move(now time.Time, s *shelf, onHand, frozen int64) {
	s.onHand += onHand
	s.frozen += frozen
	s.book.Lowest = min(s.book.Lowest, s.onHand)
	h.note(now, s)
}

func (h *HIS) note(now time.Time, s *shelf) {
	value := s.onHand
	if h.cfg.Capabilities.NetFigure {
		value = s.free()
	}
	s.history = append(s.history, figure{at: now, value: value})
	// Keep the newest figure that a lagging reading may still show, drop older.
	horizon := now.Add(-h.cfg.Capabilities.FigureLag)
	cut := 0
	for cut+1 < len(s.history) && !s.history[cut+1].at.After(horizon) {
		cut++
	}
	s.history = append(s.history[:0], s.history[cut:]...)
}

// shown is the figure that a reading shows now: the one of FigureLag ago.
func (h *HIS) shown(now time.Time, s *shelf) int64 {
	horizon := now.Add(-h.cfg.Capabilities.FigureLag)
	value := s.history[0].value
	for _, f := range s.history {
		if f.at.After(horizon) {
			break
		}
		value = f.value
	}
	return value
}

// read answers QueryStock for one key.
func (h *HIS) read(now time.Time, key hisadapter.Key) hisadapter.Reading {
	s, ok := h.shelves[key]
	if !ok {
		return hisadapter.Reading{Key: key, Unknown: true}
	}
	return hisadapter.Reading{Key: key, OnHand: h.shown(now, s), Facts: h.drugs[key.DrugID]}
}
