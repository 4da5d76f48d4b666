// Package gatewaylocks joins orders to the stock half: the gateway as payflow's
// Locks port, and payflow as the gateway's Owner of expiry. It keeps nothing and
// decides nothing; it puts each side's words, errors above all, into the other's.
package gatewaylocks

import (
	"context"
	"errors"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
)

// Principal owns the locks of orders. No client can have this name, so that
// LockService cannot touch them [E1].
const Principal = "hisgate/payflow"

// New returns the gateway as payflow's Locks port: the same operations in
// payflow's words, and every error told apart by what payflow may conclude.
func New(gw *gateway.Gateway) payflow.Locks { return orderLocks{gw} }

type orderLocks struct{ gw *gateway.Gateway }

func (o orderLocks) Lock(ctx context.Context, r payflow.LockRequest) (payflow.Lock, error) {
	l, err := o.gw.Lock(ctx, gateway.LockRequest{
		Principal: Principal, OrderNo: r.OrderNo, PharmacyID: r.PharmacyID, Items: lockItems(r.Items),
		TTL: r.TTL, Attributes: r.Attributes, Owner: true, Paid: r.Paid, NewAttempt: r.NewAttempt,
	})
	return orderLock(l), lockError(err)
}

func (o orderLocks) Confirm(ctx context.Context, orderNo string, r payflow.Reference) (payflow.Lock, error) {
	l, err := o.gw.Confirm(ctx, Principal, orderNo, lockstore.Reference(r))
	return orderLock(l), lockError(err)
}

func (o orderLocks) Release(ctx context.Context, orderNo string) (payflow.Lock, error) {
	l, err := o.gw.Release(ctx, Principal, orderNo)
	if e, ok := errors.AsType[*gateway.RecalledError](err); ok && e.Deducted {
		return payflow.Lock{HisNo: e.HISNo, HisOrderNo: e.HISOrderNo, Confirmed: true}, errors.Join(payflow.ErrConfirmed, err)
	}
	return orderLock(l), lockError(err)
}

func (o orderLocks) Cancel(ctx context.Context, orderNo string) (payflow.Lock, error) {
	l, err := o.gw.Cancel(ctx, Principal, orderNo)
	if errors.Is(err, gateway.ErrNoCancel) {
		return orderLock(l), &payflow.RefusedError{Kind: hisadapter.KindOther.String(), ForGood: true, Message: err.Error()}
	}
	return orderLock(l), lockError(err)
}

func (o orderLocks) Get(ctx context.Context, orderNo string) (payflow.Lock, error) {
	l, err := o.gw.GetLock(ctx, Principal, orderNo)
	return orderLock(l), lockError(err)
}

func (o orderLocks) Check(ctx context.Context, r payflow.CheckStock) ([]payflow.StockLine, error) {
	lines, err := o.gw.Check(ctx, gateway.CheckRequest{
		OrderNo: r.OrderNo, PharmacyID: r.PharmacyID, Items: lockItems(r.Items), Live: r.Live,
	})
	if err != nil {
		return nil, lockError(err)
	}
	out := make([]payflow.StockLine, len(lines))
	for i, l := range lines {
		out[i] = payflow.StockLine{
			DrugID: l.DrugID, Requested: l.Requested, Available: l.Available,
			Unknown: l.Unknown, Stopped: l.Stopped, Multiple: l.Multiple,
			Price: l.Price, PricePer: l.PricePer, Checked: l.Checked, Stale: l.Stale, AsOf: l.AsOf,
		}
	}
	return out, nil
}

func (o orderLocks) HISOrders(ctx context.Context, day time.Time) ([]payflow.HISOrder, error) {
	list, err := o.gw.HISOrders(ctx, day)
	if errors.Is(err, gateway.ErrNoList) {
		return nil, payflow.ErrUnsupported
	}
	if err != nil {
		return nil, lockError(err)
	}
	out := make([]payflow.HISOrder, len(list))
	for i, h := range list {
		out[i] = payflow.HISOrder{HisNo: h.HisNo, HisOrderNo: h.OrderNo, DrugsFen: h.DrugsFen, Cancelled: h.Canceled}
		if h.Known {
			out[i].OrderNo, out[i].Foreign = h.Lock.OrderNo, h.Lock.Principal != Principal
		}
	}
	return out, nil
}

func (o orderLocks) Standing(ctx context.Context, orderNo string) (payflow.Lock, error) {
	l, err := o.gw.Standing(ctx, Principal, orderNo)
	return orderLock(l), lockError(err)
}

func (o orderLocks) LookAgain(ctx context.Context, day time.Time) (looked, found int, err error) {
	looked, found, err = o.gw.LookAgain(ctx, day)
	return looked, found, lockError(err)
}

