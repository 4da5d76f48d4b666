package lockstore

// The cells of the table about the HIS order, and what a person says of either.

func placed(c *change) (bool, error) {
	l := c.lock
	l.Word = WordDeducted
	l.OrderSent = true
	l.HISOrderNo = c.event.HISOrderNo
	l.Status = Confirmed
	c.known()
	return true, nil
}

// placedEarly: the HIS holds an order that this attempt never sent, or had given
// up. It is not settled until a person says what became of it [D1].
func placedEarly(c *change) (bool, error) {
	c.lock.Word = WordDeducted
	c.lock.HISOrderNo = c.event.HISOrderNo
	c.known()
	c.caseFor(CaseBusiness, "the HIS has deducted for a lock that is "+c.lock.Status.String())
	return true, nil
}

// orderRefused ends the attempt, unless an earlier call of the same order was lost
// on its way: that the HIS refuses a repeat, because the stock is gone just now
// say, does not prove that it will refuse the first when that arrives. Where a
// deduct needs a freeze it cannot be applied once the freeze is given back; else
// only the HIS showing the order, or a person, settles it [C1].
func orderRefused(c *change) (bool, error) {
	l := c.lock
	if l.OrderSent && !c.policy.DeductNeedsFreeze {
		l.Shortages = c.event.Shortages
		c.doubt()
		return c.caseFor(CaseDoubt, "the HIS refused the order, and may still apply an earlier call whose outcome never came to light: "+
			c.event.Message), nil
	}
	c.lock.Cause = ByHIS
	c.lock.Shortages = c.event.Shortages
	c.giveBackOrder()
	return true, nil
}

// orderNone: "none" permits a repeat only where a duplicate is refused [C1].
func orderNone(c *change) (bool, error) {
	if c.lock.Unknown && !c.graceOver || c.lock.CaseKind == CaseDoubt {
		return false, nil
	}
	if !c.policy.IdempotentByHisNo {
		return c.caseFor(CaseUnknown, "the HIS knows no order, and would not refuse a duplicate if it was asked again"), nil
	}
	c.known()
	return true, nil
}

func cancelled(c *change) (bool, error) {
	c.lock.Cause = ByCancelation
	c.giveBackOrder()
	c.lock.Word = WordCancelled
	return true, nil
}

func cancelledLater(c *change) (bool, error) {
	if !c.lock.CancelledAt.IsZero() {
		return false, nil
	}
	c.lock.CancelledAt = c.now
	c.lock.Word = WordCancelled
	c.closeCase()
	return true, nil
}

// undone: the order that was found where none was sent is gone again, by a
// cancellation or by a person's word.
func undone(c *change) (bool, error) {
	l := c.lock
	l.HISOrderNo = ""
	l.Word = WordCancelled
	c.closeCase()
	c.known()
	return true, nil
}

// Persons.

// applied: a person looked at the HIS, and it had applied what we asked for.
func applied(c *change) (bool, error) {
	l := c.lock
	c.known()
	switch {
	case l.Status == Confirming, l.Status == Released, l.strayOrder(), l.AskFirst && l.Status != Releasing:
		if c.event.HISOrderNo != "" {
			l.HISOrderNo = c.event.HISOrderNo
		}
		l.Word = WordDeducted
		l.OrderSent = true
		l.Status = Confirmed
	case l.Status == Pending:
		return freezeHeld(c)
	default: // RELEASING
		l.Word = WordReleased
		l.Status = Released
	}
	return true, nil
}

// notApplied: a person looked at the HIS, and it had not. A call that was lost a
// moment ago may still arrive after they looked; one that was followed by a
// repeat was lost longer ago than that.
func notApplied(c *change) (bool, error) {
	l := c.lock
	switch {
	case l.strayOrder():
		return undone(c)
	case l.Unknown && !c.graceOver && l.CaseKind != CaseDoubt && (l.Status == Pending || l.Status == Confirming):
		return false, ErrConfirmInProgress
	}
	switch l.Status {
	case Pending:
		c.known()
		if !l.ReleaseWanted {
			l.Cause = ByPerson
		}
		c.giveUp()
	case Confirming:
		l.Cause = ByPerson
		c.giveBackOrder()
	default: // go on as before; RELEASING asks the HIS again
		l.AskFirst, l.RecalledFor = false, c.restoredAt
		c.known()
		c.closeCase()
	}
	return true, nil
}

// allIsWell: a person looked, and there is nothing more to settle.
func allIsWell(c *change) (bool, error) {
	c.closeCase()
	return true, nil
}
