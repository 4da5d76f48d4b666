package lockstore

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// Ended locks are read from the disk, outside the mutex. What ends meanwhile is
// found in memory: an ended record stays in recent until a turn comes at which it
// is durable, and a read of the disk that a turn overtook is made again. So a lock
// is never missed between memory and disk.

// turnTime is how long a turn of recent lasts at least.
const turnTime = 2 * time.Second

// recent holds the records that ended lately, by order.
type recent struct {
	now, last             map[string][]endedRecord
	nowTicket, lastTicket engine.Ticket // of the newest record of each
	turned                time.Duration
}

type endedRecord struct {
	id  ID
	rec []byte
}

// add notes a record whose writes the ticket stands for.
func (r *recent) add(id ID, rec []byte, t engine.Ticket, mono time.Duration, turns *atomic.Uint64) {
	if mono-r.turned >= turnTime && durable(r.lastTicket) {
		r.last, r.lastTicket = r.now, r.nowTicket
		r.now, r.turned = nil, mono
		turns.Add(1)
	}
	if r.now == nil {
		r.now = make(map[string][]endedRecord)
	}
	r.now[id.OrderNo] = append(r.now[id.OrderNo], endedRecord{id, rec})
	r.nowTicket = t
}

// find returns the newest record of an attempt, or nil.
func (r *recent) find(id ID) []byte {
	for _, m := range []map[string][]endedRecord{r.now, r.last} {
		list := m[id.OrderNo]
		for i := len(list) - 1; i >= 0; i-- {
			if list[i].id == id {
				return list[i].rec
			}
		}
	}
	return nil
}

func durable(t engine.Ticket) bool {
	select {
	case <-t.Done():
		return true
	default:
		return false
	}
}

// past is what the disk says of the ended attempts of one order.
type past struct {
	turn  uint64 // of recent, before the disk was read
	all   bool   // read even if attempt 1 is not among the ended
	locks []*Lock
}

// readPast reads the ended attempts of an order. Attempt 1 is the first to end,
// save when it is looked at again, so its absence answers for all unless all is
// asked for. Without mu, or with it where that is rare.
func (l *Ledger) readPast(orderNo string, all bool) (*past, error) {
	p := &past{turn: l.turns.Load(), all: all}
	if !all {
		switch _, err := l.disk.Engine().Get(attemptKey(prefixEnded, ID{orderNo, 1})); {
		case errors.Is(err, engine.ErrNotFound):
			return p, nil
		case err != nil:
			return nil, l.readError(err)
		}
	}
	start, end := orderRange(orderNo)
	err := l.disk.Engine().Scan(start, end, func(_, rec []byte) error {
		lock, err := decodeLock(rec)
		if err != nil {
			return err
		}
		p.locks = append(p.locks, lock)
		return nil
	})
	if err != nil {
		return nil, l.readError(err)
	}
	p.all = true
	return p, nil
}

func (l *Ledger) readError(err error) error {
	switch {
	case errors.Is(err, engine.ErrClosed):
		return ErrClosed
	case errors.Is(err, engine.ErrOutcomeUnknown):
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return fmt.Errorf("reading ended locks: %w", err)
}

// attempt is one attempt in a view: active, or ended and decoded.
type attempt struct {
	e     *entry
	ended *Lock
}

func (a *attempt) lock() *Lock {
	if a.e != nil {
		return a.e.lock()
	}
	return a.ended
}

func (a *attempt) number() int {
	if a.e != nil {
		return a.e.id.Attempt
	}
	return a.ended.Attempt
}

func (a *attempt) principal() string {
	if a.e != nil {
		return a.e.principal
	}
	return a.ended.Principal
}

func (a *attempt) status() Status {
	if a.e != nil {
		return a.e.status
	}
	return a.ended.Status
}

// over reports whether the attempt is RELEASED and settled.
func (a *attempt) over() bool {
	if a.e != nil {
		return a.e.status == Released && a.e.settled
	}
	return a.ended.Status == Released && a.ended.Settled()
}

// view is all attempts of one order, ascending.
type view []attempt

// top returns the newest attempt, or nil.
func (v view) top() *attempt {
	if len(v) == 0 {
		return nil
	}
	return &v[len(v)-1]
}

// of returns the newest attempt of a principal, or nil.
func (v view) of(principal string) *attempt {
	for i := len(v) - 1; i >= 0; i-- {
		if v[i].principal() == principal {
			return &v[i]
		}
	}
	return nil
}

// viewOf puts the attempts of an order together, under mu, for a command of a
// principal ("" = any). It returns false when the disk must be read first, or
// again; all says how.
func (l *Ledger) viewOf(orderNo, principal string, p *past) (v view, all, ok bool) {
	if top := l.orders[orderNo]; top != nil {
		// An attempt that is neither over nor confirmed is the newest one.
		if top.status != Released && top.status != Confirmed && (principal == "" || principal == top.principal) {
			return view{{e: top}}, false, true
		}
		all = true
	}
	if p == nil || all && !p.all {
		return nil, all, false
	}
	v, ok = l.wholeView(orderNo, p)
	return v, all, ok
}

// wholeView puts all attempts of an order together, under mu. It returns false
// when the disk was read in an earlier turn.
func (l *Ledger) wholeView(orderNo string, p *past) (v view, ok bool) {
	if l.turns.Load() != p.turn {
		return nil, false
	}
	newest, stored := l.orders[orderNo], p.locks
	for len(stored) > 0 && l.isLeaving(stored[len(stored)-1].ID()) {
		stored = stored[:len(stored)-1]
	}
	now, last := l.ended.now[orderNo], l.ended.last[orderNo]
	if newest == nil && len(stored)+len(now)+len(last) == 0 {
		return nil, true
	}
	merged := make(map[int]attempt, len(stored)+1)
	for _, lock := range stored {
		merged[lock.Attempt] = attempt{ended: lock}
	}
	for _, list := range [][]endedRecord{last, now} {
		for _, r := range list {
			lock, err := decodeLock(r.rec)
			if err != nil {
				panic("lockstore: a record in memory is garbled: " + err.Error())
			}
			merged[r.id.Attempt] = attempt{ended: lock}
		}
	}
	for e := newest; e != nil; e = e.older {
		merged[e.id.Attempt] = attempt{e: e}
	}
	for _, a := range merged {
		v = append(v, a)
	}
	slices.SortFunc(v, func(a, b attempt) int { return a.number() - b.number() })
	return v, true
}

// judge runs f over the view of an order, under mu, and returns its ticket. f
// returns the ticket of what it wrote, or a barrier when it wrote nothing [B2].
// eager says that the order is most likely new, so that the disk is read at once.
func (l *Ledger) judge(orderNo, principal string, eager bool, f func(view, moment) engine.Ticket) (t engine.Ticket, err error) {
	var p *past
	if eager {
		if p, err = l.readPast(orderNo, false); err != nil {
			return t, err
		}
	}
	for {
		t, all, ok, err := l.judgeOnce(orderNo, principal, p, f)
		if ok || err != nil {
			return t, err
		}
		if p, err = l.readPast(orderNo, all); err != nil {
			return t, err
		}
	}
}

func (l *Ledger) judgeOnce(orderNo, principal string, p *past, f func(view, moment) engine.Ticket) (t engine.Ticket, all, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.unusable(); err != nil {
		return t, false, false, err
	}
	m := l.tick()
	v, all, ok := l.viewOf(orderNo, principal, p)
	if !ok {
		return t, all, false, nil
	}
	return f(v, m), false, true, nil
}
