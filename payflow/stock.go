package payflow

import "context"

// Rejections that are not a PreconditionError.
const (
	rejectedForStock = "STOCK_INSUFFICIENT"
	rejectedForPrice = "PRICE_CHANGED"
	rejectedByPerson = "GIVEN_UP"        // after payment: a person ended the tries to fulfil
	rejectedMoneyOut = "MONEY_WENT_BACK" // after payment: some of the money had gone back when a backup was restored [B9]
)

// asError is the rejection as its caller gets it, the same at each repeat.
func (r *Rejection) asError(s State) error {
	switch r.Reason {
	case rejectedForStock:
		return &ShortError{Shortages: r.clone().Shortages}
	case rejectedForPrice:
		return &PriceChangedError{Gaps: r.clone().Prices}
	default:
		return &PreconditionError{Reason: r.Reason, State: s, Detail: r.Detail}
	}
}

// askStock compares the order's items with the stock. all is false when some
// line could not be checked.
func (u *unit) askStock(ctx context.Context, live bool) (lines map[string]StockLine, all, stale bool, err error) {
	o := u.o
	var answer []StockLine
	err = u.s.outside(ctx, opCheck, u.s.set.HISTimeout, func(ctx context.Context) (err error) {
		answer, err = u.s.locks.Check(ctx, CheckStock{OrderNo: o.No, PharmacyID: o.PharmacyID, Items: o.Items, Live: live})
		return err
	})
	if err != nil {
		return nil, false, false, err
	}
	lines, all = make(map[string]StockLine, len(answer)), true
	for _, l := range answer {
		lines[l.DrugID] = l
	}
	for _, it := range o.Items {
		l, ok := lines[it.DrugID]
		all = all && ok && l.Checked
		stale = stale || l.Stale
	}
	return lines, all, stale, nil
}

// judgeStock says why the items cannot be had by these figures; nil = they can.
func judgeStock(items []Item, lines map[string]StockLine) *Rejection {
	var short []Shortage
	for _, it := range items {
		l := lines[it.DrugID]
		switch resultOf(it, l) {
		case CheckUnknownDrug:
			return &Rejection{Reason: ReasonUnknownDrug, Detail: it.DrugID}
		case CheckStopped:
			return &Rejection{Reason: ReasonStopped, Detail: it.DrugID}
		case CheckNotDivisible:
			return &Rejection{Reason: ReasonNotDivisible, Detail: it.DrugID}
		case CheckInsufficient:
			short = append(short, Shortage{DrugID: it.DrugID, Requested: it.Quantity, Available: l.Available})
		}
	}
	if len(short) > 0 {
		return &Rejection{Reason: rejectedForStock, Shortages: short}
	}
	return nil
}

// resultOf is the word on one line, price aside.
func resultOf(it Item, l StockLine) CheckResult {
	switch {
	case !l.Checked:
		return CheckUnchecked
	case l.Unknown:
		return CheckUnknownDrug
	case l.Stopped:
		return CheckStopped
	case l.Multiple > 1 && it.Quantity%l.Multiple != 0:
		return CheckNotDivisible
	case l.Available < it.Quantity:
		return CheckInsufficient
	default:
		return CheckOK
	}
}

// reject ends an order that never held anything.
func (u *unit) reject(r *Rejection) error {
	r.At = u.s.now()
	u.o.Rejection, u.o.EndReason = r, r.Reason
	return u.happened(evRejected, r.Reason+" "+r.Detail)
}

// stepCheck judges price and stock at order time. VERIFY asks the HIS now (and
// takes an old figure while it cannot be asked), the others take a cached one.
// For RESERVE and HOLD the lock has the last word on quantities.
func (u *unit) stepCheck(ctx context.Context) error {
	o := u.o
	lines, all, stale, err := u.askStock(ctx, o.Strategy == Verify)
	if err != nil && !(o.Strategy.holds() && o.Given && outcomeOf(err) == kindUnavailable) {
		u.retryLater(opCheck, err)
		return nil
	}
	if !all && !(o.Strategy.holds() && o.Given) {
		u.retryLater(opCheck, ErrUnavailable)
		return nil
	}
	r := judgeStock(o.Items, lines)
	if o.Strategy.holds() && r != nil && (r.Reason == rejectedForStock || stale) {
		r = nil // the lock judges
	}
	if r == nil {
		r = u.price(lines)
	}
	if r != nil {
		return u.reject(r)
	}
	if o.Strategy.holds() {
		o.Uncompared = o.Given && !all
		o.NextAt, o.Tries, o.Trouble = u.s.now(), 0, nil
		u.said("PRICED", "")
		return nil
	}
	return u.storeIntent(evChecked)
}

// stepLiveCheck repeats the check on the HIS's figures of now, right before the
// prepay: for each HOLD order, for a lock that was judged on an old reading [A10],
// and for amounts of the caller that were never compared [E2]. Short or dearer: HOLD is blocked and stays LOCKED, RESERVE is over.
func (u *unit) stepLiveCheck(ctx context.Context) error {
	o := u.o
	lines, all, stale, err := u.askStock(ctx, true)
	if err == nil && (!all || stale) {
		err = ErrUnavailable // an old figure is no second check
	}
	if err != nil {
		u.retryLater(opCheck, err)
		if o.Strategy == Hold {
			o.PrepayWanted = false // the caller is told, and decides when to try again
		}
		return nil
	}
	r := judgeStock(o.Items, lines)
	if gaps := comparePrices(o, lines); r == nil && len(gaps) > 0 {
		r = &Rejection{Reason: rejectedForPrice, Prices: gaps}
	}
	switch {
	case r == nil:
		o.Lock.Degraded, o.Uncompared, o.Rejection = false, false, nil
		return u.storeIntent(evIntent)
	case o.Strategy == Hold:
		r.At = u.s.now()
		o.Rejection, o.PrepayWanted, o.Trouble = r, false, nil
		u.said("PREPAY_BLOCKED", r.Reason+" "+r.Detail)
		return nil
	default:
		r.At = u.s.now()
		o.Rejection, o.EndReason = r, r.Reason
		return u.happened(evLockLost, r.Reason)
	}
}
