package gateway

import (
	"context"
	"errors"
	"slices"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
)

// ErrNoCancel: the HIS cannot take an order back, or cannot say afterwards whether
// it did.
var ErrNoCancel = errors.New("the HIS cannot cancel its orders")

const opCancelOrder = "CancelOrder"

// CanCancel reports whether Cancel may be asked for. A HIS that cannot say what
// became of a lost call may answer its repeat with "wrong state" for ever, which is
// neither success nor failure [C3].
func (g *Gateway) CanCancel() bool {
	return g.caps.Cancel && g.caps.Find
}

// CanFind reports whether the HIS can be asked what became of a number.
func (g *Gateway) CanFind() bool { return g.caps.Find }

// Cancel has the HIS take the order of a CONFIRMED lock back; its word is durable
// when Cancel returns nil, and the lock is settled then. The caller keeps durably
// that it wants this, and asks again when it does not know: the HIS is asked what
// became of the order before it is told again. A repeat of what was done answers
// the lock. It blocks for the HIS, at most until ctx ends, and goes on without its
// caller.
//
// Errors: ErrNoCancel; lockstore.ErrNotFound; lockstore.ErrConfirmInProgress (the
// order is not placed yet, or another call is under way); lockstore.ErrLockEnded
// (there is none); *HISRefusedError (the HIS does not take it back: a person must
// see to it); *HISError (nothing happened); ErrOutcomeUnknown; ErrClosed.
func (g *Gateway) Cancel(ctx context.Context, principal, orderNo string) (lockstore.Lock, error) {
	if !g.CanCancel() {
		return lockstore.Lock{}, ErrNoCancel
	}
	l, err := g.ledger.Get(ctx, principal, orderNo)
	if err != nil {
		return l, err
	}
	j, err := g.desk.seize(ctx, l.ID(), rankRelease)
	if err != nil {
		return l, err
	}
	type answer struct {
		lock lockstore.Lock
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		lock, err := g.cancelSeized(l.ID())
		done <- answer{lock, err}
		g.work(j) // whoever joined meanwhile waits for it
	}()
	select {
	case a := <-done:
		return a.lock, a.err
	case <-ctx.Done():
		return l, ErrOutcomeUnknown
	}
}

// cancelSeized does it for the one who works on the lock.
func (g *Gateway) cancelSeized(id lockstore.ID) (lockstore.Lock, error) {
	l, err := g.record(id)
	switch {
	case err != nil:
		return l, err
	case l.Status == lockstore.Confirming:
		return l, lockstore.ErrConfirmInProgress
	case l.Status != lockstore.Confirmed:
		return l, lockstore.ErrLockEnded
	case !l.CancelledAt.IsZero():
		return l, nil
	}
	if gone, err := g.cancelledAlready(&l); gone || err != nil {
		if err != nil {
			return l, err
		}
		return g.recordCancelled(&l, opCancelOrder)
	}
	ctx, stop := context.WithTimeout(withRank(g.base, rankRelease), g.settings.Calls.Write)
	defer stop()
	began := g.now()
	err = g.his.CancelOrder(ctx, l.HISNo, l.HISOrderNo)
	e := end{op: opCancelOrder, err: err}
	if err != nil {
		e.trouble = hisError(opCancelOrder, err)
	}
	g.log.called(&l, e, g.now().Sub(began))
	switch hisadapter.OutcomeOf(err) {
	case hisadapter.Done:
		return g.recordCancelled(&l, opCancelOrder)
	case hisadapter.Refused:
		return l, refusedError(refusal(err))
	case hisadapter.Busy, hisadapter.NotSent:
		return l, e.trouble
	case hisadapter.Misconfigured:
		g.alert(Alert{Name: AlertMisconfigured, Detail: e.trouble.Error()})
		return l, e.trouble
	default: // "wrong state", or nobody knows: the next time begins with a look
		return l, ErrOutcomeUnknown
	}
}

// cancelledAlready asks whether the order was taken back before: by a call whose
// answer was lost, or by somebody at the HIS.
func (g *Gateway) cancelledAlready(l *lockstore.Lock) (bool, error) {
	ctx, stop := context.WithTimeout(withRank(g.base, rankRelease), g.settings.Calls.Read)
	defer stop()
	found, err := g.his.FindOrder(ctx, l.HISNo)
	switch {
	case err != nil:
		return false, hisError(opFindOrder, err)
	case found.State == hisadapter.Released && byWordOfPerson(l):
		// The order that the person named may stand under another number of the HIS.
		return false, &HISRefusedError{Message: "confirmed by a person's word as " + l.HISOrderNo + ", and of its number the HIS says: " + found.State.String()}
	case found.State == hisadapter.Released:
		return true, nil
	case found.State == hisadapter.Deducted:
		return false, nil
	default:
		return false, &HISRefusedError{Message: "of a confirmed order the HIS says: " + found.State.String()}
	}
}

// byWordOfPerson tells whether a lock is CONFIRMED because a person said that the HIS
// had deducted.
func byWordOfPerson(l *lockstore.Lock) bool {
	return slices.ContainsFunc(l.History, func(s lockstore.Step) bool {
		return s.To == lockstore.Confirmed && s.From != s.To && s.Event == lockstore.EvApplied
	})
}

// Standing asks the HIS whether the order of a CONFIRMED lock stands there, and tells
// the ledger of one that was cancelled since; the lock is returned as it stands then.
// Only the word "released" counts: a HIS may no longer know of old orders. It blocks
// for the HIS, in the class of refreshes.
//
// Errors: ErrCannotBeAsked; lockstore.ErrNotFound; *HISError; those of the ledger.
func (g *Gateway) Standing(ctx context.Context, principal, orderNo string) (lockstore.Lock, error) {
	if !g.caps.Find {
		return lockstore.Lock{}, ErrCannotBeAsked
	}
	l, err := g.ledger.Get(ctx, principal, orderNo)
	if err != nil || l.Status != lockstore.Confirmed || !l.CancelledAt.IsZero() || byWordOfPerson(&l) {
		return l, err
	}
	found, err := g.his.FindOrder(withRank(ctx, rankRefresh), l.HISNo)
	switch {
	case err != nil:
		return l, hisError(opFindOrder, err)
	case found.State != hisadapter.Released:
		return l, nil
	default:
		return g.recordCancelled(&l, opFindOrder)
	}
}

// recordCancelled tells the ledger that the HIS order is no more, by the word of op.
func (g *Gateway) recordCancelled(l *lockstore.Lock, op string) (lockstore.Lock, error) {
	after, err := g.ledger.Record(context.WithoutCancel(g.base), l.ID(), lockstore.Event{Kind: lockstore.EvCancelled, Op: op})
	if err != nil {
		return *l, err
	}
	if after.Version != l.Version {
		g.log.cancelled(&after)
		g.hub.lockChanged(&after)
	}
	return after, nil
}
