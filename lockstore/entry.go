package lockstore

import "time"

// entry is an active attempt in memory: what judging needs, beside the record
// as it is stored. The full Lock is decoded when it is asked for, so that a
// million of them fit, and so that what a command works on is always a copy.
type entry struct {
	id        ID
	principal string
	status    Status
	settled   bool
	hasCase   bool
	askFirst  bool
	rec       []byte // never written to
	created   time.Time
	gone      bool // no longer in memory; lists that cannot delete look here

	holds []hold
	one   [1]hold // what holds is of in most orders, so that they are one piece of memory

	due       timer
	expire    time.Time // what due was computed from
	alarm     timer
	alarmTime time.Time // what alarm was computed from
	alarmOn   bool      // the alarm has gone off: the freeze counts as lapsed, or a look is due

	unknown      bool
	unknownSince time.Duration

	queued     bool // in the work list
	prev, next *entry

	older *entry // the active attempt before this one of the same order, or nil
}

// newEntry is the memory of a lock that is in no list yet. Only the record and
// the order's number stay of what it is given.
func newEntry(lock *Lock, rec []byte) *entry {
	e := &entry{id: lock.ID(), principal: lock.Principal, created: lock.CreatedAt, rec: rec}
	if e.holds = e.one[:]; len(lock.Items) != 1 {
		e.holds = make([]hold, len(lock.Items))
	}
	e.due.of, e.alarm.of = e, e
	for i, it := range lock.Items {
		e.holds[i].owner, e.holds[i].units = e, it.Quantity
	}
	return e
}

// lock decodes the entry's record. Records in memory were encoded here or
// decoded once already, so they cannot be garbled.
func (e *entry) lock() *Lock {
	l, err := decodeLock(e.rec)
	if err != nil {
		panic("lockstore: a record in memory is garbled: " + err.Error())
	}
	return l
}

// admit puts the entry of a lock that was just made or restored into the memory.
// Its order among its kind is that of its creation.
func (l *Ledger) admit(e *entry, lock *Lock, m moment) {
	for i, it := range lock.Items {
		k := Key{lock.PharmacyID, it.DrugID}
		s := l.stocks[k]
		if s == nil {
			s = &stock{key: k}
			l.stocks[k] = s
		}
		s.join(&e.holds[i])
	}
	l.enlist(e)
	l.holders[e.principal]++
	l.made.add(e)
	l.update(e, lock, e.rec, m, false)
}

// enlist puts an entry among the active attempts of its order.
func (l *Ledger) enlist(e *entry) {
	newest := l.orders[e.id.OrderNo]
	if newest == nil || newest.id.Attempt < e.id.Attempt {
		e.older, l.orders[e.id.OrderNo] = newest, e
		return
	}
	at := newest
	for at.older != nil && at.older.id.Attempt > e.id.Attempt {
		at = at.older
	}
	e.older, at.older = at.older, e
}

// delist undoes enlist.
func (l *Ledger) delist(e *entry) {
	switch newest := l.orders[e.id.OrderNo]; {
	case newest != e:
		at := newest
		for at.older != e {
			at = at.older
		}
		at.older = e.older
	case e.older != nil:
		l.orders[e.id.OrderNo] = e.older
	default:
		delete(l.orders, e.id.OrderNo)
	}
}

// entry returns the active attempt of this identity, or nil.
func (l *Ledger) entry(id ID) *entry {
	e := l.orders[id.OrderNo]
	for e != nil && e.id.Attempt != id.Attempt {
		e = e.older
	}
	return e
}

// update brings the memory of an entry in line with its new record. acked says
// that the HIS has just acknowledged a freeze.
func (l *Ledger) update(e *entry, lock *Lock, rec []byte, m moment, acked bool) {
	l.stats.count(e, -1)
	wasConfirmed := e.status == Confirmed
	e.status, e.rec, e.settled, e.hasCase = lock.Status, rec, lock.Settled(), lock.CaseReason != ""
	e.askFirst = lock.AskFirst
	l.stats.count(e, 1)

	l.setDue(e, lock, m)
	l.setAlarm(e, lock, m)
	l.setUnknown(e, lock, m)
	l.setHolds(e, l.policy.counts(lock, l.lapsed(e, lock)), m, acked)
	if e.status == Confirmed && !wasConfirmed {
		l.confirmed.add(e, after(m.mono, l.policy.MaxStale+l.policy.FigureLag))
	}
	l.setWork(e, lock)
}

// dismiss takes an attempt out of the memory; it has ended, and lives on disk.
func (l *Ledger) dismiss(e *entry) {
	l.stats.count(e, -1)
	l.wheel.stop(&e.due)
	l.alarms.stop(&e.alarm)
	delete(l.unknown, e)
	l.work.remove(e)
	for i := range e.holds {
		e.holds[i].stock.leave(&e.holds[i])
	}
	l.delist(e)
	if l.holders[e.principal]--; l.holders[e.principal] == 0 {
		delete(l.holders, e.principal)
	}
	l.made.remove(e)
	e.gone = true
}

