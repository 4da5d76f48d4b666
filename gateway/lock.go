package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
)

// LockRequest asks to hold an order's stock.
type LockRequest struct {
	Principal  string // whose lock it is; strangers get ErrNotFound [E1]
	OrderNo    string
	PharmacyID string
	Items      []lockstore.Item // 1 to 100; the same drug twice is summed
	TTL        time.Duration    // 0 = Lock.DefaultTTL
	Attributes map[string]string
	Owner      bool // expiry asks the owner; payflow only [B6]
	Paid       bool // a paid order: safety stock does not count [A8]
	NewAttempt bool // begin the next attempt after one that ended and is settled [B5]
}

// Lock holds all items or none. It blocks until the record is durable and, at a
// HIS that freezes, until that answered or ctx ends. A repeat joins, and is
// answered with the lock as it stands. The error is nil only for LOCKED and
// CONFIRMED; with ErrOutcomeUnknown and *HISError the lock comes along as it
// stands, if there is one.
//
// Errors: those of lockstore.Ledger.Precheck and Lock; *HISError (no live reading
// could be had, and Lock.Degraded does not allow an old one; or the HIS cannot be
// asked to freeze now, and will be); *HISRefusedError; ErrOutcomeUnknown;
// ErrOverloaded; ErrClosed; the error of ctx before anything was recorded.
func (g *Gateway) Lock(ctx context.Context, r LockRequest) (lockstore.Lock, error) {
	if r.TTL == 0 {
		r.TTL = g.settings.Lock.DefaultTTL
	}
	if r.TTL < 0 || r.TTL > g.settings.Lock.MaxTTL {
		return lockstore.Lock{}, &lockstore.InvalidError{
			Field: "ttl", Reason: "must lie between 1s and " + g.settings.Lock.MaxTTL.String(),
		}
	}
	req := lockstore.LockRequest{
		Principal: r.Principal, OrderNo: r.OrderNo, PharmacyID: r.PharmacyID, Items: r.Items,
		TTL: r.TTL, Attributes: r.Attributes, Owner: r.Owner, Paid: r.Paid, NewAttempt: r.NewAttempt,
	}
	l, repeat, err := g.ledger.Precheck(ctx, req)
	if err == nil && !repeat {
		l, err = g.judge(ctx, &r, req)
	}
	if err != nil {
		return l, err
	}
	return g.finishLock(ctx, l)
}

// interrupted makes clear that a command whose caller left while it was becoming
// durable may have been carried out.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return err
}

// judge loads readings and has the ledger decide by them. Readings from before
// one against which holds were dropped are loaded again, live.
func (g *Gateway) judge(ctx context.Context, r *LockRequest, req lockstore.LockRequest) (lockstore.Lock, error) {
	// A paid order is judged on a live reading, whatever the setting [B1].
	live := g.settings.Lock.Freshness == Live || r.Paid
	for try := 1; ; try++ {
		var err error
		req.Readings, req.Degraded, err = g.readings(ctx, r, live)
		if err != nil {
			return lockstore.Lock{}, err
		}
		l, created, err := g.ledger.Lock(ctx, req)
		switch {
		case err == nil:
			if created {
				g.hub.lockChanged(&l)
				g.log.held(&l)
			}
			return l, nil
		case !isStale(err):
			return l, interrupted(ctx, err)
		case req.Degraded || try == maxReloads:
			return l, &HISError{Op: opQueryStock, Outcome: hisadapter.NotSent, Err: err}
		}
		live = true
	}
}

// finishLock brings a recorded lock to the answer that its caller may have.
func (g *Gateway) finishLock(ctx context.Context, l lockstore.Lock) (lockstore.Lock, error) {
	var j *job
	if l.Status == lockstore.Pending {
		var err error
		if l, j, err = g.seeThrough(ctx, l, rankCheck); err != nil {
			return l, err
		}
	}
	switch l.Status {
	case lockstore.Locked, lockstore.Confirmed:
		return l, nil
	case lockstore.Pending, lockstore.Confirming:
		return l, unfinished(j)
	default:
		if j != nil && j.refused != nil {
			return l, j.refused
		}
		return l, lockstore.ErrLockEnded
	}
}

// seeThrough joins or begins the work on a lock and waits for its end. An error
// means that the end is not known.
func (g *Gateway) seeThrough(ctx context.Context, l lockstore.Lock, rank int) (lockstore.Lock, *job, error) {
	j := g.pursue(l.ID(), rank, true, nil)
	if j == nil {
		return l, nil, ErrOutcomeUnknown // the next process goes on with it
	}
	if err := j.wait(ctx); err != nil {
		return l, nil, ErrOutcomeUnknown
	}
	if j.err != nil {
		return l, j, j.err
	}
	return j.lock, j, nil
}

