package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/hisgate/hisgate/lockstore"
)

// expireBatch is how many expired locks are handled before the next are looked
// for.
const expireBatch = 256

// expirer is the state of one Run.
type expirer struct {
	g      *Gateway
	owners pool // questions to owners; a slow one holds up nothing but itself
	wg     sync.WaitGroup
}

// expire releases what has expired. It only records: giving a freeze back at the
// HIS is the resolver's, in the lowest class but one, so that a hundred thousand
// expiries stand behind every Confirm.
func (g *Gateway) expire(ctx context.Context, wake <-chan struct{}) {
	x := &expirer{g: g, owners: make(pool, g.settings.Expiry.Workers)}
	defer x.wg.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-timer.C:
		}
		for ctx.Err() == nil {
			due := g.ledger.Due(expireBatch)
			x.handle(ctx, due)
			if len(due) < expireBatch {
				break
			}
		}
		wait := g.settings.PurgeEvery
		if d, ok := g.ledger.NextDue(); ok {
			// Never spin, whatever the ledger says.
			wait = min(wait, max(d, time.Millisecond))
		}
		timer.Reset(wait)
	}
}

// handle releases those that the clock may release, and has the owners of the
// others asked. It returns when nothing of due is due any more.
func (x *expirer) handle(ctx context.Context, due []lockstore.Lock) {
	places := make(pool, x.g.settings.Expiry.Workers)
	var wg sync.WaitGroup
	for i := range due {
		l := &due[i]
		if l.Owner {
			x.ask(ctx, l)
			continue
		}
		places <- struct{}{}
		wg.Go(func() {
			defer places.leave()
			x.g.expired(l, lockstore.Event{Kind: lockstore.EvClock})
		})
	}
	wg.Wait()
}

// ask has an owner asked, in the background. Until it has answered, or might
// have, the lock is not due.
func (x *expirer) ask(ctx context.Context, l *lockstore.Lock) {
	s := &x.g.settings.Expiry
	if !x.owners.try() {
		x.g.ledger.Postpone(l.ID(), s.Retry)
		return
	}
	x.g.ledger.Postpone(l.ID(), s.Owner+s.Retry)
	x.wg.Go(func() {
		defer x.owners.leave()
		ev := x.g.askOwner(ctx, l)
		if ctx.Err() == nil {
			x.g.expired(l, ev)
		}
	})
}

// expired records what becomes of a lock whose time has come.
func (g *Gateway) expired(l *lockstore.Lock, ev lockstore.Event) {
	after, err := g.ledger.Record(g.base, l.ID(), ev)
	if err != nil {
		g.log.refused(l, end{op: "expire", event: ev}, err)
		g.ledger.Postpone(l.ID(), g.settings.Expiry.Retry)
		return
	}
	if after.Version == l.Version || ev.Kind == lockstore.EvCase {
		// Nothing came of it: the clock is doubted, or the owner is to be asked
		// again. A lock that was confirmed meanwhile is not due any more.
		g.ledger.Postpone(l.ID(), g.settings.Expiry.Retry)
	}
	if after.Version != l.Version {
		g.log.expired(&after, ev)
		g.hub.lockChanged(&after)
	}
}

// askOwner asks what is to become of a lock whose time has come [B6].
func (g *Gateway) askOwner(ctx context.Context, l *lockstore.Lock) lockstore.Event {
	ctx, cancel := context.WithTimeout(ctx, g.settings.Expiry.Owner)
	defer cancel()
	var v OwnerVerdict
	if g.owner != nil {
		v = g.owner.LockOwner(ctx, l.OrderNo, l.Attempt)
	}
	switch soonest := g.now().Add(g.settings.Expiry.Retry); {
	case !v.Known:
		return lockstore.Event{Kind: lockstore.EvCase, Message: "the lock expired, and its owner knows nothing of the order"}
	case v.Release:
		return lockstore.Event{Kind: lockstore.EvOwnerRelease}
	case v.KeepUntil.Before(soonest):
		return lockstore.Event{Kind: lockstore.EvOwnerKeep, Until: soonest}
	default:
		return lockstore.Event{Kind: lockstore.EvOwnerKeep, Until: v.KeepUntil}
	}
}
