package gateway

import (
	"context"
	"maps"
	"time"

	"github.com/hisgate/hisgate/lockstore"
)

// The resolver goes on with every lock that needs the HIS and that nobody works
// on: after a restart, after a pause, after a caller who left. It learns of them
// from the ledger, which has all that is durable, and from the desk, which knows
// the pauses. Two pools of the same size keep a heap of releases from delaying
// the orders of patients who paid.

const (
	// workBatch is how many locks are taken from the ledger's list at a time.
	workBatch = 64
	// wholeLook is how much of the list is looked through at once, and
	// lookEvery how often, so that a long list of releases does not hide an order.
	wholeLook = 64
	lookEvery = time.Second
)

type pool chan struct{}

// try takes a place in the pool, if there is one. leave gives it back.
func (p pool) try() bool {
	select {
	case p <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p pool) leave() { <-p }

func (p pool) free() int { return cap(p) - len(p) }

// resolver is the state of one Run.
type resolver struct {
	g      *Gateway
	orders pool // PENDING, CONFIRMING: a patient waits
	others pool
	looked time.Time // last look through the whole list

	// listed is when a lock was last started from the list, within lookEvery. The
	// ledger's list goes by elapsed time and the steps by the wall clock: what is due
	// by one of them only comes to rest at once, and must not be started at once
	// again [B7].
	listed map[lockstore.ID]time.Time
}

func (g *Gateway) resolve(ctx context.Context) {
	r := &resolver{
		g:      g,
		orders: make(pool, g.settings.Resolver.Workers),
		others: make(pool, g.settings.Resolver.Workers),
		listed: make(map[lockstore.ID]time.Time),
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.desk.wake:
		case <-timer.C:
		}
		timer.Reset(r.pass(ctx))
	}
}

// pass starts what can be started and returns when to look again. The end of a
// job wakes the resolver, so that a full pool needs no looking.
func (r *resolver) pass(ctx context.Context) time.Duration {
	g := r.g
	now := g.now()
	for _, orders := range []bool{true, false} {
		for _, id := range g.desk.due(orders, r.pool(orders).free(), now) {
			l, err := g.record(id)
			if err != nil {
				g.desk.forget(id)
				continue
			}
			r.start(&l, false)
		}
	}
	rounds := 1
	if now.Sub(r.looked) >= lookEvery {
		rounds, r.looked = wholeLook, now
	}
	more := r.list(ctx, rounds, now)

	wait := g.settings.Resolver.Backoff[len(g.settings.Resolver.Backoff)-1]
	if d, ok := g.ledger.NextDue(); ok {
		wait = min(wait, max(d, lookEvery))
	}
	if d, ok := g.desk.next(now); ok {
		wait = min(wait, d)
	}
	if more {
		wait = min(wait, lookEvery)
	}
	if again, waiting := g.ledger.Abide(); waiting {
		wait = min(wait, again)
	}
	return wait
}

// list starts work from the ledger's list and reports whether there may be more
// of it than could be started.
func (r *resolver) list(ctx context.Context, rounds int, now time.Time) (more bool) {
	seen := make(map[lockstore.ID]bool)
	maps.DeleteFunc(r.listed, func(_ lockstore.ID, at time.Time) bool { return time.Since(at) >= lookEvery })
	for range rounds {
		locks := r.g.ledger.Work(workBatch)
		for i := range locks {
			id := locks[i].ID()
			if seen[id] {
				return more // the list has come round
			}
			seen[id] = true
			if r.g.desk.busy(&locks[i], now) {
				continue
			}
			if _, again := r.listed[id]; again || !r.start(&locks[i], true) {
				more = true
				continue
			}
			r.listed[id] = time.Now()
		}
		if len(locks) < workBatch || ctx.Err() != nil {
			return more
		}
	}
	return true
}

func (r *resolver) pool(orders bool) pool {
	if orders {
		return r.orders
	}
	return r.others
}

// start begins work on a lock if its pool has a place. due says that the ledger
// wants it to be looked at, by elapsed time.
func (r *resolver) start(l *lockstore.Lock, due bool) bool {
	p := r.pool(urgent(l.Status))
	if !p.try() {
		return false
	}
	if r.g.pursue(l.ID(), visitor{rank: rankNone, due: due, after: p.leave}) == nil {
		p.leave()
	}
	return true
}