// setDue sets the expiry timer from the record, once for each expire_time, so
// that expiry goes by elapsed time.
func (l *Ledger) setDue(e *entry, lock *Lock, m moment) {
	expires := lock.Status == Locked || lock.Status == Pending && !lock.ReleaseWanted
	switch {
	case !expires:
		l.wheel.stop(&e.due)
		e.expire = time.Time{}
	case !lock.ExpireTime.Equal(e.expire):
		e.expire = lock.ExpireTime
		l.wheel.set(&e.due, after(m.mono, l.expiresIn(lock, m)))
		if l.wheel.first() == &e.due {
			l.signal()
		}
	}
}

// expiresIn is how long a lock waits for its expire_time. When the clock was in
// doubt then or later, that time may be one of a wrong clock: what counts is how
// long ledgers ran since it was made, which is never too early. Nor does a lock
// wait longer than its caller asked for, whatever an opening has to go by. Only
// owners change the time later, and they are asked.
func (l *Ledger) expiresIn(lock *Lock, m moment) time.Duration {
	left := lock.ExpireTime.Sub(m.wall)
	if lock.Owner || len(lock.History) == 0 {
		return left
	}
	whole := lock.ExpireTime.Sub(lock.History[0].Time)
	if lock.MadeFrom > 0 && lock.MadeFrom < l.running.doubt {
		left = whole - l.running.since(lock.MadeFrom, m)
	}
	return min(left, whole)
}

// setAlarm sets the one other timer: the end of a freeze less the margin, or the
// next look at a freeze that was given up.
func (l *Ledger) setAlarm(e *entry, lock *Lock, m moment) {
	var at time.Time
	switch lock.Status {
	case Locked, Confirming, Releasing:
		if lock.Word == WordFrozen && !lock.FreezeExpires.IsZero() {
			at = lock.FreezeExpires.Add(-l.policy.FreezeMargin)
		}
	case Released:
		at = lock.WatchAt
	}
	switch {
	case at.IsZero():
		l.alarms.stop(&e.alarm)
		e.alarmTime, e.alarmOn = at, false
	case !at.Equal(e.alarmTime):
		e.alarmTime = at
		left := l.watch.until(at, m)
		if e.alarmOn = left <= 0; e.alarmOn {
			l.alarms.stop(&e.alarm)
			return
		}
		l.alarms.set(&e.alarm, after(m.mono, left))
	}
}

// lapsed reports whether the freeze of a lock counts as over: it is, or nearly, or
// the clock cannot tell when it will be.
func (l *Ledger) lapsed(e *entry, lock *Lock) bool {
	return e.alarmOn || l.watch.doubted() && !lock.FreezeExpires.IsZero()
}

// alarmed lets an alarm that has come take effect.
func (l *Ledger) alarmed(e *entry) {
	e.alarmOn = true
	lock := e.lock()
	l.setHolds(e, l.policy.counts(lock, true), moment{}, false)
	l.setWork(e, lock)
}

// setUnknown keeps the age of an unknown outcome by elapsed time.
func (l *Ledger) setUnknown(e *entry, lock *Lock, m moment) {
	switch {
	case !lock.Unknown:
		delete(l.unknown, e)
	case !e.unknown || lock.UnknownFrom == l.running.at(m):
		e.unknownSince = l.running.mono(lock.UnknownFrom, m)
		l.unknown[e] = struct{}{}
		l.graceEnd = max(l.graceEnd, after(e.unknownSince, l.policy.Grace))
	}
	e.unknown = lock.Unknown
}

// resetAlarm computes an alarm again that must not come later by it.
func (l *Ledger) resetAlarm(e *entry, lock *Lock, m moment) {
	was, on := e.alarm, e.alarmOn
	e.alarmTime = time.Time{}
	l.setAlarm(e, lock, m)
	switch {
	case on:
		e.alarmOn = true
		l.alarms.stop(&e.alarm)
	case was.place > 0 && e.alarm.place > 0 && was.at < e.alarm.at:
		l.alarms.set(&e.alarm, was.at)
	}
}

// retime looks at all locks again when trust in the clock was lost or came back.
// Freezes end as early as elapsed time, the wall clock or the records say, unless
// the wall clock was just set: it may be set back.
// opened says that the wall clock is right for the first time since the opening,
// so that expiry is computed again too; else that goes on by elapsed time.
func (l *Ledger) retime(m moment, opened bool) {
	for _, e := range l.made.slots {
		if e.gone {
			continue
		}
		lock := e.lock()
		if opened {
			e.expire = time.Time{}
			l.setDue(e, lock, m)
		}
		if !l.watch.doubt {
			l.resetAlarm(e, lock, m)
		}
		l.setHolds(e, l.policy.counts(lock, l.lapsed(e, lock)), m, false)
		l.setWork(e, lock)
	}
	l.signal()
}