func lockItems(items []payflow.Item) []lockstore.Item {
	out := make([]lockstore.Item, len(items))
	for i, it := range items {
		out[i] = lockstore.Item(it)
	}
	return out
}

func orderLock(l lockstore.Lock) payflow.Lock {
	return payflow.Lock{
		Attempt: l.Attempt, HisNo: l.HISNo, HisOrderNo: l.HISOrderNo,
		Held:      l.Status == lockstore.Locked,
		Confirmed: l.Status == lockstore.Confirmed,
		Cancelled: !l.CancelledAt.IsZero(),
		Released:  l.Status == lockstore.Released,
		Settled:   l.Settled(), Degraded: l.Degraded,
		FreezeExpires: l.FreezeExpires, Case: l.CaseReason,
	}
}

// lockError translates what the stock half says. What is not listed stays an
// unknown outcome for payflow.
func lockError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*lockstore.ShortageError](err); ok {
		return &payflow.ShortError{Shortages: shortages(e.Shortages)}
	}
	if e, ok := errors.AsType[*lockstore.NotDivisibleError](err); ok {
		return &payflow.RefusedError{Kind: hisadapter.NotDivisible.String(), ForGood: true, Message: e.Error()}
	}
	if e, ok := errors.AsType[*gateway.UnknownDrugError](err); ok {
		return &payflow.RefusedError{Kind: hisadapter.UnknownDrug.String(), ForGood: true, Message: e.Error()}
	}
	if e, ok := errors.AsType[*gateway.HISRefusedError](err); ok {
		return &payflow.RefusedError{
			Kind: e.Kind.String(), ForGood: e.ForGood, Code: e.Code, Message: e.Message, Shortages: shortages(e.Shortages),
		}
	}
	if _, ok := errors.AsType[*gateway.RecalledError](err); ok {
		return errors.Join(payflow.ErrUnavailable, err) // a freeze of before the restore: until it lapses
	}
	if e, ok := errors.AsType[*gateway.HISError](err); ok {
		if e.Outcome == hisadapter.Misconfigured {
			return errors.Join(payflow.ErrMisconfigured, err)
		}
		return errors.Join(payflow.ErrUnavailable, err)
	}
	// What the ledger will never take for this order, however often it is asked:
	// a number that somebody else uses, or fields beyond its bounds. Nothing was
	// sent, and an order that is paid needs a person.
	if e, ok := errors.AsType[*lockstore.InvalidError](err); ok {
		return &payflow.RefusedError{Kind: hisadapter.KindOther.String(), ForGood: true, Message: e.Error()}
	}
	if errors.Is(err, lockstore.ErrOrderNoReused) {
		return &payflow.RefusedError{Kind: hisadapter.KindOther.String(), ForGood: true, Message: err.Error()}
	}
	for _, t := range []struct{ from, to error }{
		{gateway.ErrCannotBeAsked, payflow.ErrForgotten},
		{gateway.ErrOutcomeUnknown, payflow.ErrPending},
		{lockstore.ErrLockPending, payflow.ErrPending},
		{lockstore.ErrConfirmInProgress, payflow.ErrPending},
		{lockstore.ErrLockEnded, payflow.ErrEnded},
		{lockstore.ErrNotSettled, payflow.ErrUnsettled},
		{lockstore.ErrAlreadyConfirmed, payflow.ErrConfirmed},
		{lockstore.ErrNotFound, payflow.ErrNotFound},
		{lockstore.ErrDiskReserve, payflow.ErrUnavailable},
		{lockstore.ErrRecovering, payflow.ErrUnavailable},
		{lockstore.ErrTooManyLocks, payflow.ErrUnavailable},
		{gateway.ErrOverloaded, payflow.ErrUnavailable},
	} {
		if errors.Is(err, t.from) {
			return errors.Join(t.to, err)
		}
	}
	return err
}

func shortages[S ~[]E, E lockstore.Shortage | hisadapter.Shortage](in S) []payflow.Shortage {
	out := make([]payflow.Shortage, len(in))
	for i, s := range in {
		out[i] = payflow.Shortage(s)
	}
	return out
}

// NewOwner returns payflow as the gateway's Owner of expiry [B6].
func NewOwner(orders *payflow.Service) gateway.Owner { return lockOwner{orders} }

type lockOwner struct{ orders *payflow.Service }

func (o lockOwner) LockOwner(_ context.Context, orderNo string, attempt int) gateway.OwnerVerdict {
	return gateway.OwnerVerdict(o.orders.LockOwner(orderNo, attempt))
}
