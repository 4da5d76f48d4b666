package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
)

// laterAttempts is how many numbers are looked at for what was made of an order
// between a backup and its restore. That the HIS knows nothing of one says nothing of
// the next: an attempt that was given up before it was confirmed, or refused, never
// left a trace at a HIS without freezes.
const laterAttempts = 5

// RecalledError: nothing of the order stands here, and the HIS says that it has
// one: it was made between the backup that hisgate was restored from and the
// restore.
type RecalledError struct {
	HISNo      string
	Deducted   bool   // else the HIS holds a freeze
	HISOrderNo string // set when Deducted
}

func (e *RecalledError) Error() string {
	if e.Deducted {
		return fmt.Sprintf("the HIS has deducted for %s (HIS order %s), before hisgate was restored from a backup", e.HISNo, e.HISOrderNo)
	}
	return fmt.Sprintf("the HIS holds a freeze for %s from before hisgate was restored from a backup", e.HISNo)
}

// callRecall asks what the HIS made of an attempt's number before the ledger was
// restored, and of the numbers that would follow it [B9]. What is on its way from
// a process that died just now may still change a "none": that is not believed in
// the first grace time after the restored folder was first opened.
func (g *Gateway) callRecall(ctx context.Context, l *lockstore.Lock) end {
	patient := g.ledger.GraceLeft(l.ID()) > 0
	found, err := g.his.FindOrder(ctx, l.HISNo)
	if err != nil {
		return g.notFound(err)
	}
	e := end{op: opFindOrder, event: lockstore.Event{
		Kind: lockstore.EvRecalled, Op: opFindOrder, HISLockID: found.Freeze.LockID, FreezeExpires: found.Freeze.Expires,
		HISOrderNo: found.OrderNo,
	}}
	switch found.State {
	case hisadapter.Deducted:
		e.event.Word = lockstore.WordDeducted
		return e
	case hisadapter.Frozen:
		e.event.Word = lockstore.WordFrozen
	case hisadapter.Released:
		e.event.Word = lockstore.WordReleased
	case hisadapter.Lapsed:
		e.event.Word = lockstore.WordLapsed
	default:
		e.event.Word = lockstore.WordNone
	}
	if patient && found.State != hisadapter.Released {
		return end{op: opFindOrder, later: true}
	}
	if found.State == hisadapter.Frozen {
		return e // the next attempt begins only when this one is over
	}
	since, err := g.sinceBackup(ctx, l.OrderNo, l.Attempt+1)
	switch {
	case err != nil:
		return g.notFound(err)
	case since != nil:
		e.event = lockstore.Event{Kind: lockstore.EvCase, Op: opFindOrder, Message: since.Error()}
		e.later = true
	}
	return e
}

// holdGone tells whether the stock of a hold of before a restore is not there any more,
// or cannot be read: its order may have ended since the backup, and the stock have gone
// into another one. A HIS that knows of no freezes may deduct all the same, below zero.
// Once the HIS was told to deduct its own figure speaks of that, and only its word on
// the order counts. Of the locks that were asked about after a restore none is left out
// for having been made after it: the clock may have been set since.
func (g *Gateway) holdGone(ctx context.Context, l *lockstore.Lock) (end, bool) {
	if l.RecalledFor.IsZero() || l.Word == lockstore.WordFrozen || l.OrderSent || l.Unknown {
		return end{}, false
	}
	keys := keysOf(l.PharmacyID, l.Items)
	entries, err := g.entries(ctx, keys, true)
	if err != nil {
		return g.unrefused(opPlaceOrder, &hisadapter.Error{Op: opQueryStock, Outcome: hisadapter.NotSent, Err: err}), true
	}
	short := &hisadapter.Error{
		Op: opQueryStock, Outcome: hisadapter.Refused, Kind: hisadapter.Insufficient,
		Message: "the stock that was held when the backup was made is not there any more",
	}
	for i := range entries {
		drug := keys[i].DrugID
		if want := quantityOf(l.Items, drug); entries[i].Absent || entries[i].Value.onHand < want {
			short.Shortages = append(short.Shortages, hisadapter.Shortage{DrugID: drug, Requested: want, Available: entries[i].Value.onHand})
		}
	}
	if len(short.Shortages) == 0 {
		return end{}, false
	}
	return refusedEnd(opPlaceOrder, short, short, lockstore.Event{Kind: lockstore.EvOrderRefused, Shortages: shortagesOf(l, short)}, true), true
}

