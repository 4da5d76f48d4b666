package lockstore

import (
	"slices"
	"time"
)

// The cells of the table about freezes, and the looks at those given up.

// Looks at a given-up freeze that may turn up after all: so long after the one
// before.
var watches = [...]time.Duration{10 * time.Minute, time.Hour, 24 * time.Hour}

// froze takes over what the HIS acknowledged.
func (c *change) froze() {
	l, e := c.lock, &c.event
	l.FreezeFrom, l.FreezeExpires = c.freezeLife()
	if e.HISLockID != "" {
		l.HISLockID = e.HISLockID
	}
	c.shown()
	if !l.strayOrder() {
		l.Word = WordFrozen
	}
}

// freezeLife is from when to when the freeze that was acknowledged lives. The HIS
// may count by a clock of its own, or name no end; it does not live longer than
// FreezeTTL from the earliest moment at which a call that asked for it can have
// left. One that we knew of has not become younger by being found again.
func (c *change) freezeLife() (from, until time.Time) {
	l, e := c.lock, &c.event
	known := l.Word == WordFrozen
	from, until = l.FreezeFrom, e.FreezeExpires
	if from.IsZero() {
		from = l.CreatedAt
	}
	if e.Op == OpFreeze && !known && !l.Unknown && !l.FreezeDoubt && e.Began.After(from) {
		from = e.Began // of all calls only this one can have been it
	}
	if until.IsZero() && known && e.Op == OpFindOrder {
		until = l.FreezeExpires
	}
	if ttl := c.policy.FreezeTTL; ttl > 0 {
		if latest := plain(from.Add(ttl)); until.IsZero() || until.After(latest) {
			until = latest
		}
	}
	return from, until
}

// freezeGone: the HIS holds no freeze; one that it will hold is younger than this
// word.
func (c *change) freezeGone(w HISWord) {
	l := c.lock
	if !l.strayOrder() {
		l.Word = w
	}
	l.FreezeFrom = c.event.Began
	if l.FreezeFrom.IsZero() {
		l.FreezeFrom = c.now
	}
}

// asKnown: a look found the freeze as it is on record.
func (c *change) asKnown() bool {
	l, e := c.lock, &c.event
	if e.Op != OpFindOrder || l.Unknown || l.Word != WordFrozen || l.Watch > 0 || e.HISLockID != "" && e.HISLockID != l.HISLockID {
		return false
	}
	_, until := c.freezeLife()
	return until.Equal(l.FreezeExpires)
}

func freezeHeld(c *change) (bool, error) {
	c.froze()
	c.known()
	if c.lock.ReleaseWanted {
		c.lock.Status = Releasing
	} else {
		c.lock.Status = Locked
	}
	return true, nil
}

func freezeAgain(c *change) (bool, error) {
	if c.asKnown() {
		return false, nil
	}
	c.froze()
	c.known()
	return true, nil
}

// freezeForOrder: the order may be placed now. A freeze that was only found says
// nothing about an order that may be under way.
func freezeForOrder(c *change) (bool, error) {
	if c.asKnown() {
		return false, nil
	}
	c.froze()
	if !c.orderInDoubt() {
		c.known()
	}
	return true, nil
}

// orderInDoubt: PlaceOrder may still be applied, so only a word about the order
// itself settles the unknown.
func (c *change) orderInDoubt() bool {
	l := c.lock
	return l.Status == Confirming && l.Unknown && l.OrderSent
}

// freezeToUndo: a freeze of an attempt that is on its way out or over.
func freezeToUndo(c *change) (bool, error) {
	if c.asKnown() {
		return false, nil
	}
	c.froze()
	c.known()
	c.watch(0)
	return true, nil
}

func refusePending(c *change) (bool, error) {
	l := c.lock
	doubted := l.Unknown || l.FreezeDoubt
	if !l.ReleaseWanted {
		l.Cause = ByHIS
		if len(c.event.Shortages) > 0 {
			l.Cause = ForShortage
		}
	}
	l.Shortages = c.event.Shortages
	c.known()
	if doubted {
		// An earlier call may be what took the stock that this one was refused,
		// or arrive now that there is some again.
		c.giveUp()
	} else {
		l.Status = Released
	}
	return true, nil
}

