package gateway

import (
	"context"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
)

// callFind asks what became of the lock's his_no and turns the word into an
// event. Deducted, frozen and released are believed at once. None and lapsed may
// mean that a call is still on its way: after an unknown outcome they are
// believed only when this very question was asked after the grace time [C1].
func (g *Gateway) callFind(ctx context.Context, l *lockstore.Lock) end {
	if l.AskFirst {
		return g.callRecall(ctx, l)
	}
	patient := g.ledger.GraceLeft(l.ID()) > 0
	found, err := g.his.FindOrder(ctx, l.HISNo)
	if err != nil {
		return g.notFound(err) // which says nothing about the lock: it is not recorded
	}
	e := end{op: opFindOrder, event: eventOf(l, found, g.caps)}
	e.event.Op = opFindOrder
	// As we knew, but for an end that the ledger does not believe in: go on.
	e.standing = found.State == hisadapter.Frozen && !l.Unknown && l.Word == lockstore.WordFrozen
	switch {
	case e.event.Kind == 0:
		e.later = found.State != hisadapter.Frozen
	case patient && mayStillCome(l, found.State):
		e.event = lockstore.Event{}
		e.later = true
	}
	return e
}

// mayStillCome reports whether a call that is on its way could still change what
// the HIS just said.
func mayStillCome(l *lockstore.Lock, s hisadapter.State) bool {
	switch s {
	case hisadapter.None, hisadapter.Lapsed:
		return true
	case hisadapter.Frozen:
		return orderInDoubt(l)
	default:
		return false
	}
}

// orderInDoubt: a PlaceOrder may be on its way, so that only a word about the
// order settles the lock.
func orderInDoubt(l *lockstore.Lock) bool {
	return l.Status == lockstore.Confirming && l.Unknown && l.OrderSent
}

// eventOf says what a verified word means for a lock. Kind 0 means that nothing
// follows from it now.
func eventOf(l *lockstore.Lock, f hisadapter.Found, c hisadapter.Capabilities) lockstore.Event {
	watching := l.Status == lockstore.Released && !l.Unknown && l.Word != lockstore.WordFrozen
	switch f.State {
	case hisadapter.Deducted:
		return lockstore.Event{Kind: lockstore.EvOrderPlaced, HISOrderNo: f.OrderNo}
	case hisadapter.Frozen:
		switch {
		case orderInDoubt(l):
			return lockstore.Event{Kind: lockstore.EvOrderNone}
		case watching:
			return lockstore.Event{Kind: lockstore.EvWatchFrozen, HISLockID: f.Freeze.LockID, FreezeExpires: f.Freeze.Expires}
		case !l.Unknown && l.Word == lockstore.WordFrozen && (f.Freeze.Expires.IsZero() || f.Freeze.Expires.Equal(l.FreezeExpires)):
			return lockstore.Event{} // as we knew
		}
		return lockstore.Event{Kind: lockstore.EvFreezeDone, HISLockID: f.Freeze.LockID, FreezeExpires: f.Freeze.Expires}
	case hisadapter.Released:
		if watching {
			return lockstore.Event{Kind: lockstore.EvWatchClear}
		}
		return lockstore.Event{Kind: lockstore.EvUnfreezeDone}
	case hisadapter.Lapsed:
		switch {
		case watching:
			return lockstore.Event{Kind: lockstore.EvWatchClear}
		case orderInDoubt(l):
			return lockstore.Event{Kind: lockstore.EvOrderNone}
		}
		return lockstore.Event{Kind: lockstore.EvFreezeLapsed}
	case hisadapter.None:
		switch {
		case watching:
			return lockstore.Event{Kind: lockstore.EvWatchClear}
		case l.Status == lockstore.Confirming && (l.OrderSent || !c.Freeze || !l.Freeze && !c.DeductNeedsFreeze):
			return lockstore.Event{Kind: lockstore.EvOrderNone}
		}
		return lockstore.Event{Kind: lockstore.EvFreezeNone}
	default:
		return lockstore.Event{}
	}
}
