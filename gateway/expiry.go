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

// expire releases what has expired. It only records: giving a freeze back at the
// HIS is the resolver's, in the lowest class but one, so that a hundred thousand
// expiries stand behind every Confirm.
func (g *Gateway) expire(ctx context.Context, wake <-chan struct{}) {
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
			g.expireAll(ctx, due)
			if len(due) < expireBatch {
				break
			}
		}
		wait := g.settings.PurgeEvery
		if d, ok := g.ledger.NextDue(); ok {
			wait = min(wait, d)
		}
		// What is due already and could not be handled was put off, or waits for
		// the clock to be trusted again [B7].
		timer.Reset(max(wait, time.Millisecond))
	}
}

func (g *Gateway) expireAll(ctx context.Context, due []lockstore.Lock) {
	places := make(pool, g.settings.Expiry.Workers)
	var wg sync.WaitGroup
	for i := range due {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			wg.Wait()
			return
		}
		wg.Go(func() {
			defer places.leave()
			g.expireOne(ctx, &due[i])
		})
	}
	wg.Wait()
}

func (g *Gateway) expireOne(ctx context.Context, l *lockstore.Lock) {
	ev := lockstore.Event{Kind: lockstore.EvClock}
	if l.Owner {
		ev = g.askOwner(ctx, l)
	}
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