// shown: the HIS has shown a freeze of this attempt. Where it takes a number once
// only, no other can come of it.
func (c *change) shown() {
	if c.policy.IdempotentByHisNo {
		c.lock.FreezeDoubt = false
	}
}

// refuseHeld: a freeze that lapsed, or was about to, could not be taken again.
func refuseHeld(c *change) (bool, error) {
	c.lock.Cause = ByHIS
	c.lock.Shortages = c.event.Shortages
	c.known()
	c.giveBack(c.lock.Word == WordFrozen)
	return true, nil
}

func refuseConfirming(c *change) (bool, error) {
	if c.lock.OrderSent {
		c.caseFor(CaseBusiness, "the freeze lapsed and was refused while the order may have been placed")
		return true, nil
	}
	return refuseHeld(c)
}

// noneFrozen: the HIS says that it never heard of the freeze. After an unknown
// call that is believed only when the grace time is over.
func noneFrozen(c *change) (bool, error) {
	l := c.lock
	if l.Unknown && !c.graceOver {
		return false, nil
	}
	if l.Status == Released && !l.Unknown && l.Word != WordFrozen {
		return false, nil
	}
	doubted := l.Unknown
	c.freezeGone(WordNone)
	if !c.orderInDoubt() {
		c.known()
	}
	switch {
	case l.Status == Releasing, l.Status == Pending && l.ReleaseWanted:
		c.giveUp()
	case l.Status == Released && doubted:
		c.watch(len(watches))
	}
	return true, nil
}

// lapsed: the HIS let the freeze run out by itself.
func lapsed(c *change) (bool, error) {
	l := c.lock
	if l.Status == Released && !l.Unknown && l.Word != WordFrozen {
		return false, nil
	}
	if c.orderInDoubt() && c.event.Op == OpFindOrder && !c.graceOver {
		return false, nil
	}
	c.freezeGone(WordLapsed)
	c.shown()
	c.known()
	// A HIS takes the number of a lapsed freeze anew, and so may a call that got lost
	// long ago: should the attempt end before another freeze is shown, it is looked for.
	l.FreezeDoubt = l.FreezeDoubt || slices.ContainsFunc(l.History, func(s Step) bool { return s.Event == EvUnknown })
	if l.Status == Releasing || l.Status == Pending && l.ReleaseWanted {
		l.Status = Released
	}
	return true, nil
}

func unfrozen(c *change) (bool, error) {
	l := c.lock
	if l.Status == Released && !l.Unknown && l.Word != WordFrozen {
		return false, nil
	}
	c.freezeGone(WordReleased)
	c.shown()
	c.known()
	l.Status = Released
	return true, nil
}

// unfrozenEarly: somebody gave the stock back behind our back.
func unfrozenEarly(c *change) (bool, error) {
	c.freezeGone(WordReleased)
	if !c.orderInDoubt() {
		c.known()
	}
	c.caseFor(CaseBusiness, "the HIS says that the stock was given back, and nobody here asked for it")
	return true, nil
}

func watchClear(c *change) (bool, error) {
	if c.lock.Watch == 0 {
		return false, nil
	}
	c.watch(c.lock.Watch - 1)
	return true, nil
}

// giveUp ends an attempt on a "none": nothing is frozen as far as the HIS knows,
// and it is looked at again in case a lost call arrives late.
func (c *change) giveUp() {
	c.lock.Status = Released
	c.watch(len(watches))
}

// watchDoubt has an attempt that ended looked at when a call of it may still
// arrive: a freeze is undone then, and an order makes a case.
func (c *change) watchDoubt() {
	l := c.lock
	if (l.FreezeDoubt || l.OrderSent) && c.policy.Find && l.Watch == 0 && !l.strayOrder() && l.Word != WordCancelled {
		c.watch(len(watches))
	}
}

func (c *change) watch(looks int) {
	c.lock.Watch = looks
	c.lock.WatchAt = time.Time{}
	if looks > 0 {
		c.lock.WatchAt = c.now.Add(watches[len(watches)-looks])
	}
}
