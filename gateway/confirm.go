package gateway

import (
	"context"
	"sync"

	"github.com/hisgate/hisgate/internal/span"
	"github.com/hisgate/hisgate/lockstore"
)

// Confirm has the HIS deduct and create its order. The intent is durable before
// the HIS is asked; it blocks until that answered or ctx ends, and goes on
// without its caller. A repeat joins. The error is nil only for CONFIRMED.
//
// Errors: those of lockstore.Ledger.Confirm; *HISRefusedError (ForGood: the lock
// is released or being released; else a person must settle it, and the lock stays
// CONFIRMING); *HISError (nothing happened, it is tried again by itself);
// ErrOutcomeUnknown (CONFIRMING, being found out); lockstore.ErrRecovering.
func (g *Gateway) Confirm(ctx context.Context, principal, orderNo string, ref lockstore.Reference) (lockstore.Lock, error) {
	l, err := g.confirm(ctx, principal, orderNo, ref)
	g.tally.confirms.count(err)
	return l, err
}

func (g *Gateway) confirm(ctx context.Context, principal, orderNo string, ref lockstore.Reference) (lockstore.Lock, error) {
	leave := sync.OnceFunc(g.desk.attend(orderNo))
	defer leave()
	for try := 1; ; try++ {
		l, err := g.recalling(ctx, principal, orderNo, rankConfirm, func() (lockstore.Lock, error) {
			in, s := span.Begin(ctx, "ledger Confirm")
			s.Text("order_no", orderNo)
			l, _, err := g.ledger.Confirm(in, principal, orderNo, ref)
			ledgered(s, &l, err)
			return l, err
		})
		if err != nil || l.Status == lockstore.Confirmed {
			return l, interrupted(ctx, err)
		}
		l, j, err := g.seeThrough(ctx, l, rankConfirm, leave)
		if err != nil {
			return l, err
		}
		switch l.Status {
		case lockstore.Confirmed:
			return l, nil
		case lockstore.Confirming:
			return l, unfinished(j)
		case lockstore.Locked:
			if try == 1 {
				continue // an intent of before a restore that the HIS never heard of
			}
			return l, lockstore.ErrRecovering
		default:
			return l, ended(j, &l)
		}
	}
}

// Release gives the stock back. It blocks until the record is durable and, where
// the HIS holds a freeze, until that answered or ctx ends; the rest goes on by
// itself. The lock comes back RELEASED, or RELEASING or PENDING with
// ReleaseWanted, with a nil error.
//
// Errors: those of lockstore.Ledger.Release; after a restore from a backup also
// *RecalledError and *HISError.
func (g *Gateway) Release(ctx context.Context, principal, orderNo string) (lockstore.Lock, error) {
	leave := sync.OnceFunc(g.desk.attend(orderNo))
	defer leave()
	if err := g.neverHeard(ctx, orderNo, rankRelease); err != nil {
		return lockstore.Lock{}, err
	}
	l, err := g.recalling(ctx, principal, orderNo, rankRelease, func() (lockstore.Lock, error) {
		in, s := span.Begin(ctx, "ledger Release")
		s.Text("order_no", orderNo)
		l, err := g.ledger.Release(in, principal, orderNo, lockstore.ByCaller)
		ledgered(s, &l, err)
		return l, err
	})
	if err != nil {
		return l, interrupted(ctx, err)
	}
	g.hub.lockChanged(&l)
	if l.Status == lockstore.Released && l.Settled() {
		return l, nil
	}
	done, _, err := g.seeThrough(ctx, l, rankRelease, leave)
	if err != nil {
		return l, nil // the release is durable; what is open is only its end at the HIS
	}
	return done, nil
}
