package lockstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// linClient makes one call after the other.
type linClient struct {
	*linHistory
	number     int
	rnd        *rand.Rand
	confirming []linCall // the ends of orders that it may tell of
}

func (c *linClient) work(calls int) error {
	for range calls {
		in := c.choose()
		out, err := c.call(in)
		if err != nil {
			return fmt.Errorf("%+v: %w", in, err)
		}
		if in.op == "confirm" && out.status == lockstore.Confirming {
			end := linCall{op: "placed", order: in.order, drug: in.drug, units: out.units}
			if in.order%3 == 2 {
				end.op = "refused"
			}
			c.confirming = append(c.confirming, end)
		}
	}
	return nil
}

func (c *linClient) choose() linCall {
	in := linCall{order: c.rnd.IntN(linOrders)}
	in.drug = in.order % linDrugs
	switch n := c.rnd.IntN(20); {
	case n < 8:
		in.op = "lock"
		in.units = c.unitsOf(in.order)
		in.short, in.paid = c.rnd.IntN(3) == 0, c.rnd.IntN(4) == 0
		if c.rnd.IntN(10) == 0 {
			in.units[in.drug]++ // another fingerprint
		}
	case n < 12:
		in.op = "confirm"
	case n < 14:
		in.op = "release"
	case n < 15:
		in.op = "clock"
	case n < 18 && len(c.confirming) > 0:
		return c.confirming[c.rnd.IntN(len(c.confirming))]
	case n == 18 && !c.rules.apart:
		in.op = "due"
	case n == 19 && !c.rules.live && !c.crashes:
		in.op = "held" // does not wait for the disk, so it may tell what a crash undoes
	default:
		in.op = "get"
	}
	return in
}

// unitsOf is what an order asks for.
func (c *linClient) unitsOf(order int) (u linUnits) {
	u[order%linDrugs] = int64(1 + order%3)
	if !c.rules.apart && order < linOrders/2 {
		u[(order+1)%linDrugs] = 1
	}
	return u
}

// call makes a call and notes it in the history. A call to a ledger that had
// crashed before reached nothing and nobody, and is left out.
func (c *linClient) call(in linCall) (linAnswer, error) {
	g := c.current()
	begun := c.time.Add(1)
	out, err := c.ask(g, in)
	ended := c.time.Add(1)
	if crashed(err) {
		out, err = linAnswer{kind: linUnknown}, c.openAfter(g)
	}
	if crash := g.crashed.Load(); crash > 0 {
		if begun > crash {
			return linAnswer{}, err
		}
		ended = min(ended, crash) // what was not done by then never was
	}
	if err == nil {
		c.note(porcupine.Operation{ClientId: c.number, Input: in, Call: begun, Output: out, Return: ended})
	}
	return out, err
}

// crashed reports what callers get whose ledger ends under them: in the middle of
// a commit, of a read of the disk, or while somebody opens it again.
func crashed(err error) bool {
	return errors.Is(err, lockstore.ErrOutcomeUnknown) || errors.Is(err, memengine.ErrCrashed) || errors.Is(err, lockstore.ErrClosed)
}

func (c *linClient) ask(g *linOpening, in linCall) (out linAnswer, err error) {
	l, ctx, no := g.ledger, context.Background(), linOrderNo(in.order)
	id := lockstore.ID{OrderNo: no, Attempt: 1}
	var lock lockstore.Lock
	made := false
	switch in.op {
	case "lock":
		req := lockstore.LockRequest{Principal: alice, OrderNo: no, PharmacyID: pharmacy, TTL: time.Hour, Paid: in.paid}
		if in.short {
			req.TTL = 1
		}
		req.Readings = map[string]lockstore.Reading{}
		for d, units := range in.units {
			if units > 0 {
				req.Items = append(req.Items, lockstore.Item{DrugID: linDrug(d), Quantity: units})
				req.Readings[linDrug(d)] = c.reading(g, d)
			}
		}
		lock, made, err = l.Lock(ctx, req)
	case "confirm":
		lock, made, err = l.Confirm(ctx, alice, no, lockstore.Reference{TransactionID: "T"})
	case "release":
		lock, err = l.Release(ctx, alice, no, lockstore.ByCaller)
	case "clock":
		lock, err = l.Record(ctx, id, clockEvent)
	case "placed":
		c.his.place(in.order, in.units)
		lock, err = l.Record(ctx, id, lockstore.Event{Kind: lockstore.EvOrderPlaced, Op: lockstore.OpPlaceOrder, HISOrderNo: "H"})
	case "refused":
		// As a cancellation: after a crash a mere refusal would be a person's.
		lock, err = l.Record(ctx, id, lockstore.Event{Kind: lockstore.EvCancelled})
	case "get":
		lock, err = l.Get(ctx, alice, no)
	case "due":
		var due []string
		for _, lock := range l.Due(linOrders) {
			due = append(due, lock.OrderNo)
		}
		if err = l.Health(); err != nil {
			return out, err // nothing is handed out after a failure
		}
		if len(due) == 0 && c.crashes {
			return linAnswer{kind: linUnknown}, nil // nothing to do is said without waiting for the disk
		}
		slices.Sort(due)
		return linAnswer{due: strings.Join(due, " ")}, nil
	case "held":
		a, err := l.Available(linKey(in.drug), c.reading(g, in.drug), nil)
		return linAnswer{held: a.Held}, err
	case "held by open ones":
		r := c.reading(g, in.drug)
		if err := l.Observe(linKey(in.drug), r); err != nil {
			return out, err
		}
		a, err := l.Available(linKey(in.drug), r, nil)
		return linAnswer{held: a.Held}, err
	}
	if err != nil {
		return answerOf(err)
	}
	out = linAnswer{kind: "lock", status: lock.Status, version: int(lock.Version)}
	if made {
		out.kind = "made"
	}
	for _, it := range lock.Items {
		for d := range out.units {
			if it.DrugID == linDrug(d) {
				out.units[d] = it.Quantity
			}
		}
	}
	return out, nil
}

// answerOf turns a refusal into an answer, and leaves what is none.
func answerOf(err error) (linAnswer, error) {
	for refusal, kind := range map[error]string{
		lockstore.ErrNotFound: "not found", lockstore.ErrLockEnded: "ended", lockstore.ErrOrderNoReused: "reused",
		lockstore.ErrConfirmInProgress: "confirming", lockstore.ErrAlreadyConfirmed: "confirmed",
	} {
		if errors.Is(err, refusal) {
			return linAnswer{kind: kind}, nil
		}
	}
	if _, ok := errors.AsType[*lockstore.FaultError](err); ok {
		return linAnswer{kind: "fault"}, nil
	}
	if _, ok := errors.AsType[*lockstore.StaleReadingError](err); ok {
		return linAnswer{kind: "stale"}, nil
	}
	if short, ok := errors.AsType[*lockstore.ShortageError](err); ok {
		out := linAnswer{kind: "short", free: linUnits{-1, -1}}
		for _, s := range short.Shortages {
			for d := range out.free {
				if s.DrugID == linDrug(d) {
					out.free[d] = s.Available
				}
			}
		}
		return out, nil
	}
	return linAnswer{}, err
}

func linDrug(d int) string { return []string{drugA, drugB}[d] }

func linKey(d int) lockstore.Key { return lockstore.Key{PharmacyID: pharmacy, DrugID: linDrug(d)} }
