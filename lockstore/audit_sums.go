package lockstore

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// strays looks for locks in force on the disk that the memory does not know. One
// that has ended since the scan is no longer there at a second look.
func (a *audit) strays() error {
	var suspects []ID
	err := a.l.disk.Engine().Scan([]byte(prefixActive), prefixEnd(prefixActive), func(key, _ []byte) error {
		n := len(key) - len(prefixActive) - 5
		if n < 1 {
			return nil // Verify tells
		}
		id := idOf(key[len(prefixActive):])
		return a.locked(func() {
			if a.l.entry(id) == nil {
				suspects = append(suspects, id)
			}
		})
	})
	if err != nil {
		return err
	}
	for _, id := range suspects {
		stray := true
		for range 3 { // one that comes back to life and ends again between two looks is none
			if stray, err = a.stray(id); err != nil {
				return err
			}
			if !stray {
				break
			}
		}
		if stray {
			a.found(id, "in force on the disk, and not in memory")
		}
	}
	return nil
}

// stray reports whether a lock is in force on the disk, once everything judged so
// far is durable, and not in memory.
func (a *audit) stray(id ID) (bool, error) {
	var t engine.Ticket
	if err := a.locked(func() { t = a.l.disk.Barrier() }); err != nil {
		return false, err
	}
	if err := a.l.await(a.ctx, t); err != nil {
		return false, err
	}
	_, err := a.l.disk.Engine().Get(attemptKey(prefixActive, id))
	if errors.Is(err, engine.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, a.l.readError(err)
	}
	known := false
	err = a.locked(func() { known = a.l.entry(id) != nil })
	return !known, err
}

// stocks audits the sums of one key after the other.
func (a *audit) stocks() error {
	var keys []Key
	if err := a.locked(func() { keys = slices.Collect(maps.Keys(a.l.stocks)) }); err != nil {
		return err
	}
	slices.SortFunc(keys, func(x, y Key) int {
		if c := strings.Compare(x.PharmacyID, y.PharmacyID); c != 0 {
			return c
		}
		return strings.Compare(x.DrugID, y.DrugID)
	})
	for _, k := range keys {
		var wrong []string
		if err := a.locked(func() {
			if s := a.l.stocks[k]; s != nil {
				wrong = s.recount()
			}
		}); err != nil {
			return err
		}
		for _, what := range wrong {
			a.found(k, "%s", what)
		}
	}
	return nil
}

// recount adds up the holds of a key anew and says what its sums get wrong.
func (s *stock) recount() (wrong []string) {
	t := &s.made
	sums := make([]int64, len(t.slots)+1) // of what counts always, up to each position
	live, waiting := 0, int64(0)
	for i, h := range t.slots {
		sums[i+1] = sums[i]
		if h == nil {
			continue
		}
		live++
		if h.pos != i+1 || h.stock != s || h.owner.gone {
			wrong = append(wrong, "a hold of "+h.owner.id.OrderNo+" is out of place")
		}
		switch {
		case h.counts == always:
			sums[i+1] += h.units
		case h.counts == untilRead && !h.read:
			waiting += h.units
		}
	}
	for p := range len(t.tree) {
		if n := p + 1; t.tree[p] != sums[n]-sums[n-lowbit(n)] {
			wrong = append(wrong, "the tree of its holds is wrong")
			break
		}
	}
	if t.total != sums[len(t.slots)] || t.live != live || len(t.tree) != len(t.slots) {
		wrong = append(wrong, "what no reading knows of is not the sum of its holds")
	}
	sum := s.before
	for i, h := range s.acked {
		sum += h.units
		if h.sum != sum || h.counts != untilRead || h.read || i > 0 && s.acked[i-1].ack.counter > h.ack.counter {
			wrong = append(wrong, "what readings may not know of is out of order")
			break
		}
	}
	if s.lastSum()-s.before != waiting {
		wrong = append(wrong, "what readings may not know of is not the sum of its holds")
	}
	return wrong
}

// counters counts everything once, at one moment.
func (a *audit) counters() error {
	return a.locked(func() {
		l := a.l
		var sum Stats
		holders := make(map[string]int, len(l.holders))
		waits, unknown, work, live := 0, 0, 0, 0
		principal, run := "", 0 // most neighbours belong to one, and a map is slow
		for _, e := range l.made.slots {
			if e.gone {
				continue
			}
			live++
			sum.count(e, 1)
			if e.principal != principal && run > 0 {
				holders[principal] += run
				run = 0
			}
			principal, run = e.principal, run+1
			if e.due.place > 0 {
				waits++
			}
			if e.unknown {
				unknown++
			}
			if e.queued {
				work++
			}
		}
		if run > 0 {
			holders[principal] += run
		}
		graves := 0
		for _, g := range l.graves {
			graves += len(g.graves)
		}
		differ := func(what string, is, want int) {
			if is != want {
				a.found("counters", "%s: %d are counted, %d are there", what, is, want)
			}
		}
		for s := range sum.ByStatus {
			differ("locks that are "+Status(s).String(), l.stats.ByStatus[s], sum.ByStatus[s])
		}
		differ("locks that wait for a person", l.stats.Cases, sum.Cases)
		differ("locks that the HIS is asked about first", l.stats.Asking, sum.Asking)
		if len(l.orders) > live { // each lock was found among the attempts of its order
			a.found("counters", "%d orders have locks in force, and there are %d locks", len(l.orders), live)
		}
		differ("locks by creation", l.made.live, live)
		differ("locks that wait for their time", len(l.wheel.heap), waits)
		differ("unknown outcomes", len(l.unknown), unknown)
		differ("locks that need the HIS", l.work.n, work)
		differ("tombstones", l.stats.Tombstones, graves)
		if !maps.Equal(holders, l.holders) {
			a.found("counters", "locks by principal: %v are counted, %v are there", l.holders, holders)
		}
	})
}
