package lockstore

import (
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// graveyard holds the tombstones of one principal in memory; their number is
// bounded.
type graveyard struct {
	graves map[string]time.Time // by order_no: when it was released
	byAge  []grave              // oldest first; some may have gone
}

type grave struct {
	orderNo string
	at      time.Time
}

// makeRoomAge is the age at which a tombstone makes room for another when there
// are too many: a late Lock comes within seconds.
const makeRoomAge = 24 * time.Hour

func (g *graveyard) add(orderNo string, at time.Time) {
	g.graves[orderNo] = at
	g.byAge = append(g.byAge, grave{orderNo, at})
}

// oldest returns the oldest tombstone that is still there.
func (g *graveyard) oldest() (grave, bool) {
	for len(g.byAge) > 0 {
		first := g.byAge[0]
		if at, ok := g.graves[first.orderNo]; ok && at.Equal(first.at) {
			return first, true
		}
		g.byAge = g.byAge[1:]
	}
	g.byAge = nil
	return grave{}, false
}

// tombstone returns the record of a Release of an order that never was, or nil.
// It has attempt 0: nothing was attempted, and the HIS never heard of it.
func (l *Ledger) tombstone(principal, orderNo string) *Lock {
	g := l.graves[principal]
	if g == nil {
		return nil
	}
	at, ok := g.graves[orderNo]
	if !ok {
		return nil
	}
	return newTombstone(&l.policy, principal, orderNo, at)
}

func newTombstone(p *Policy, principal, orderNo string, at time.Time) *Lock {
	lock := &Lock{OrderNo: orderNo, Principal: principal, CreatedAt: at}
	c := change{policy: p, lock: lock, event: Event{Kind: EvRelease}, now: at, actor: principal}
	if _, err := c.apply(); err != nil {
		panic("lockstore: a tombstone was refused by the table: " + err.Error())
	}
	return lock
}

// bury records a Release of an order that never was, so that a late Lock of it
// is refused. It is taken below the disk reserve too, as every Release is [B10]:
// the refund of an order that never got a lock waits for it, and the number of
// tombstones is bounded. Errors: ErrTooManyLocks.
func (l *Ledger) bury(principal, orderNo string, m moment) (*Lock, engine.Ticket, error) {
	var writes []engine.Write
	if g := l.graves[principal]; g != nil && len(g.graves) >= l.opts.MaxTombstones {
		old, ok := g.oldest()
		if !ok || m.wall.Sub(old.at) < makeRoomAge {
			return nil, l.disk.Barrier(), ErrTooManyLocks
		}
		writes = l.exhume(principal, old.orderNo)
	}
	g := l.graves[principal] // the last to leave takes the graveyard with it
	if g == nil {
		g = &graveyard{graves: make(map[string]time.Time)}
		l.graves[principal] = g
	}
	g.add(orderNo, m.wall)
	l.stats.Tombstones++
	lock := newTombstone(&l.policy, principal, orderNo, m.wall)
	writes = append(writes, putWrite(pairKey(prefixTombstone, principal, orderNo), encodeLock(lock)))
	return lock, l.append(m, writes...), nil
}

// exhume forgets a tombstone, if there is one, and returns the writes for it.
func (l *Ledger) exhume(principal, orderNo string) []engine.Write {
	g := l.graves[principal]
	if g == nil {
		return nil
	}
	if _, ok := g.graves[orderNo]; !ok {
		return nil
	}
	delete(g.graves, orderNo)
	l.stats.Tombstones--
	if len(g.graves) == 0 {
		delete(l.graves, principal)
	}
	return []engine.Write{deleteWrite(pairKey(prefixTombstone, principal, orderNo))}
}
