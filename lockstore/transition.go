package lockstore

import (
	"errors"
	"time"
)

// change is one event at work on one lock. The functions of the table see
// nothing else, so that what they decide can be tested without a ledger.
type change struct {
	policy *Policy
	lock   *Lock // a working copy; thrown away when the change is refused
	event  Event
	now    time.Time     // the wall clock's, for records only
	ran    time.Duration // the ledger's running time

	actor string    // the principal of a command; events carry their own
	cause Cause     // of EvRelease
	ref   Reference // of EvConfirm
	same  bool      // EvLock: the request's fingerprint is the lock's
	// newAttempt: EvLock may follow an end that is no shortage [B5].
	newAttempt bool
	restoredAt time.Time // of EvRecalled: the restore
	due        bool      // expire_time has come, by elapsed time
	graceOver  bool      // the grace time of an unknown outcome is over
}

// errNextAttempt is how EvLock says that the attempt stays as it is and the next
// one begins. It never leaves the room.
var errNextAttempt = errors.New("the next attempt begins")

// action is a cell of the table. It returns whether the lock was changed; an
// error refuses the event, and then nothing may have been changed.
type action func(*change) (changed bool, err error)

// row holds the cells of one event by status; index 0 is "no such lock". An
// empty cell is a fault: it cannot happen.
type row [Released + 1]action

// transitions is the table of lock states, the only place where a status changes.
// It is never written to. Where it differs from the first draft:
//
//   - EvClock and EvOwnerRelease are ignored once the lock is confirmed or on its
//     way out: the worker that carries them out races with Confirm and Release.
//   - A freeze that is refused after Release came is noted: the freeze was being
//     taken again when the lock left LOCKED.
//   - What a person says of a lock whose order was found deducted where none was
//     sent is about that order, and what a person says of a LOCKED, CONFIRMED or
//     RELEASED lock with a case closes it; else such cases could never be closed.
//   - An order that is refused for good after a call whose outcome never came to
//     light stays CONFIRMING with a case [C1], unless a deduct needs the freeze that
//     is given back then. A freeze so refused is RELEASED + watch, wherever a
//     release ends with such a call behind it.
//   - A person's "not applied" is refused while the call may still arrive.
//   - EvCancelled comes from Gateway.Cancel and from reconciliation, for CONFIRMED
//     locks alone: elsewhere a call may be under way.
//   - After a restore from a backup a lock is neither confirmed nor released before
//     the HIS has said what became of its number (EvRecalled) [B9].
//   - Joining an unsettled lock is no error here: Lock returns it as it stands,
//     and what its caller is told follows from the status.
var transitions = [...]row{
	EvLock: {
		0: begin, Pending: ifSame(keep), Locked: ifSame(keep), Confirming: ifSame(keep), Confirmed: ifSame(keep),
		Releasing: ifSame(refuse(ErrLockEnded)), Released: nextAttempt,
	},
	EvConfirm: {
		0: refuse(ErrNotFound), Pending: refuse(ErrLockPending), Locked: asked(confirm), Confirming: keep, Confirmed: keep,
		Releasing: refuse(ErrLockEnded), Released: refuse(ErrLockEnded),
	},
	EvRelease: {
		0: bury, Pending: asked(wantRelease), Locked: asked(release), Confirming: refuse(ErrConfirmInProgress),
		Confirmed: refuse(ErrAlreadyConfirmed), Releasing: keep, Released: keep,
	},

	EvClock: {
		Pending: byClock(asked(wantRelease)), Locked: byClock(asked(release)), Confirming: byClock(keep), Confirmed: byClock(keep),
		Releasing: byClock(keep), Released: byClock(keep),
	},
	EvOwnerRelease: {
		Pending: byOwner(asked(wantRelease)), Locked: byOwner(asked(release)), Confirming: byOwner(keep), Confirmed: byOwner(keep),
		Releasing: byOwner(keep), Released: byOwner(keep),
	},
	EvOwnerKeep: {
		Pending: byOwner(keepUntil), Locked: byOwner(keepUntil), Confirming: byOwner(keep), Confirmed: byOwner(keep),
		Releasing: byOwner(keep), Released: byOwner(keep),
	},

	EvFreezeDone:    {Pending: freezeHeld, Locked: freezeAgain, Confirming: freezeForOrder, Releasing: freezeToUndo, Released: freezeToUndo},
	EvFreezeRefused: {Pending: refusePending, Locked: refuseHeld, Confirming: refuseConfirming, Releasing: note, Released: note},
	EvFreezeNone:    {Pending: noneFrozen, Locked: noneFrozen, Confirming: noneFrozen, Releasing: noneFrozen, Released: noneFrozen},
	EvFreezeLapsed:  {Pending: lapsed, Locked: lapsed, Confirming: lapsed, Releasing: lapsed, Released: lapsed},
	EvUnfreezeDone:  {Pending: unfrozenEarly, Locked: unfrozenEarly, Confirming: unfrozenEarly, Releasing: unfrozen, Released: unfrozen},
	EvWatchFrozen:   {Releasing: freezeToUndo, Released: freezeToUndo},
	EvWatchClear:    {Releasing: keep, Released: watchClear},

	EvOrderPlaced:  {Pending: placedEarly, Locked: placedEarly, Confirming: placed, Confirmed: keep, Releasing: placedEarly, Released: placedEarly},
	EvOrderRefused: {Confirming: orderRefused},
	EvOrderNone:    {Confirming: orderNone},
	EvCancelled:    {Confirming: cancelled, Confirmed: cancelledLater, Releasing: ifDeducted(undone), Released: ifDeducted(undone)},

	EvRecalled: {Pending: recalled, Locked: recalled, Confirming: recalled, Confirmed: keep, Releasing: recalled, Released: keep},

	EvNotDone: {Pending: note, Locked: note, Confirming: note, Confirmed: keep, Releasing: note, Released: note},
	EvUnknown: {Pending: unknown, Locked: unknown, Confirming: unknown, Confirmed: keep, Releasing: unknown, Released: unknown},
	EvCase:    {Pending: openCase, Locked: openCase, Confirming: openCase, Confirmed: openCase, Releasing: openCase, Released: openCase},

	EvApplied: {
		Pending: applied, Locked: ifRecalled(applied), Confirming: applied, Confirmed: ifOpen(allIsWell),
		Releasing: applied, Released: applied,
	},
	EvNotApplied: {
		Pending: notApplied, Locked: ifOpen(notApplied), Confirming: notApplied, Releasing: notApplied,
		Released: ifOpen(notApplied),
	},
}

