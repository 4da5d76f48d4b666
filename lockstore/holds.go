package lockstore

// setHolds makes all holds of an entry count in one way. An acknowledgement is
// given by the ledger's stamp and monotonic clock at the moment of recording.
func (l *Ledger) setHolds(e *entry, c counting, m moment, acked bool) {
	var a ack
	if c == untilRead {
		a = ack{at: m.mono}
	}
	for i := range e.holds {
		h := &e.holds[i]
		if h.counts == c && (c != untilRead || !acked) {
			continue // what was read stays read, and the first acknowledgement stays
		}
		if c == untilRead && a.counter == 0 {
			a.counter = l.nextStamp()
		}
		h.stock.set(h, c, a)
	}
}

// Observe takes note of a fresh reading of the HIS; a push is none [A3]. Holds
// that the reading knows of are dropped, CONFIRMED locks that count nowhere any
// more leave the memory, and the day's first figure is kept for the safety
// stock. It does not wait for the disk.
//
// Errors: *StaleReadingError when the reading is older than one against which
// holds were dropped, or of an earlier opening [A1]; ErrOutcomeUnknown and
// ErrClosed.
func (l *Ledger) Observe(k Key, r Reading) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.unusable(); err != nil {
		return err
	}
	m := l.tick()
	if err := l.usable(k, &r); err != nil {
		return err
	}
	if s := l.stocks[k]; s != nil {
		for _, h := range s.drop(&r, l.policy.FigureLag) {
			l.stats.Dropped++
			l.retire(h.owner)
		}
	}
	l.noteMorning(k, r.OnHand, m)
	return nil
}

// usable refuses readings that nothing may be judged by.
func (l *Ledger) usable(k Key, r *Reading) error {
	if r.Stamp.Epoch == l.epoch {
		if s := l.stocks[k]; s == nil || !s.tooOld(r) {
			return nil
		}
	}
	l.stats.StaleReadings++
	return &StaleReadingError{DrugIDs: []string{k.DrugID}}
}

// outlive drops the holds of a CONFIRMED lock for their age [A5].
func (l *Ledger) outlive(e *entry) {
	if e.status != Confirmed {
		return
	}
	for i := range e.holds {
		if h := &e.holds[i]; h.counts == untilRead && !h.read {
			h.stock.outlive(h, l.epoch, l.policy.FigureLag)
			l.stats.Outlived++
		}
	}
	l.retire(e)
}

// retire moves a CONFIRMED lock among the ended ones when none of its holds
// counts any more. Nobody waits for it: should it be lost, the holds count again
// until they are dropped once more.
func (l *Ledger) retire(e *entry) {
	if e.gone || e.status != Confirmed || !l.atRest(e, nil) {
		return
	}
	lock := e.lock()
	t := l.disk.Append(l.moveOut(lock, e.rec)...)
	l.dismiss(e)
	l.ended.add(lock.ID(), e.rec, t, l.clock.Mono(), &l.turns)
}

// Available judges one key by a reading and changes nothing. Safety stock counts
// unless before is given. With before, only holds older than that lock's own
// count, and its own stock is there for it [A9]; an unknown before is none.
//
// It does not wait for the disk, unlike everything that decides about a lock
// [B2]: the figure may count a lock that is being made durable, and that a crash
// in the same moment takes back. It is advice; Lock judges again.
//
// Errors: *StaleReadingError as with Observe; ErrOutcomeUnknown and ErrClosed.
func (l *Ledger) Available(k Key, r Reading, before *ID) (Availability, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.unusable(); err != nil {
		return Availability{}, err
	}
	m := l.tick()
	if err := l.usable(k, &r); err != nil {
		return Availability{}, err
	}
	if before != nil {
		return l.availableBefore(k, &r, *before), nil
	}
	return l.judgeKey(k, &r, false, m), nil
}

// judgeKey is the rule of availability: what the reading says, less what it
// cannot know of, less the safety stock unless the order is paid [A8].
func (l *Ledger) judgeKey(k Key, r *Reading, paid bool, m moment) (a Availability) {
	if s := l.stocks[k]; s != nil {
		a.Held = s.held(r, l.policy.FigureLag)
	}
	if !paid {
		a.Safety = l.safety(k, m)
	}
	a.Available = available(r.OnHand, a.Held, a.Safety, r.Multiple)
	return a
}

func (l *Ledger) availableBefore(k Key, r *Reading, id ID) (a Availability) {
	onHand := r.OnHand
	s := l.stocks[k]
	own := l.ownHold(k, id)
	switch {
	case own != nil:
		var seen bool
		if a.Held, seen = s.heldBefore(own, r, l.policy.FigureLag); seen {
			onHand = plus(onHand, own.units) // it was taken off for this very order
		}
	case s != nil:
		a.Held = s.held(r, l.policy.FigureLag)
	}
	a.Available = available(onHand, a.Held, 0, r.Multiple)
	return a
}

func (l *Ledger) ownHold(k Key, id ID) *hold {
	e := l.entry(id)
	if e == nil {
		return nil
	}
	for i := range e.holds {
		if e.holds[i].stock.key == k {
			return &e.holds[i]
		}
	}
	return nil
}

// safety is the safety stock of a key at this moment.
func (l *Ledger) safety(k Key, m moment) int64 {
	return l.opts.Safety.of(k).units(l.mornings[k], dayOf(m.wall))
}

// noteMorning keeps the day's first figure where a rule asks for it. Nobody
// waits for it: whatever is judged by it becomes durable after it.
func (l *Ledger) noteMorning(k Key, onHand int64, m moment) {
	if l.opts.Safety.of(k).Percent == 0 {
		return
	}
	today := dayOf(m.wall)
	if old, ok := l.mornings[k]; ok && old.day >= today {
		return
	}
	first := morning{day: today, onHand: onHand}
	l.mornings[k] = first
	l.disk.Append(putWrite(pairKey(prefixMorning, k.PharmacyID, k.DrugID), encodeMorning(first)))
}
