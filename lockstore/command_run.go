package lockstore

import (
	"context"
	"errors"
	"log/slog"
	"maps"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// Confirm records the intent to have the HIS deduct: LOCKED → CONFIRMING, with
// what the HIS will be told. started says that this call did it and the HIS is
// to be asked; otherwise the lock is returned as it stands, CONFIRMING or
// CONFIRMED, and ref is not looked at: it never changes within an attempt [B5].
// It blocks until its answer is durable.
//
// Errors: ErrNotFound, also for a stranger's [E1]; ErrLockPending, ErrLockEnded,
// ErrRecovering, *InvalidError, ErrOutcomeUnknown, ErrClosed, or ctx's.
func (l *Ledger) Confirm(ctx context.Context, principal, orderNo string, ref Reference) (lock Lock, started bool, err error) {
	if err := checkOrder(principal, orderNo); err != nil {
		return Lock{}, false, err
	}
	if err := checkReference(&ref); err != nil {
		return Lock{}, false, err
	}
	c := change{policy: &l.policy, event: Event{Kind: EvConfirm}, actor: principal, ref: ref}
	return l.run(ctx, orderNo, principal, &c, func(moment) (*Lock, engine.Ticket, error) {
		if tomb := l.tombstone(principal, orderNo); tomb != nil {
			return nil, l.disk.Barrier(), ErrLockEnded
		}
		return nil, l.disk.Barrier(), ErrNotFound
	})
}

func checkReference(ref *Reference) error {
	if len(ref.TransactionID) > maxIDBytes {
		return &InvalidError{Field: "reference.transaction_id", Reason: "is too long"}
	}
	if ref.DrugsFen < 0 {
		return &InvalidError{Field: "reference.drugs_fen", Reason: "must not be negative"}
	}
	ref.PaidAt = plain(ref.PaidAt)
	ref.Attributes = maps.Clone(ref.Attributes)
	return checkAttributes("reference.attributes", ref.Attributes)
}

// Release gives the stock back: the lock ends, or is RELEASING until the HIS
// has unfrozen, or is PENDING with ReleaseWanted until the HIS has answered. A
// repeat returns it as it stands. An order_no that was never locked gets a
// tombstone, so that a late Lock is refused. It blocks until its answer is
// durable.
//
// Errors: ErrNotFound for a stranger's active lock [E1]; ErrConfirmInProgress,
// ErrAlreadyConfirmed, ErrRecovering, *InvalidError, ErrTooManyLocks where a tombstone would be
// needed, ErrOutcomeUnknown, ErrClosed, or ctx's.
func (l *Ledger) Release(ctx context.Context, principal, orderNo string, cause Cause) (Lock, error) {
	if err := checkOrder(principal, orderNo); err != nil {
		return Lock{}, err
	}
	if cause == NoCause {
		cause = ByCaller
	}
	c := change{policy: &l.policy, event: Event{Kind: EvRelease}, actor: principal, cause: cause}
	lock, _, err := l.run(ctx, orderNo, principal, &c, func(m moment) (*Lock, engine.Ticket, error) {
		if tomb := l.tombstone(principal, orderNo); tomb != nil {
			return tomb, l.disk.Barrier(), nil
		}
		if l.orders[orderNo] != nil {
			return nil, l.disk.Barrier(), ErrNotFound
		}
		return l.bury(principal, orderNo, m)
	})
	return lock, err
}

// run puts a command's change to work on the principal's newest attempt, or asks
// none what to do when there is no such attempt. changed says that the change
// was made now.
func (l *Ledger) run(
	ctx context.Context, orderNo, principal string, c *change, none func(moment) (*Lock, engine.Ticket, error),
) (lock Lock, changed bool, err error) {
	if err := ctx.Err(); err != nil {
		return Lock{}, false, err
	}
	var out *Lock
	var refusal error
	t, err := l.judge(orderNo, principal, false, func(v view, m moment) (t engine.Ticket) {
		a := v.of(principal)
		if a == nil {
			out, t, refusal = none(m)
			return t
		}
		out, changed, t, refusal = l.change(a, c, m)
		return t
	})
	if err != nil {
		return Lock{}, false, err
	}
	if err := l.await(ctx, t); err != nil {
		return Lock{}, false, err
	}
	if refusal != nil {
		return Lock{}, false, refusal
	}
	return *out, changed, nil
}

// change applies a change to an attempt and stores what came of it, under mu.
func (l *Ledger) change(a *attempt, c *change, m moment) (lock *Lock, changed bool, t engine.Ticket, err error) {
	was := a.status()
	lock = a.lock()
	c.lock, c.now, c.ran = lock, m.wall, l.running.at(m)
	if changed, err = c.apply(); err != nil || !changed {
		return lock, false, l.disk.Barrier(), err
	}
	acked := lock.Word == WordFrozen && (c.event.Kind == EvFreezeDone || c.event.Kind == EvApplied)
	return lock, true, l.store(a, was, lock, m, acked), nil
}

// Record tells the ledger what happened to an attempt: every event but the three
// commands. It returns the lock as it stands afterwards; an event that is
// ignored is no error. It blocks until that is durable; an outside call that
// follows from the answer may then be made.
//
// Errors: ErrNotFound, *FaultError (logged; nothing changed), *InvalidError,
// ErrConfirmInProgress (a person's "not applied" while the call may still arrive),
// ErrOutcomeUnknown, ErrClosed, or ctx's.
func (l *Ledger) Record(ctx context.Context, id ID, ev Event) (Lock, error) {
	if err := ctx.Err(); err != nil {
		return Lock{}, err
	}
	if ev.Kind < EvClock || ev.Kind > EvRecalled {
		return Lock{}, &InvalidError{Field: "event", Reason: "is none that can be recorded"}
	}
	if err := ev.check(); err != nil {
		return Lock{}, err
	}
	lock, newCase, t, err := l.recordOnce(id, ev)
	if err != nil && lock == nil {
		return Lock{}, err
	}
	if waited := l.await(ctx, t); waited != nil {
		return Lock{}, waited
	}
	if err != nil {
		if fault, ok := errors.AsType[*FaultError](err); ok {
			l.log.ErrorContext(ctx, "impossible event for a lock", faultArgs(fault, &ev)...)
		}
		return Lock{}, err
	}
	if newCase && l.opts.OnCase != nil {
		l.opts.OnCase(*lock)
	}
	return *lock, nil
}

func faultArgs(f *FaultError, ev *Event) []any {
	return []any{
		slog.String("order_no", f.ID.OrderNo), slog.Int("attempt", f.ID.Attempt),
		slog.String("status", f.Status.String()), slog.String("event", f.Event.String()),
		slog.String("op", ev.Op), slog.String("his_code", ev.Code), slog.String("his_message", ev.Message),
	}
}

// recordOnce judges an event under mu. An error without a lock is the final
// answer; one with a lock waits for the ticket first.
func (l *Ledger) recordOnce(id ID, ev Event) (lock *Lock, newCase bool, t engine.Ticket, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.unusable(); err != nil {
		return nil, false, t, err
	}
	m := l.tick()
	a, err := l.attempt(id)
	if err != nil {
		return nil, false, t, err
	}
	c := change{policy: &l.policy, event: ev, restoredAt: l.restored.At}
	hadCase := false
	if e := a.e; e != nil {
		hadCase = e.hasCase
		c.due = l.watch.err() == nil && e.due.place > 0 && e.due.at <= m.mono
		c.graceOver = e.unknown && m.mono-e.unknownSince >= l.policy.Grace
	}
	lock, _, t, err = l.change(a, &c, m)
	if _, ok := errors.AsType[*FaultError](err); ok {
		l.stats.Faults++
	}
	return lock, lock.CaseReason != "" && !hadCase, t, err
}

// attempt finds one attempt in memory or on the disk, under mu. It is active, or
// was at rest for long: reading the disk under mu is rare.
func (l *Ledger) attempt(id ID) (*attempt, error) {
	if e := l.entry(id); e != nil {
		return &attempt{e: e}, nil
	}
	rec := l.ended.find(id)
	if rec == nil && l.isLeaving(id) {
		return nil, ErrNotFound
	}
	if rec == nil {
		var err error
		rec, err = l.disk.Engine().Get(attemptKey(prefixEnded, id))
		switch {
		case errors.Is(err, engine.ErrNotFound):
			return nil, ErrNotFound
		case err != nil:
			return nil, l.readError(err)
		}
	}
	lock, err := decodeLock(rec)
	if err != nil {
		return nil, err
	}
	return &attempt{ended: lock}, nil
}
