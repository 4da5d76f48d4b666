package gateway

import (
	"context"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
)

// end is how a step ended: an event for the ledger, and whether the work can go
// on from there.
type end struct {
	event    lockstore.Event // Kind 0 = nothing to record
	op       string
	err      error // of the call; nil = done
	refused  *HISRefusedError
	trouble  *HISError // nothing happened, or nothing is known
	standing bool      // FindOrder saw the freeze that we knew of
	look     bool      // ask FindOrder now, and believe it [C4]
	later    bool      // no use in going on now
}

// call makes the one call that the step needs and reads its end.
func (g *Gateway) call(ctx context.Context, l *lockstore.Lock, s step) end {
	switch s {
	case freeze:
		return g.callFreeze(ctx, l)
	case place:
		return g.callPlace(ctx, l)
	case unfreeze:
		return g.callUnfreeze(ctx, l)
	default:
		return g.callFind(ctx, l)
	}
}

// freezeSlack is how much longer than the lock a freeze is asked for, so that
// the HIS does not let it lapse while the lock is being confirmed at the last
// moment.
const freezeSlack = 10 * time.Minute

func (g *Gateway) callFreeze(ctx context.Context, l *lockstore.Lock) end {
	// An order that is being confirmed outlives its lock's time.
	until := l.ExpireTime
	if now := g.now(); now.After(until) {
		until = now
	}
	f, err := g.his.Freeze(ctx, hisadapter.FreezeRequest{
		HisNo: l.HISNo, PharmacyID: l.PharmacyID, Lines: linesOf(l),
		Until: until.Add(freezeSlack), Attributes: l.Attributes,
	})
	if err == nil {
		return end{op: opFreeze, event: lockstore.Event{
			Kind: lockstore.EvFreezeDone, Op: opFreeze, HISLockID: f.LockID, FreezeExpires: f.Expires,
		}}
	}
	if h := refusal(err); h != nil {
		if h.Kind == hisadapter.FreezeLapsed {
			// No answer to a freeze: something of this his_no stands at the HIS.
			return g.look(opFreeze, err)
		}
		return refusedEnd(opFreeze, err, h, lockstore.Event{
			Kind: lockstore.EvFreezeRefused, Shortages: shortagesOf(l, h),
		}, true)
	}
	return g.unrefused(opFreeze, err)
}

func (g *Gateway) callPlace(ctx context.Context, l *lockstore.Lock) end {
	if e, gone := g.holdGone(ctx, l); gone {
		return e
	}
	attributes := l.Reference.Attributes
	if len(attributes) == 0 {
		attributes = l.Attributes
	}
	r := hisadapter.PlaceOrderRequest{
		HisNo: l.HISNo, PharmacyID: l.PharmacyID, Lines: linesOf(l),
		DrugsFen: l.Reference.DrugsFen, TransactionID: l.Reference.TransactionID, PaidAt: l.Reference.PaidAt,
		Attributes: attributes,
	}
	if l.Word == lockstore.WordFrozen {
		r.LockID = l.HISLockID
	}
	o, err := g.his.PlaceOrder(ctx, r)
	if err == nil {
		return end{op: opPlaceOrder, event: lockstore.Event{
			Kind: lockstore.EvOrderPlaced, Op: opPlaceOrder, HISOrderNo: o.OrderNo,
		}}
	}
	h := refusal(err)
	switch {
	case h == nil:
		return g.unrefused(opPlaceOrder, err)
	case h.Kind == hisadapter.FreezeLapsed && g.caps.Freeze:
		return end{op: opPlaceOrder, err: err, event: lockstore.Event{
			Kind: lockstore.EvFreezeLapsed, Op: opPlaceOrder, Code: h.Code, Message: h.Message,
		}}
	case h.Kind.ForGood():
		return refusedEnd(opPlaceOrder, err, h, lockstore.Event{
			Kind: lockstore.EvOrderRefused, Shortages: shortagesOf(l, h),
		}, true)
	default:
		e := refusedEnd(opPlaceOrder, err, h, lockstore.Event{Kind: lockstore.EvCase}, false)
		e.event.Message = caseWords("the HIS refused the order", h)
		e.later = true
		return e
	}
}

