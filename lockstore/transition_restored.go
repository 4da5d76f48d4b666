package lockstore

// The cells of the table about a ledger that was restored from a backup [B9].

// asked lets nothing happen to a lock of which the HIS may know more than we do.
// Clock and owner come again; a caller is told.
func asked(then action) action {
	return func(c *change) (bool, error) {
		switch {
		case !c.lock.AskFirst:
			return then(c)
		case !c.policy.Find && c.lock.CaseReason == "" && c.event.Kind != EvConfirm:
			return then(c) // made after the restore: giving it up writes nothing
		case c.event.Kind == EvConfirm || c.event.Kind == EvRelease:
			return false, ErrRecovering
		default:
			return false, nil
		}
	}
}

// ifRecalled: what a person says of a held lock is about an order that the HIS
// made behind its back, or between the backup and its restore.
func ifRecalled(then action) action {
	return func(c *change) (bool, error) {
		if !c.lock.AskFirst {
			return ifDeducted(then)(c)
		}
		return then(c)
	}
}

// recalled brings an attempt to where the HIS says that it stands. What it says is
// final: the process that could have sent something has died long ago.
func recalled(c *change) (bool, error) {
	l := c.lock
	if !l.AskFirst {
		return false, nil
	}
	l.AskFirst, l.RecalledFor = false, c.restoredAt
	c.closeCase()
	switch word := c.event.Word; {
	case l.Status == Releasing:
		if word == WordDeducted {
			return placedEarly(c)
		}
		return true, nil // the resolver goes on with it
	case word == WordDeducted:
		return placed(c)
	case word == WordReleased:
		if l.Cause == NoCause {
			l.Cause = ByCaller // whoever it was: it was asked for between the backup and its restore
		}
		l.OrderSent, l.FreezeDoubt = false, false
		c.freezeGone(WordReleased)
		c.known()
		l.Status = Released
		return true, nil
	}
	if l.Status == Confirming {
		return notPlaced(c)
	}
	return recalledFreeze(c)
}

// notPlaced: the HIS was never told to deduct, or had refused. Whoever confirmed a
// lock without an owner was promised that it is carried through. An owner is asked
// again: it may have given the money back since.
func notPlaced(c *change) (bool, error) {
	l := c.lock
	if !l.Owner {
		return true, nil // unknown, as after every opening: the resolver goes on with it
	}
	l.OrderSent = false
	l.Status = Locked
	c.known()
	return recalledFreeze(c)
}

// recalledFreeze takes over what the HIS says of a lock's freeze.
func recalledFreeze(c *change) (bool, error) {
	l := c.lock
	var err error
	switch word := c.event.Word; {
	case word == WordFrozen:
		if l.Word != WordFrozen && c.event.FreezeExpires.IsZero() && c.policy.FreezeTTL > 0 {
			// Taken at a time that nobody remembers: it may lapse at any moment.
			l.FreezeFrom = l.CreatedAt.Add(-c.policy.FreezeTTL)
		}
		if l.Status == Pending {
			_, err = freezeHeld(c)
		} else {
			_, err = freezeAgain(c)
		}
	case l.Status == Pending && !l.Unknown:
		// Never asked for: the first call may leave now.
	case word == WordLapsed:
		_, err = lapsed(c)
	case l.Freeze || l.Word == WordFrozen:
		_, err = noneFrozen(c)
	}
	return true, err
}