// unfinished says why a lock is still PENDING or CONFIRMING: a refusal that a
// person must settle, a HIS that cannot be asked, or an outcome that is not known.
func unfinished(j *job) error {
	switch {
	case j == nil:
		return ErrOutcomeUnknown
	case j.refused != nil:
		r := *j.refused
		r.ForGood = false // the lock goes on, so this was not the last word
		return &r
	case j.trouble != nil && !j.lock.Unknown:
		return j.trouble
	default:
		return ErrOutcomeUnknown
	}
}

// Confirm has the HIS deduct and create its order. The intent is durable before
// the HIS is asked; it blocks until that answered or ctx ends, and goes on
// without its caller. A repeat joins. The error is nil only for CONFIRMED.
//
// Errors: those of lockstore.Ledger.Confirm; *HISRefusedError (ForGood: the lock
// is released or being released; else a person must settle it, and the lock stays
// CONFIRMING); *HISError (nothing happened, it is tried again by itself);
// ErrOutcomeUnknown (CONFIRMING, being found out).
func (g *Gateway) Confirm(ctx context.Context, principal, orderNo string, ref lockstore.Reference) (lockstore.Lock, error) {
	l, _, err := g.ledger.Confirm(ctx, principal, orderNo, ref)
	if err != nil || l.Status == lockstore.Confirmed {
		return l, interrupted(ctx, err)
	}
	l, j, err := g.seeThrough(ctx, l, rankConfirm)
	if err != nil {
		return l, err
	}
	switch l.Status {
	case lockstore.Confirmed:
		return l, nil
	case lockstore.Confirming:
		return l, unfinished(j)
	default:
		if j.refused != nil {
			return l, j.refused
		}
		return l, lockstore.ErrLockEnded
	}
}

// Release gives the stock back. It blocks until the record is durable and, where
// the HIS holds a freeze, until that answered or ctx ends; the rest goes on by
// itself. The lock comes back RELEASED, or RELEASING or PENDING with
// ReleaseWanted, with a nil error.
//
// Errors: those of lockstore.Ledger.Release.
func (g *Gateway) Release(ctx context.Context, principal, orderNo string) (lockstore.Lock, error) {
	l, err := g.ledger.Release(ctx, principal, orderNo, lockstore.ByCaller)
	if err != nil {
		return l, interrupted(ctx, err)
	}
	g.hub.lockChanged(&l)
	if l.Status == lockstore.Released && l.Settled() {
		return l, nil
	}
	done, _, err := g.seeThrough(ctx, l, rankRelease)
	if err != nil {
		return l, nil // the release is durable; what is open is only its end at the HIS
	}
	return done, nil
}

// GetLock returns the order's latest attempt. Errors: lockstore.ErrNotFound, also
// for a stranger.
func (g *Gateway) GetLock(ctx context.Context, principal, orderNo string) (lockstore.Lock, error) {
	return g.ledger.Get(ctx, principal, orderNo)
}

// Attempts returns all attempts of an order, the first one first, whoever made
// them.
func (g *Gateway) Attempts(ctx context.Context, orderNo string) ([]lockstore.Lock, error) {
	return g.ledger.Attempts(ctx, orderNo)
}

// ListLocks returns a page of locks and the token of the next.
func (g *Gateway) ListLocks(ctx context.Context, q lockstore.Query) ([]lockstore.Lock, string, error) {
	return g.ledger.List(ctx, q)
}

// Resolve records a person's word on an attempt whose outcome is not known: that
// the HIS applied what it was asked (hisOrderNo then names its order), or did
// not. What follows from it, say giving a freeze back, goes on by itself.
//
// Errors: *lockstore.InvalidError without an actor; *lockstore.FaultError when
// there is nothing to settle; lockstore.ErrNotFound.
func (g *Gateway) Resolve(ctx context.Context, id lockstore.ID, applied bool, hisOrderNo, actor string) (lockstore.Lock, error) {
	if actor == "" {
		return lockstore.Lock{}, &lockstore.InvalidError{Field: "actor", Reason: "is empty"}
	}
	ev := lockstore.Event{Kind: lockstore.EvNotApplied, HISOrderNo: hisOrderNo, Actor: actor}
	if applied {
		ev.Kind = lockstore.EvApplied
	}
	l, err := g.ledger.Record(ctx, id, ev)
	if err != nil {
		if fault, ok := errors.AsType[*lockstore.FaultError](err); ok && fault.Status == 0 {
			return l, lockstore.ErrNotFound
		}
		return l, err
	}
	g.hub.lockChanged(&l)
	g.pursue(id, rankRelease, false, nil)
	return l, nil
}
