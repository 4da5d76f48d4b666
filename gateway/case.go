package gateway

import (
	"context"
	"fmt"

	"github.com/hisgate/hisgate/lockstore"
)

// Resolve records a person's word on an attempt whose outcome is not known: that
// the HIS applied what it was asked (hisOrderNo then names its order), or did
// not. What follows from it, say giving a freeze back, goes on by itself.
//
// The word is taken only while no call about the lock is under way: it would be
// about the HIS as it was before. Resolve blocks until such a call has ended, at
// most until ctx ends.
//
// Errors: *lockstore.InvalidError without an actor; *lockstore.FaultError when
// the lock waits for nobody's word; lockstore.ErrConfirmInProgress when a call
// was under way and did not end in time, or changed the lock, or may still
// arrive because it was lost within the grace time: the person must look again;
// lockstore.ErrNotFound, ErrClosed.
func (g *Gateway) Resolve(ctx context.Context, id lockstore.ID, applied bool, hisOrderNo, actor string) (lockstore.Lock, error) {
	if actor == "" {
		return lockstore.Lock{}, &lockstore.InvalidError{Field: "actor", Reason: "is empty"}
	}
	ev := lockstore.Event{Kind: lockstore.EvNotApplied, HISOrderNo: hisOrderNo, Actor: actor}
	if applied {
		ev.Kind = lockstore.EvApplied
	}
	seen, err := g.record(id)
	if err != nil {
		return seen, err
	}
	if seen.CaseReason == "" {
		return seen, &lockstore.FaultError{ID: id, Status: seen.Status, Event: ev.Kind}
	}
	j, err := g.desk.seize(ctx, id, rankRelease)
	if err != nil {
		return seen, err
	}
	// Whoever joined meanwhile waits for it, and the lock goes on from the word.
	defer func() { go g.work(j) }()
	l, err := g.record(id)
	switch {
	case err != nil:
		return l, err
	case l.Version != seen.Version:
		return l, fmt.Errorf("%w: a call that was under way has changed the lock; look at the HIS again", lockstore.ErrConfirmInProgress)
	}
	if l, err = g.ledger.Record(ctx, id, ev); err != nil {
		return l, err
	}
	g.hub.lockChanged(&l)
	return l, nil
}
