package lockstore

import (
	"bytes"

	"github.com/hisgate/hisgate/lockstore/engine"
)

func putWrite(key, value []byte) engine.Write { return engine.Write{Key: key, Value: value} }

func deleteWrite(key []byte) engine.Write { return engine.Write{Key: key, Delete: true} }

// append hands writes to the committer, under mu, and now and then the clock
// with them, so that an opening can tell when its own is behind [B7], and for how
// long ledgers were open.
func (l *Ledger) append(m moment, writes ...engine.Write) engine.Ticket {
	return l.disk.Append(append(writes, l.clockWrites(m, clockStep)...)...)
}

// storeNew records an attempt that was just made, which is active in any case,
// together with other writes.
func (l *Ledger) storeNew(lock *Lock, m moment, more ...engine.Write) engine.Ticket {
	rec := encodeLock(lock)
	l.admit(newEntry(lock, rec), lock, m)
	return l.append(m, append(more, putWrite(attemptKey(prefixActive, lock.ID()), rec))...)
}

// store records a change of an attempt: in memory, and on the disk where it
// belongs now. was is the status before; acked says that the HIS has just
// acknowledged a freeze.
func (l *Ledger) store(a *attempt, was Status, lock *Lock, m moment, acked bool) engine.Ticket {
	rec := encodeLock(lock)
	id := lock.ID()
	switch {
	case a.e != nil:
		l.update(a.e, lock, rec, m, acked)
		if !l.atRest(a.e, lock) {
			return l.append(m, putWrite(attemptKey(prefixActive, id), rec))
		}
		t := l.append(m, l.moveOut(lock, rec)...)
		l.dismiss(a.e)
		l.ended.add(id, rec, t, m.mono, &l.turns)
		return t
	case staysEnded(was, lock):
		t := l.append(m, putWrite(attemptKey(prefixEnded, id), rec))
		l.ended.add(id, rec, t, m.mono, &l.turns)
		return t
	default:
		l.admit(newEntry(lock, rec), lock, m)
		return l.append(m,
			putWrite(attemptKey(prefixActive, id), rec),
			deleteWrite(attemptKey(prefixEnded, id)),
			deleteWrite(indexKey(lock.CreatedAt, id)))
	}
}

// moveOut are the writes that move an attempt from the active to the ended.
func (l *Ledger) moveOut(lock *Lock, rec []byte) []engine.Write {
	id := lock.ID()
	index := indexKey(lock.CreatedAt, id)
	if bytes.Compare(index, l.purged) < 0 {
		l.purged = index // it ends so late that a purge has passed its place
	}
	return []engine.Write{
		deleteWrite(attemptKey(prefixActive, id)),
		putWrite(attemptKey(prefixEnded, id), rec),
		putWrite(index, nil),
	}
}

// atRest reports whether nothing more is to be done for an attempt and no hold
// of it counts, so that it can leave the memory. lock may be nil for a
// CONFIRMED one.
func (l *Ledger) atRest(e *entry, lock *Lock) bool {
	if e.hasCase {
		return false
	}
	switch e.status {
	case Released:
		return releasedAtRest(lock)
	case Confirmed:
		for i := range e.holds {
			if !e.holds[i].read {
				return false
			}
		}
		return true
	default:
		return false
	}
}

func releasedAtRest(lock *Lock) bool {
	return lock.Settled() && lock.Watch == 0 && lock.CaseReason == ""
}

// staysEnded reports whether an ended attempt is still at rest after a change.
func staysEnded(was Status, is *Lock) bool {
	switch is.Status {
	case Released:
		return releasedAtRest(is)
	case Confirmed:
		return was == Confirmed && is.CaseReason == ""
	default:
		return false
	}
}
