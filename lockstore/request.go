package lockstore

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// The bounds of what outsiders can store. The edge has narrower ones.
const (
	maxIDBytes        = 128
	maxItems          = 100
	maxAttributes     = 50
	maxAttributeBytes = 8 << 10
	maxHISWords       = 1 << 10 // a number that the HIS gives
)

// checkID refuses ids that are empty, long, or hold control characters: these
// part the fields of a key.
func checkID(field, id string) error {
	switch {
	case id == "":
		return &InvalidError{Field: field, Reason: "is missing"}
	case len(id) > maxIDBytes:
		return &InvalidError{Field: field, Reason: fmt.Sprintf("has %d bytes, at most %d are possible", len(id), maxIDBytes)}
	}
	for i := range len(id) {
		if id[i] < 0x20 || id[i] == 0x7f {
			return &InvalidError{Field: field, Reason: "holds a control character"}
		}
	}
	return nil
}

func checkAttributes(field string, m map[string]string) error {
	if len(m) > maxAttributes {
		return &InvalidError{Field: field, Reason: fmt.Sprintf("%d entries, at most %d are possible", len(m), maxAttributes)}
	}
	size := 0
	for k, v := range m {
		size += len(k) + len(v)
		if k == "" {
			return &InvalidError{Field: field, Reason: "has an entry without a name"}
		}
	}
	if size > maxAttributeBytes {
		return &InvalidError{Field: field, Reason: fmt.Sprintf("%d bytes, at most %d are possible", size, maxAttributeBytes)}
	}
	return nil
}

func checkOrder(principal, orderNo string) error {
	if err := checkID("principal", principal); err != nil {
		return err
	}
	return checkID("order_no", orderNo)
}

// check refuses what breaks a rule whatever the ledger holds, and returns the
// items merged and sorted by drug.
func (r *LockRequest) check(p *Policy) ([]Item, error) {
	if err := checkOrder(r.Principal, r.OrderNo); err != nil {
		return nil, err
	}
	if err := checkID("pharmacy_id", r.PharmacyID); err != nil {
		return nil, err
	}
	if err := checkAttributes("attributes", r.Attributes); err != nil {
		return nil, err
	}
	if r.TTL <= 0 {
		return nil, &InvalidError{Field: "ttl", Reason: "must be longer than nothing"}
	}
	if n := len(r.Items); n == 0 || n > maxItems {
		return nil, &InvalidError{Field: "items", Reason: fmt.Sprintf("%d items, 1 to %d are possible", n, maxItems)}
	}
	items, err := mergeItems(r.Items)
	if err != nil {
		return nil, err
	}
	if len(items) > 1 && !p.AtomicItems {
		return nil, &InvalidError{Field: "items", Reason: "this HIS cannot hold several drugs all or nothing; one drug for each order_no"}
	}
	return items, nil
}

// mergeItems sums the items of one drug and sorts by drug. The result is new.
func mergeItems(in []Item) ([]Item, error) {
	items := make([]Item, 0, len(in))
	for i, it := range in {
		field := fmt.Sprintf("items[%d]", i)
		if err := checkID(field+".drug_id", it.DrugID); err != nil {
			return nil, err
		}
		if it.Quantity < 1 {
			return nil, &InvalidError{Field: field + ".quantity", Reason: "must be at least 1"}
		}
		if it.LineFen < 0 {
			return nil, &InvalidError{Field: field + ".line_fen", Reason: "must not be negative"}
		}
		at, found := slices.BinarySearchFunc(items, it, func(a, b Item) int { return cmp.Compare(a.DrugID, b.DrugID) })
		if !found {
			items = slices.Insert(items, at, it)
			continue
		}
		same := &items[at]
		if same.Quantity > math.MaxInt64-it.Quantity || same.LineFen > math.MaxInt64-it.LineFen {
			return nil, &InvalidError{Field: field, Reason: "the sum for this drug is too large"}
		}
		same.Quantity += it.Quantity
		same.LineFen += it.LineFen
	}
	return items, nil
}

// sameOrder compares the fingerprint: pharmacy and items, without prices.
func sameOrder(l *Lock, pharmacyID string, items []Item) bool {
	return l.PharmacyID == pharmacyID && slices.EqualFunc(l.Items, items, func(a, b Item) bool {
		return a.DrugID == b.DrugID && a.Quantity == b.Quantity
	})
}

// check refuses events that could not be stored, and brings the rest into the
// form in which they are.
func (e *Event) check() error {
	for _, f := range []struct{ name, value string }{
		{"his_lock_id", e.HISLockID}, {"his_order_no", e.HISOrderNo}, {"actor", e.Actor},
	} {
		if len(f.value) > maxHISWords {
			return &InvalidError{Field: f.name, Reason: fmt.Sprintf("has %d bytes, at most %d are possible", len(f.value), maxHISWords)}
		}
	}
	if len(e.Shortages) > maxItems {
		e.Shortages = e.Shortages[:maxItems]
	}
	e.Shortages = slices.Clone(e.Shortages)
	for i := range e.Shortages {
		e.Shortages[i].DrugID = clip(e.Shortages[i].DrugID)
	}
	e.FreezeExpires, e.Until, e.Began = plain(e.FreezeExpires), plain(e.Until), plain(e.Began)
	if e.Kind == EvOwnerKeep && e.Until.IsZero() {
		return &InvalidError{Field: "until", Reason: "is missing"}
	}
	return nil
}

// expiry is when a lock made now expires, within what can be stored.
func expiry(now time.Time, ttl time.Duration) time.Time { return plain(now.Add(ttl)) }
