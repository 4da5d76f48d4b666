package payflow

import "context"

// Check compares items with the stock without holding anything. Lines that could
// not be checked are UNCHECKED, and then the order is not payable. Works with
// payment disabled too (without an order_no). Errors: *InvalidError, ErrNotFound.
func (s *Service) Check(ctx context.Context, r CheckRequest) (CheckAnswer, error) {
	items, pharmacy := r.Items, r.PharmacyID
	if r.OrderNo != "" && s.pay != nil {
		o, _, err := s.load(r.OrderNo)
		if err != nil {
			return CheckAnswer{}, err
		}
		switch {
		case o == nil && pharmacy != "" && len(items) > 0:
			// not an order of ours: perhaps a lock without one, perhaps yet to come
		case !o.visibleTo(r.Principal):
			return CheckAnswer{}, ErrNotFound
		case pharmacy != "" && pharmacy != o.PharmacyID:
			return CheckAnswer{}, &InvalidError{Field: "pharmacy_id", Reason: "is not the order's"}
		default:
			pharmacy = o.PharmacyID
			if len(items) == 0 {
				items = o.Items
			}
		}
	}
	if !validID(pharmacy) {
		return CheckAnswer{}, &InvalidError{Field: "pharmacy_id", Reason: "must have 1 to 128 bytes"}
	}
	items, err := mergeItems(items)
	if err != nil {
		return CheckAnswer{}, err
	}
	var lines []StockLine
	err = s.outside(ctx, opCheck, s.set.HISTimeout, func(ctx context.Context) (err error) {
		lines, err = s.locks.Check(ctx, CheckStock{OrderNo: r.OrderNo, PharmacyID: pharmacy, Items: items, Live: r.Live})
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			return CheckAnswer{}, ctx.Err()
		}
		s.log.Warn("check", "order_no", r.OrderNo, "outcome", outcomeOf(err), "error", err)
		lines = nil
	}
	return checkAnswer(items, lines), nil
}

func checkAnswer(items []Item, lines []StockLine) CheckAnswer {
	byDrug := make(map[string]StockLine, len(lines))
	for _, l := range lines {
		byDrug[l.DrugID] = l
	}
	fen, _ := hisPrices(items, byDrug)
	a := CheckAnswer{Payable: true}
	for i, it := range items {
		l := byDrug[it.DrugID]
		line := CheckLine{
			DrugID: it.DrugID, Result: resultOf(it, l), Requested: it.Quantity, Available: l.Available,
			Multiple: l.Multiple, Price: l.Price, PricePer: l.PricePer, LineFen: max(fen[i], 0), Stale: l.Stale, AsOf: l.AsOf,
		}
		if line.Result == CheckOK && it.LineFen > 0 && fen[i] >= 0 && fen[i] != it.LineFen {
			line.Result = CheckPriceChanged
		}
		if l.Checked && (a.AsOf.IsZero() || l.AsOf.Before(a.AsOf)) {
			a.AsOf = l.AsOf
		}
		a.Stale = a.Stale || l.Stale
		a.Payable = a.Payable && line.Result == CheckOK
		a.Lines = append(a.Lines, line)
	}
	return a
}