// notFound is the end of a look that failed.
func (g *Gateway) notFound(err error) end {
	e := end{op: opFindOrder, err: err, trouble: hisError(opFindOrder, err), later: true}
	if e.trouble.Outcome == hisadapter.Misconfigured {
		g.alert(Alert{Name: AlertMisconfigured, Detail: e.trouble.Error()})
	}
	return e
}

// sinceBackup looks whether the HIS holds anything for the order under the number
// of an attempt from this one on, of which the ledger knows nothing; nil = it does
// not. Errors: those of FindOrder and of the ledger.
func (g *Gateway) sinceBackup(ctx context.Context, orderNo string, attempt int) (*RecalledError, error) {
	for n := attempt; n < attempt+laterAttempts; n++ {
		no := lockstore.ID{OrderNo: orderNo, Attempt: n}.HISNo()
		if m := g.caps.HisNoMax; m > 0 && len(no) > m {
			return nil, nil
		}
		if n > 1 {
			others, err := g.ledger.Attempts(ctx, no)
			if err != nil {
				return nil, err
			}
			if len(others) > 0 {
				continue // the number of an order of that name
			}
		}
		found, err := g.his.FindOrder(ctx, no)
		if err != nil {
			return nil, err
		}
		switch found.State {
		case hisadapter.Deducted:
			return &RecalledError{HISNo: no, Deducted: true, HISOrderNo: found.OrderNo}, nil
		case hisadapter.Frozen:
			return &RecalledError{HISNo: no}, nil
		}
	}
	return nil, nil
}

// recalling runs a caller's command on a lock. Should the HIS have to be asked
// about it first, because the ledger was restored, that is done, and the command
// is repeated.
//
// Errors: those of do; lockstore.ErrRecovering (it is not known yet), *HISError.
func (g *Gateway) recalling(
	ctx context.Context, principal, orderNo string, rank int, do func() (lockstore.Lock, error),
) (lockstore.Lock, error) {
	l, err := do()
	if !errors.Is(err, lockstore.ErrRecovering) {
		return l, err
	}
	if err := g.recall(ctx, principal, orderNo, rank); err != nil {
		return lockstore.Lock{}, err
	}
	return do()
}

// recall has the HIS asked what became of an order's lock since the backup, and
// waits for it. Where it cannot be asked a person is.
func (g *Gateway) recall(ctx context.Context, principal, orderNo string, rank int) error {
	l, err := g.ledger.Get(ctx, principal, orderNo)
	switch {
	case err != nil:
		return err
	case !l.AskFirst:
		return nil
	case !g.caps.Find:
		if l.CaseReason == "" {
			_, err = g.ledger.Record(ctx, l.ID(), lockstore.Event{
				Kind:    lockstore.EvCase,
				Message: "hisgate was restored from a backup not long ago, and this HIS cannot be asked whether it has this order already",
			})
		}
		return errors.Join(err, lockstore.ErrRecovering)
	}
	l, j, err := g.seeThrough(ctx, l, rank, func() {})
	switch {
	case err != nil:
		return lockstore.ErrRecovering
	case !l.AskFirst:
		return nil
	case j.trouble != nil:
		return j.trouble
	default:
		return lockstore.ErrRecovering
	}
}

// neverHeard makes sure, before a restored ledger calls an order over of which it
// knows nothing that still stands, that the HIS holds nothing for it either [B9].
//
// Errors: *RecalledError; ErrCannotBeAsked; *HISError; the ledger's.
func (g *Gateway) neverHeard(ctx context.Context, orderNo string, rank int) error {
	if !g.ledger.Forgetful() {
		return nil
	}
	l, err := g.ledger.Get(ctx, "", orderNo)
	switch {
	case errors.Is(err, lockstore.ErrNotFound):
	case err != nil:
		return err
	case l.Status != lockstore.Released:
		return nil
	}
	if !g.caps.Find {
		return ErrCannotBeAsked
	}
	ctx, cancel := context.WithTimeout(withRank(ctx, rank), g.settings.Calls.Write) // of several reads
	defer cancel()
	since, err := g.sinceBackup(ctx, orderNo, l.Attempt+1)
	switch {
	case err != nil && ctx.Err() == nil:
		return hisError(opFindOrder, err)
	case err != nil:
		return lockstore.ErrRecovering
	case since != nil:
		return since
	default:
		return nil
	}
}
