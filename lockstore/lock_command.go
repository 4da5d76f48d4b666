package lockstore

import (
	"context"
	"errors"
	"maps"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// lockJudgement is a Lock at work.
type lockJudgement struct {
	l     *Ledger
	req   *LockRequest
	items []Item
	view  view
	now   moment
	next  ID     // of the attempt to make
	hisNo string // of the same
}

// Precheck judges a Lock as far as that is possible without readings. It returns
// (lock, true, nil) for a repeat, which Lock would answer the same, and
// (Lock{}, false, nil) when readings are to be loaded and Lock is to be called.
//
// Errors: as Lock, save *ShortageError, *NotDivisibleError, *StaleReadingError.
// It blocks until what it answers is durable [B2].
func (l *Ledger) Precheck(ctx context.Context, r LockRequest) (Lock, bool, error) {
	j, err := l.newJudgement(ctx, &r)
	if err != nil {
		return Lock{}, false, err
	}
	var repeat *Lock
	var refusal error
	t, err := l.judge(r.OrderNo, r.Principal, true, func(v view, m moment) engine.Ticket {
		j.view, j.now = v, m
		if repeat, refusal = j.settle(); repeat == nil && refusal == nil {
			return engine.Ticket{} // nothing is answered
		}
		return l.disk.Barrier()
	})
	if err != nil {
		return Lock{}, false, err
	}
	if err := l.await(ctx, t); err != nil {
		return Lock{}, false, err
	}
	if repeat == nil {
		return Lock{}, false, refusal
	}
	return *repeat, true, nil
}

// Lock holds all items of an order or none, judged by one reading for each drug.
// It returns a new lock (created) in PENDING, which the caller freezes at the
// HIS, or in LOCKED; or the order's lock as it stands, when the request repeats
// one. It blocks until its answer is durable; when ctx ends first the lock may
// have been made, and a repeat tells.
//
// Errors: *InvalidError, ErrOrderNoReused, ErrLockEnded, ErrNotSettled [B5],
// *NotDivisibleError, *ShortageError, *StaleReadingError [A1], ErrTooManyLocks,
// ErrRecovering [B9], ErrDiskReserve [B10], ErrOutcomeUnknown, ErrClosed, or ctx's.
func (l *Ledger) Lock(ctx context.Context, r LockRequest) (lock Lock, created bool, err error) {
	j, err := l.newJudgement(ctx, &r)
	if err != nil {
		return Lock{}, false, err
	}
	var made, repeat *Lock
	var refusal error
	t, err := l.judge(r.OrderNo, r.Principal, true, func(v view, m moment) engine.Ticket {
		j.view, j.now = v, m
		if repeat, refusal = j.settle(); repeat != nil || refusal != nil {
			return l.disk.Barrier()
		}
		if refusal = j.stock(); refusal != nil {
			return l.disk.Barrier()
		}
		var t engine.Ticket
		made, t = j.make()
		return t
	})
	if err != nil {
		return Lock{}, false, err
	}
	if err := l.await(ctx, t); err != nil {
		return Lock{}, false, err
	}
	switch {
	case refusal != nil:
		return Lock{}, false, refusal
	case repeat != nil:
		return *repeat, false, nil
	default:
		return *made, true, nil
	}
}

func (l *Ledger) newJudgement(ctx context.Context, r *LockRequest) (*lockJudgement, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	items, err := r.check(&l.policy)
	if err != nil {
		return nil, err
	}
	return &lockJudgement{l: l, req: r, items: items}, nil
}

// settle decides what does not depend on stock: a repeat, a refusal, or which
// attempt comes next (nil, nil).
func (j *lockJudgement) settle() (repeat *Lock, err error) {
	l, r := j.l, j.req
	own := j.view.of(r.Principal)
	switch {
	case own != nil:
		lock := own.lock()
		repeat, err = j.again(lock, sameOrder(lock, r.PharmacyID, j.items))
	default:
		if tomb := l.tombstone(r.Principal, r.OrderNo); tomb != nil {
			repeat, err = j.again(tomb, false)
		}
	}
	if repeat != nil || err != nil {
		return repeat, err
	}
	for i := range j.view {
		if j.view[i].over() {
			continue
		}
		// An earlier attempt came back to life: an order or a freeze turned up.
		if j.view[i].principal() == r.Principal {
			return nil, ErrNotSettled
		}
		return nil, ErrOrderNoReused
	}
	j.next = ID{r.OrderNo, 1}
	if top := j.view.top(); top != nil {
		j.next.Attempt = top.number() + 1
	}
	if j.next, j.hisNo, err = l.number(j.next); err != nil {
		return nil, err
	}
	if l.restored.Recovering() {
		return nil, ErrRecovering
	}
	if l.holders[r.Principal] >= l.opts.MaxActive {
		return nil, ErrTooManyLocks
	}
	if !r.Paid {
		return nil, l.low(j.now)
	}
	return nil, nil
}

// again asks the table what a Lock of an order that has one means. (nil, nil)
// lets the next attempt begin.
func (j *lockJudgement) again(lock *Lock, same bool) (*Lock, error) {
	c := change{
		policy: &j.l.policy, lock: lock, event: Event{Kind: EvLock}, now: j.now.wall,
		same: same, newAttempt: j.req.NewAttempt,
	}
	_, err := c.apply()
	switch {
	case errors.Is(err, errNextAttempt):
		return nil, nil
	case err != nil:
		return nil, err
	default:
		return lock, nil
	}
}

// stock judges every line by its reading. Lines that cannot be judged come
// first, then those that can never be sold so, then those that are short.
func (j *lockJudgement) stock() error {
	l, r := j.l, j.req
	var stale []string
	var odd error
	var short []Shortage
	for _, it := range j.items {
		k := Key{r.PharmacyID, it.DrugID}
		reading, ok := r.Readings[it.DrugID]
		if !ok || l.usable(k, &reading) != nil {
			stale = append(stale, it.DrugID)
			continue
		}
		if m := reading.Multiple; odd == nil && m > 1 && it.Quantity%m != 0 {
			odd = &NotDivisibleError{DrugID: it.DrugID, Quantity: it.Quantity, Multiple: m}
		}
		if a := l.judgeKey(k, &reading, r.Paid, j.now); a.Available < it.Quantity {
			short = append(short, Shortage{DrugID: it.DrugID, Requested: it.Quantity, Available: a.Available})
		}
	}
	switch {
	case stale != nil:
		return &StaleReadingError{DrugIDs: stale}
	case odd != nil:
		return odd
	case short != nil:
		return &ShortageError{Shortages: short}
	default:
		return nil
	}
}

// make records the attempt.
func (j *lockJudgement) make() (*Lock, engine.Ticket) {
	l, r := j.l, j.req
	lock := &Lock{
		OrderNo: r.OrderNo, Attempt: j.next.Attempt, HISNo: j.hisNo,
		Principal: r.Principal, PharmacyID: r.PharmacyID, Items: j.items, Attributes: maps.Clone(r.Attributes),
		Freeze: l.policy.Freeze, Owner: r.Owner, Degraded: r.Degraded,
		ExpireTime: expiry(j.now.wall, r.TTL), CreatedAt: l.nextCreated(j.now), MadeFrom: l.running.at(j.now), AskFirst: l.asksFirst(j.now),
	}
	c := change{policy: &l.policy, lock: lock, event: Event{Kind: EvLock}, now: j.now.wall, actor: r.Principal}
	if _, err := c.apply(); err != nil {
		panic("lockstore: a new lock was refused by the table: " + err.Error())
	}
	return lock, l.storeNew(lock, j.now, l.exhume(r.Principal, r.OrderNo)...)
}
