package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/internal/span"
	"github.com/hisgate/hisgate/lockstore"
)

// ErrNoList: the HIS cannot list its orders of a day.
var ErrNoList = errors.New("the HIS cannot list its orders")

const opListOrders = "ListOrders"

// HISOrder is an order that the HIS has, and the lock that it belongs to.
type HISOrder struct {
	hisadapter.HISOrder
	Known bool           // there is a lock with its his_no
	Lock  lockstore.Lock // as it stands; set when Known
}

// HISOrders lists the orders that the HIS has of a day of its calendar
// (Asia/Shanghai), as they stand there, and tells the ledger of those that were
// cancelled there after they had been confirmed. Where the HIS can be asked, a
// cancellation is believed only when FindOrder says the same; until then the
// order is left out of the answer's cancelled ones. It blocks for the HIS.
//
// Errors: ErrNoList, *HISError when the HIS cannot be asked, those of the ledger.
func (g *Gateway) HISOrders(ctx context.Context, day time.Time) ([]HISOrder, error) {
	if !g.caps.List {
		return nil, ErrNoList
	}
	list, err := g.his.ListOrders(ctx, day)
	if err != nil {
		return nil, hisError(opListOrders, err)
	}
	standing := make(map[string]bool, len(list))
	for _, o := range list {
		standing[o.HisNo] = standing[o.HisNo] || !o.Canceled
	}
	out := make([]HISOrder, len(list))
	for i, o := range list {
		l, known, err := g.lockOfHisNo(ctx, o.HisNo)
		if err != nil {
			return nil, err
		}
		if known && o.Canceled && !standing[o.HisNo] {
			if l, o.Canceled, err = g.cancelledThere(ctx, l, o); err != nil {
				return nil, err
			}
		}
		out[i] = HISOrder{HISOrder: o, Known: known, Lock: l}
	}
	return out, nil
}

// lockOfHisNo finds the attempt with a his_no: that of the order of this very
// name, or a later one of the order whose name it begins with [B5].
func (g *Gateway) lockOfHisNo(ctx context.Context, hisNo string) (lockstore.Lock, bool, error) {
	names := []string{hisNo}
	if i := strings.LastIndexByte(hisNo, '-'); i > 0 {
		names = append(names, hisNo[:i])
	}
	for _, name := range names {
		attempts, err := g.ledger.Attempts(ctx, name)
		if err != nil {
			return lockstore.Lock{}, false, err
		}
		if i := slices.IndexFunc(attempts, func(l lockstore.Lock) bool { return l.HISNo == hisNo }); i >= 0 {
			return attempts[i], true, nil
		}
	}
	return lockstore.Lock{}, false, nil
}

// cancelledThere records that a confirmed lock's order was cancelled at the HIS,
// and returns the lock and whether it was.
func (g *Gateway) cancelledThere(ctx context.Context, l lockstore.Lock, o hisadapter.HISOrder) (lockstore.Lock, bool, error) {
	switch {
	case !l.CancelledAt.IsZero():
		return l, true, nil
	case l.Status != lockstore.Confirmed || l.HISOrderNo != "" && o.OrderNo != l.HISOrderNo:
		return l, false, nil // another application of the number, or a lock that is still being found out
	}
	if g.caps.Find {
		found, err := g.his.FindOrder(ctx, l.HISNo)
		if err != nil {
			return l, false, hisError(opFindOrder, err)
		}
		if found.State != hisadapter.Released {
			return l, false, nil // the HIS contradicts itself: nothing is concluded
		}
	}
	after, err := g.recordCancelled(&l, opListOrders)
	return after, err == nil, err
}

// looksAtMost bounds the questions of one LookAgain.
const looksAtMost = 2_000

// LookAgain asks the HIS once more about the attempts of a day that ended with a
// call whose outcome never came to light, and that nobody looks at any more: a
// freeze that turns up after all is given back, an order becomes a case. It
// returns how many were asked about and of how many the HIS knew something after
// all. It blocks for the HIS. Without FindOrder it asks nothing.
//
// Errors: *HISError when the HIS cannot be asked, those of the ledger, ErrClosed,
// ctx's.
func (g *Gateway) LookAgain(ctx context.Context, day time.Time) (looked, found int, err error) {
	if !g.caps.Find {
		return 0, 0, nil
	}
	q := lockstore.Query{Statuses: []lockstore.Status{lockstore.Released}, Since: day, Until: day.AddDate(0, 0, 1), PageSize: 500}
	for {
		locks, next, err := g.ledger.List(ctx, q)
		if err != nil {
			return looked, found, err
		}
		for i := range locks {
			if !doubtful(&locks[i]) || looked >= looksAtMost {
				continue
			}
			looked++
			there, err := g.lookOnce(ctx, locks[i].ID())
			if err != nil {
				return looked, found, err
			}
			if there {
				found++
			}
		}
		if next == "" || looked >= looksAtMost {
			return looked, found, nil
		}
		q.PageToken = next
	}
}

// doubtful reports whether an ended attempt had a call that got lost, and is not
// looked at any more.
func doubtful(l *lockstore.Lock) bool {
	if l.Unknown || l.Watch > 0 || l.Word == lockstore.WordFrozen || l.Word == lockstore.WordDeducted {
		return false
	}
	return slices.ContainsFunc(l.History, func(s lockstore.Step) bool { return s.Event == lockstore.EvUnknown })
}

// lookOnce asks FindOrder about an ended attempt, records what it says, and lets
// the lock go on from there. there says that the HIS has something of it.
func (g *Gateway) lookOnce(ctx context.Context, id lockstore.ID) (there bool, err error) {
	j, err := g.desk.seize(ctx, id, rankRefresh)
	if err != nil {
		return false, err
	}
	defer func() { go g.work(j) }()
	if j.lock, err = g.record(id); err != nil {
		return false, err
	}
	if j.lock.Status != lockstore.Released || !doubtful(&j.lock) {
		return false, nil // somebody else went on with it
	}
	version := j.lock.Version
	j.under = span.Carry(g.base, ctx)
	e, _ := g.take(j, find, rankRefresh)
	if e.err != nil {
		return false, e.trouble
	}
	return j.lock.Version != version, nil
}
