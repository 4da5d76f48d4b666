package lockstore

import (
	"context"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// cannotRecall is the case of every held lock of a restored ledger where the HIS
// cannot be asked what became of it.
const cannotRecall = "the ledger was restored from a backup, and this HIS cannot be asked whether it has made an order for this lock since"

// recall marks a lock that was under way when the backup was made: the HIS is asked
// what became of it since [B9]. It reports whether that changed the lock, and
// whether it now needs a person.
func (l *Ledger) recall(lock *Lock, m moment) (changed, needsPerson bool) {
	switch {
	case lock.Status == Confirmed || lock.Status == Released:
		return false, false
	case !l.asksFirst(m) || lock.RecalledFor.Equal(l.restored.At):
		return false, false
	}
	// One that was made since becomes a case when it is confirmed.
	since := lock.AskFirst && !lock.CreatedAt.Before(l.restored.At)
	lock.AskFirst = true
	if !l.policy.Find && lock.CaseReason == "" && !since {
		lock.CaseReason, lock.CaseKind = cannotRecall, CaseBusiness
		return true, true
	}
	return true, false
}

// asksFirst reports whether the HIS is asked about a number before it is first
// used. One that cannot be asked, and takes no number twice, answers by refusing.
func (l *Ledger) asksFirst(m moment) bool {
	return l.forgetful(m) && (l.restored.Recovering() || l.policy.Find || !l.policy.IdempotentByHisNo)
}

// forgetful reports whether the HIS may have orders of which the ledger knows
// nothing, because it was restored from a backup not long ago.
func (l *Ledger) forgetful(m moment) bool {
	return l.restored.Recovering() || l.restored.AskFirst(m.wall) || !l.restored.At.IsZero() && l.watch.err() != nil
}

// Forgetful reports whether the HIS may have made orders for numbers of which the
// ledger knows nothing, because it was restored from a backup not long ago. It does
// not block.
func (l *Ledger) Forgetful() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.forgetful(l.tick())
}

// Restore tells of the last restore from a backup. It does not block.
func (l *Ledger) Restore() Restore {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.restored
}

// Recovered ends the recovery, durably: attempts may begin again. It blocks for
// the disk; a repeat does nothing.
//
// Errors: ErrRecovering while there are locks that the HIS is still to be asked
// about (Stats.Asking); ErrOutcomeUnknown, ErrClosed, or ctx's.
func (l *Ledger) Recovered(ctx context.Context) error {
	t, err := l.recovered()
	if err != nil {
		return err
	}
	return l.await(ctx, t)
}

func (l *Ledger) recovered() (t engine.Ticket, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.unusable(); err != nil {
		return t, err
	}
	m := l.tick()
	switch {
	case !l.restored.Recovering():
		return l.disk.Barrier(), nil
	case l.stats.Asking > 0:
		return t, ErrRecovering
	}
	// From now on an opening knows no longer whom it was to ask about.
	for len(l.marked) > 0 {
		l.storeMarks(m)
	}
	l.restored.RecoveredAt = m.wall
	return l.append(m, restoreWrite(l.restored)), nil
}
