package lockstore

import "time"

// The cells of the table about freezes, and the looks at those given up.

// Looks at a given-up freeze that may turn up after all: so long after the one
// before.
var watches = [...]time.Duration{10 * time.Minute, time.Hour, 24 * time.Hour}

// froze takes over what the HIS acknowledged.
func (c *change) froze() {
	l, e := c.lock, &c.event
	if e.HISLockID != "" {
		l.HISLockID = e.HISLockID
	}
	l.FreezeExpires = c.freezeExpires()
	c.shown()
	if !l.strayOrder() {
		l.Word = WordFrozen
	}
}

// freezeExpires is when the freeze that was acknowledged ends. Where the HIS did
// not say, it lives for the policy's time, at most: one that was only found is
// older than the look, and one that we knew of has not become younger by it.
func (c *change) freezeExpires() time.Time {
	l, e := c.lock, &c.event
	if !e.FreezeExpires.IsZero() || c.policy.FreezeTTL == 0 {
		return e.FreezeExpires
	}
	begun := c.now
	if e.Op == OpFindOrder {
		switch {
		case l.Word == WordFrozen && !l.FreezeExpires.IsZero():
			return l.FreezeExpires
		case l.Status == Pending:
			begun = l.CreatedAt
		case l.Unknown:
			begun = l.UnknownSince
		}
	}
	return plain(begun.Add(c.policy.FreezeTTL))
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
	c.froze()
	c.known()
	return true, nil
}

// freezeForOrder: the order may be placed now. A freeze that was only found says
// nothing about an order that may be under way.
func freezeForOrder(c *change) (bool, error) {
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
	if !l.strayOrder() {
		l.Word = WordNone
	}
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
	if !l.strayOrder() {
		l.Word = WordLapsed
	}
	c.shown()
	c.known()
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
	if !l.strayOrder() {
		l.Word = WordReleased
	}
	c.shown()
	c.known()
	l.Status = Released
	return true, nil
}

// unfrozenEarly: somebody gave the stock back behind our back.
func unfrozenEarly(c *change) (bool, error) {
	c.lock.Word = WordReleased
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
