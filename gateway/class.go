package gateway

import (
	"context"

	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/lockstore"
)

// The ranks of calls, the more urgent the higher. They are the guard's classes
// in an order that the cache can compare [C5].
const (
	rankNone = iota
	rankRefresh
	rankExpiry
	rankQuery
	rankCheck // a freeze, and the live reading before it or before a payment
	rankRelease
	rankConfirm
)

var classOfRank = [...]guard.Class{
	rankNone:    guard.ClassRefresh,
	rankRefresh: guard.ClassRefresh,
	rankExpiry:  guard.ClassExpiryRelease,
	rankQuery:   guard.ClassQuery,
	rankCheck:   guard.ClassFreeze,
	rankRelease: guard.ClassClientRelease,
	rankConfirm: guard.ClassConfirm,
}

// withRank gives a call the guard's class of its rank.
func withRank(ctx context.Context, rank int) context.Context {
	return guard.WithClass(ctx, classOfRank[rank])
}

// rankOf is the rank of what a lock needs when nobody waits for it.
func rankOf(l *lockstore.Lock) int {
	switch l.Status {
	case lockstore.Confirming:
		return rankConfirm
	case lockstore.Pending, lockstore.Locked:
		return rankCheck
	default:
		if l.Cause == lockstore.ByCaller {
			return rankRelease
		}
		return rankExpiry
	}
}
