package simtest_test

import (
	"slices"

	"github.com/hisgate/hisgate/lockstore"
)

// orderMoves are the ways of an order that the table allows, from → to, written
// down once more, so that a changed table shows.
var orderMoves = map[string][]string{
	"CREATED":          {"LOCKED", "AWAITING_PAYMENT", "REJECTED", "CLOSING", "PAID", "NEEDS_ATTENTION"},
	"LOCKED":           {"AWAITING_PAYMENT", "CLOSING", "PAID", "NEEDS_ATTENTION"},
	"AWAITING_PAYMENT": {"CLOSING", "PAID", "NEEDS_ATTENTION"},
	"CLOSING":          {"CLOSED", "PAID", "NEEDS_ATTENTION"},
	"CLOSED":           {"PAID", "REFUNDING", "NEEDS_ATTENTION"},
	"REJECTED":         {"NEEDS_ATTENTION"},
	"PAID":             {"FULFILLED", "REFUNDING", "REFUNDED", "NEEDS_ATTENTION"},
	"FULFILLED":        {"REFUNDING"},
	"REFUNDING":        {"REFUNDED", "NEEDS_ATTENTION", "PAID"},
	"NEEDS_ATTENTION":  {"PAID", "REFUNDING", "FULFILLED", "REFUNDED"},
}

// lockMoves are those of a lock.
var lockMoves = map[lockstore.Status][]lockstore.Status{
	0:                    {lockstore.Pending, lockstore.Locked, lockstore.Released},
	lockstore.Pending:    {lockstore.Locked, lockstore.Releasing, lockstore.Released, lockstore.Confirmed},
	lockstore.Locked:     {lockstore.Confirming, lockstore.Releasing, lockstore.Released},
	lockstore.Confirming: {lockstore.Confirmed, lockstore.Releasing, lockstore.Released},
	lockstore.Confirmed:  {},
	lockstore.Releasing:  {lockstore.Released, lockstore.Confirmed},
	lockstore.Released:   {lockstore.Confirmed},
}

// recalledMoves are those that a lock makes besides when the HIS tells a restored
// ledger what became of it.
var recalledMoves = map[lockstore.Status][]lockstore.Status{
	lockstore.Locked:     {lockstore.Confirmed},
	lockstore.Confirming: {lockstore.Locked},
}

func (w *world) moved(from, to string) {
	if from == to {
		return
	}
	w.tally.move("order", from, to)
	if !slices.Contains(orderMoves[from], to) {
		w.violated("an order's state changes by the table alone", "", "%s → %s", from, to)
	}
}

func (w *world) lockMoved(lk *lockstore.Lock, s lockstore.Step) {
	from := ""
	if s.From != 0 {
		from = s.From.String()
	}
	w.tally.move("lock", from, s.To.String())
	if !slices.Contains(lockMoves[s.From], s.To) && !(w.thrownBack() && slices.Contains(recalledMoves[s.From], s.To)) {
		w.violated("a lock's status changes by the table alone", lk.OrderNo, "%v → %v", s.From, s.To)
	}
}
