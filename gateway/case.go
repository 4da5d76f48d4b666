package gateway

import (
	"context"

	"github.com/hisgate/hisgate/lockstore"
)

// Resolve records a person's word on an attempt whose outcome is not known: that
// the HIS applied what it was asked (hisOrderNo then names its order), or did
// not. What follows from it, say giving a freeze back, goes on by itself.
//
// Errors: *lockstore.InvalidError without an actor; *lockstore.FaultError when
// the lock waits for nobody's word; lockstore.ErrNotFound.
func (g *Gateway) Resolve(ctx context.Context, id lockstore.ID, applied bool, hisOrderNo, actor string) (lockstore.Lock, error) {
	if actor == "" {
		return lockstore.Lock{}, &lockstore.InvalidError{Field: "actor", Reason: "is empty"}
	}
	ev := lockstore.Event{Kind: lockstore.EvNotApplied, HISOrderNo: hisOrderNo, Actor: actor}
	if applied {
		ev.Kind = lockstore.EvApplied
	}
	l, err := g.record(id)
	if err != nil {
		return l, err
	}
	if l.CaseReason == "" {
		return l, &lockstore.FaultError{ID: id, Status: l.Status, Event: ev.Kind}
	}
	if l, err = g.ledger.Record(ctx, id, ev); err != nil {
		return l, err
	}
	g.hub.lockChanged(&l)
	g.pursue(id, rankRelease, false, nil)
	return l, nil
}