// apply runs the event through the table and, when it changed the lock, keeps
// the history and raises the version. It returns whether the lock is to be
// stored. Errors: the refusals of errors.go, and *FaultError for an empty cell.
func (c *change) apply() (changed bool, err error) {
	l := c.lock
	from := l.Status
	var act action
	if k := int(c.event.Kind); k < len(transitions) && int(from) < len(transitions[k]) {
		act = transitions[k][from]
	}
	if act == nil {
		return false, c.fault()
	}
	if changed, err = act(c); !changed || err != nil {
		return false, err
	}
	if l.Status != from && !l.strayOrder() {
		c.closeCase() // it asked about the state that was left
	}
	if l.Status == Released && from != Released {
		c.watchDoubt()
	}
	if l.Status == Confirmed || l.Status == Released {
		l.AskFirst = false // the HIS, or a person, has spoken
	}
	actor := c.actor
	if c.event.Actor != "" {
		actor = c.event.Actor
	}
	l.Version++
	l.UpdatedAt = c.now
	l.History = appendStep(l.History, Step{
		Time: c.now, Last: c.now, Count: 1, From: from, To: l.Status, Event: c.event.Kind,
		Code: c.event.Code, Message: c.event.Message, Actor: actor,
	})
	return true, nil
}

func (c *change) fault() error {
	return &FaultError{ID: c.lock.ID(), Status: c.lock.Status, Event: c.event.Kind}
}

// strayOrder reports whether the HIS holds an order of this attempt that the
// attempt's state knows nothing of. A person must look, whatever happens to the
// lock meanwhile.
func (l *Lock) strayOrder() bool { return l.Word == WordDeducted && l.Status != Confirmed }

// The small cells.

func keep(*change) (bool, error) { return false, nil }

// note leaves a trace in the history and nothing else.
func note(*change) (bool, error) { return true, nil }

func refuse(err error) action {
	return func(*change) (bool, error) { return false, err }
}

func ifSame(then action) action {
	return func(c *change) (bool, error) {
		if !c.same {
			return false, ErrOrderNoReused
		}
		return then(c)
	}
}

// byClock lets the clock release only what is due and has no owner [B6].
func byClock(then action) action {
	return func(c *change) (bool, error) {
		if c.lock.Owner {
			return false, c.fault()
		}
		if !c.due {
			return false, nil
		}
		c.cause = ByClock
		return then(c)
	}
}

func byOwner(then action) action {
	return func(c *change) (bool, error) {
		if !c.lock.Owner {
			return false, c.fault()
		}
		c.cause = ByOwner
		return then(c)
	}
}

// ifOpen: there is something that a person can settle.
func ifOpen(then action) action {
	return func(c *change) (bool, error) {
		if c.lock.CaseReason == "" && !c.lock.Unknown && !c.lock.strayOrder() {
			return false, c.fault()
		}
		return then(c)
	}
}

// ifDeducted: the HIS holds an order that this state knows nothing of.
func ifDeducted(then action) action {
	return func(c *change) (bool, error) {
		if !c.lock.strayOrder() {
			return false, c.fault()
		}
		return then(c)
	}
}
