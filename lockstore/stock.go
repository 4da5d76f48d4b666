package lockstore

import (
	"math"
	"slices"
	"sort"
	"time"
)

// hold is one item of an active lock, as its key counts it.
type hold struct {
	owner  *entry
	stock  *stock
	units  int64
	counts counting
	read   bool // counts is untilRead, and a reading that knows of it was seen
	ack    ack  // counts is untilRead
	pos    int  // in stock.made
}

// ack is when the HIS's acknowledgement was recorded: by stamp and by the
// monotonic clock. Later ones have larger figures in both.
type ack struct {
	counter uint64
	at      time.Duration
}

// stock is all that the ledger knows of one key. What counts against every
// reading is one sum; what counts against some is a list in the order of
// acknowledgement, of which a reading knows a prefix. So a judgement costs
// O(log n) whatever the number of holds.
type stock struct {
	key  Key
	made tally // all holds; those that count always are its sum
	// acked are the holds that count until they are read, by ack.
	acked  []ackedHold
	before int64 // the running sum at which acked begins

	// Readings below the floor are refused: holds were dropped against later
	// ones, or for their age [A1].
	floorStamp Stamp
	floorBegan time.Duration
}

type ackedHold struct {
	*hold
	sum int64 // of all units up to this one, running
}

// join adds the hold of a lock that was just made, or restored in that order.
func (s *stock) join(h *hold) {
	h.stock = s
	h.counts = notAtAll
	s.made.join(h)
}

// leave forgets a hold whose lock leaves the memory.
func (s *stock) leave(h *hold) {
	s.set(h, notAtAll, ack{})
	s.made.leave(h)
}

// set changes how a hold counts. An acknowledgement given for untilRead is later
// than all given before.
func (s *stock) set(h *hold, c counting, a ack) {
	switch h.counts {
	case always:
		s.made.add(h, -h.units)
	case untilRead:
		if !h.read {
			s.unlist(h)
		}
	}
	h.counts, h.read, h.ack = c, false, a
	switch c {
	case always:
		s.made.add(h, h.units)
	case untilRead:
		s.acked = append(s.acked, ackedHold{hold: h, sum: s.lastSum() + h.units})
	}
}

func (s *stock) lastSum() int64 {
	if n := len(s.acked); n > 0 {
		return s.acked[n-1].sum
	}
	return s.before
}

// unlist takes one hold out of the list.
func (s *stock) unlist(h *hold) {
	i := sort.Search(len(s.acked), func(i int) bool { return s.acked[i].ack.counter >= h.ack.counter })
	if i == 0 {
		s.before = s.acked[0].sum
		s.shift(1)
		return
	}
	for j := i + 1; j < len(s.acked); j++ {
		s.acked[j].sum -= h.units
	}
	s.acked = slices.Delete(s.acked, i, i+1)
}

// shift drops the first n of the list.
func (s *stock) shift(n int) {
	clear(s.acked[:n])
	s.acked = s.acked[n:]
	if len(s.acked) == 0 {
		s.acked, s.before = nil, 0
	}
}

// knows reports whether r began late enough after a to know of it [A2] [A4].
func knows(r *Reading, a ack, lag time.Duration) bool {
	return r.Stamp.Counter > a.counter && r.Began >= a.at+lag
}

// known counts the acked holds that r knows of; they are the first ones.
func (s *stock) known(r *Reading, lag time.Duration) int {
	return sort.Search(len(s.acked), func(i int) bool { return !knows(r, s.acked[i].ack, lag) })
}

// tooOld reports whether r is older than what holds were dropped against [A1].
func (s *stock) tooOld(r *Reading) bool {
	return r.Stamp.Compare(s.floorStamp) < 0 || r.Began < s.floorBegan
}

// held sums the holds that r cannot know of.
func (s *stock) held(r *Reading, lag time.Duration) int64 {
	sum := s.made.total
	if n := s.known(r, lag); n < len(s.acked) {
		sum += s.lastSum()
		if n > 0 {
			sum -= s.acked[n-1].sum
		} else {
			sum -= s.before
		}
	}
	return sum
}

// heldBefore is held for the holds that are older than own alone [A9]. seen says
// that r has own taken off already.
func (s *stock) heldBefore(own *hold, r *Reading, lag time.Duration) (sum int64, seen bool) {
	sum = s.made.before(own)
	for _, h := range s.acked[s.known(r, lag):] {
		if h.pos < own.pos {
			sum += h.units
		}
	}
	seen = own.counts == untilRead && (own.read || knows(r, own.ack, lag))
	return sum, seen
}

// drop forgets the holds that r knows of, so that they need not be compared with
// later readings, and remembers r as the floor [A1]. It returns them.
func (s *stock) drop(r *Reading, lag time.Duration) []*hold {
	n := s.known(r, lag)
	if n == 0 {
		return nil
	}
	s.raiseFloor(r.Stamp, s.acked[n-1].ack.at+lag)
	dropped := make([]*hold, n)
	for i := range n {
		dropped[i] = s.acked[i].hold
		dropped[i].read = true
	}
	s.before = s.acked[n-1].sum
	s.shift(n)
	return dropped
}

// outlive drops one hold because every reading that is young enough to be used
// knows of it [A5].
func (s *stock) outlive(h *hold, epoch uint64, lag time.Duration) {
	s.raiseFloor(Stamp{Epoch: epoch, Counter: h.ack.counter + 1}, h.ack.at+lag)
	s.unlist(h)
	h.read = true
}

func (s *stock) raiseFloor(stamp Stamp, began time.Duration) {
	if stamp.Compare(s.floorStamp) > 0 {
		s.floorStamp = stamp
	}
	s.floorBegan = max(s.floorBegan, began)
}

// available is on-hand less held less safety, floored to the multiple and never
// below 0.
func available(onHand, held, safety, multiple int64) int64 {
	left := minus(minus(onHand, held), safety)
	if left <= 0 {
		return 0
	}
	if multiple > 1 {
		left -= left % multiple
	}
	return left
}

// minus subtracts what is not negative, and stops at the smallest number.
func minus(a, b int64) int64 {
	if a < math.MinInt64+b {
		return math.MinInt64
	}
	return a - b
}

// plus adds what is not negative, and stops at the largest number.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