func (g *Gateway) callUnfreeze(ctx context.Context, l *lockstore.Lock) end {
	err := g.his.Unfreeze(ctx, hisadapter.UnfreezeRequest{
		HisNo: l.HISNo, LockID: l.HISLockID, PharmacyID: l.PharmacyID, Lines: linesOf(l),
	})
	if err == nil {
		return end{op: opUnfreeze, event: lockstore.Event{Kind: lockstore.EvUnfreezeDone, Op: opUnfreeze}}
	}
	h := refusal(err)
	switch {
	case h == nil:
		return g.unrefused(opUnfreeze, err)
	case h.Kind == hisadapter.FreezeLapsed:
		return end{op: opUnfreeze, err: err, event: lockstore.Event{
			Kind: lockstore.EvFreezeLapsed, Op: opUnfreeze, Code: h.Code, Message: h.Message,
		}}
	default:
		e := end{op: opUnfreeze, err: err, later: true}
		e.event = lockstore.Event{Kind: lockstore.EvCase, Op: opUnfreeze, Code: h.Code}
		e.event.Message = caseWords("the HIS does not give the stock back", h)
		return e
	}
}

// unrefused reads an end that is neither done nor refused, for the writes.
func (g *Gateway) unrefused(op string, err error) end {
	e := end{op: op, err: err, trouble: hisError(op, err), later: true}
	e.event = lockstore.Event{Op: op, Code: e.trouble.Code, Message: e.trouble.Message}
	switch e.trouble.Outcome {
	case hisadapter.Find:
		return g.look(op, err)
	case hisadapter.Busy, hisadapter.NotSent:
		e.event.Kind = lockstore.EvNotDone
	case hisadapter.Misconfigured:
		e.event.Kind = lockstore.EvNotDone
		g.alert(Alert{Name: AlertMisconfigured, Detail: e.trouble.Error()})
	default:
		e.event.Kind = lockstore.EvUnknown
		e.trouble.Outcome = hisadapter.Unknown
	}
	return e
}

// look is the end of a write that the HIS answered with "duplicate" or "wrong
// state": neither success nor failure [C4]. A HIS that cannot be asked leaves it
// unknown.
func (g *Gateway) look(op string, err error) end {
	e := end{op: op, err: err, trouble: hisError(op, err), look: g.caps.Find}
	e.trouble.Outcome = hisadapter.Unknown
	e.event = lockstore.Event{Kind: lockstore.EvUnknown, Op: op, Code: e.trouble.Code, Message: e.trouble.Message}
	e.later = !e.look
	return e
}

func refusedEnd(op string, err error, h *hisadapter.Error, ev lockstore.Event, forGood bool) end {
	ev.Op, ev.Code, ev.Message = op, h.Code, h.Message
	r := refusedError(h)
	r.ForGood = forGood
	return end{op: op, err: err, event: ev, refused: r}
}

func caseWords(what string, h *hisadapter.Error) string {
	words := what + " (" + h.Kind.String() + ")"
	if h.Code != "" || h.Message != "" {
		words += ": [" + h.Code + "] " + h.Message
	}
	return words
}

func linesOf(l *lockstore.Lock) []hisadapter.Line {
	lines := make([]hisadapter.Line, len(l.Items))
	for i, it := range l.Items {
		lines[i] = hisadapter.Line{DrugID: it.DrugID, Quantity: it.Quantity, LineFen: it.LineFen}
	}
	return lines
}

// shortagesOf names what was short. A HIS that says only "insufficient" leaves
// every line in question; a refusal of another kind has none, so that the ledger
// does not take it for one.
func shortagesOf(l *lockstore.Lock, h *hisadapter.Error) []lockstore.Shortage {
	if h.Kind != hisadapter.Insufficient {
		return nil
	}
	if len(h.Shortages) > 0 {
		out := make([]lockstore.Shortage, len(h.Shortages))
		for i, s := range h.Shortages {
			out[i] = lockstore.Shortage(s)
		}
		return out
	}
	out := make([]lockstore.Shortage, len(l.Items))
	for i, it := range l.Items {
		out[i] = lockstore.Shortage{DrugID: it.DrugID, Requested: it.Quantity, Available: -1}
	}
	return out
}
