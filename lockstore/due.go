package lockstore

import (
	"context"
	"time"
)

// Due returns up to limit locks whose expire_time has come by elapsed time,
// earliest first: PENDING or LOCKED ones, those with an owner too. They stay due
// until an event moves them or Postpone puts them off. While the clock is in
// doubt nothing is due [B7]. It blocks until what it returns is durable.
func (l *Ledger) Due(limit int) []Lock {
	return l.handOut(func(m moment) []*entry {
		if l.watch.err() != nil {
			return nil
		}
		var out []*entry
		for _, t := range l.wheel.due(m.mono, limit) {
			out = append(out, t.of)
		}
		return out
	})
}

// NextDue returns the time until Due or Work may have more because of the
// clock, and false when nothing waits for it.
func (l *Ledger) NextDue() (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.tick()
	first, ok := time.Duration(0), false
	for _, t := range []*timer{l.wheel.first(), l.alarms.first()} {
		if t != nil && (!ok || t.at < first) {
			first, ok = t.at, true
		}
	}
	if !ok {
		return 0, false
	}
	wait := max(0, first-m.mono)
	if l.watch.err() != nil {
		wait = max(wait, doubtPoll)
	}
	return wait, true
}

// Postpone lets a lock be due again only after d. It is kept in memory only:
// after an opening the lock is due at once. For a lock that is not waiting for
// its time it does nothing.
func (l *Ledger) Postpone(id ID, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entry(id); e != nil && e.due.place > 0 {
		l.wheel.set(&e.due, after(l.clock.Mono(), max(0, d)))
	}
}

// Work returns up to limit locks for which the HIS is to be asked: PENDING,
// CONFIRMING and RELEASING ones, LOCKED ones whose freeze lapsed or is about to,
// unknown outcomes, freezes to be undone, and given-up freezes whose next look
// is due. Locks that wait for a person are left out, unless the HIS can be asked
// for an unknown outcome, or whether it gave back by itself what it refused to: a
// look does no harm. Calls take turns through a long list. It blocks until what it returns is durable, so that the call which
// follows has its intent on the disk.
func (l *Ledger) Work(limit int) []Lock {
	return l.handOut(func(moment) []*entry { return l.work.turn(limit) })
}

// handOut decodes what pick chose when it is durable, or returns nothing when
// the memory cannot be trusted.
func (l *Ledger) handOut(pick func(moment) []*entry) []Lock {
	l.mu.Lock()
	if l.unusable() != nil {
		l.mu.Unlock()
		return nil
	}
	entries := pick(l.tick())
	recs := make([][]byte, len(entries))
	for i, e := range entries {
		recs[i] = e.rec
	}
	t := l.disk.Barrier()
	l.mu.Unlock()

	if len(recs) == 0 || t.Wait(context.Background()) != nil {
		return nil
	}
	locks := make([]Lock, len(recs))
	for i, rec := range recs {
		locks[i] = *(&entry{rec: rec}).lock()
	}
	return locks
}

// setWork puts an entry into the work list or takes it out.
func (l *Ledger) setWork(e *entry, lock *Lock) {
	switch wanted := wantsHIS(lock, &l.policy, e.alarmOn); {
	case !wanted:
		l.work.remove(e)
	case !e.queued:
		l.work.add(e)
		l.signal()
	}
}

// wantsHIS reports whether the HIS is to be asked about a lock. alarm says that
// its freeze is over, or nearly, or that a look at it is due.
func wantsHIS(lock *Lock, p *Policy, alarm bool) bool {
	if lock.AskFirst && lock.CaseReason == "" {
		return p.Find
	}
	if lock.CaseReason != "" {
		return p.Find && (lock.Unknown || lock.UnfreezeRefused())
	}
	switch lock.Status {
	case Pending, Confirming, Releasing:
		return true
	case Locked:
		return lock.Unknown || needsFreezeAgain(lock, alarm)
	case Released:
		return lock.Unknown || lock.Word == WordFrozen || lock.Watch > 0 && alarm
	default:
		return false
	}
}

// needsFreezeAgain reports whether a LOCKED lock lost its freeze, or is about to.
func needsFreezeAgain(lock *Lock, lapsed bool) bool {
	return lock.Freeze && (lapsed || lock.Word != WordFrozen)
}
