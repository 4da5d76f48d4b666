package payflow

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	itemsMax      = 100
	quantityMax   = 1_000_000_000_000 // as in the API and in the ledger; amounts are worked out beyond int64
	idMax         = 128               // bytes of pharmacy and drug ids: what the ledger takes
	attributesMax = 20
	attributeSize = 8 << 10 // bytes of all keys and values: what the ledger takes
	attributeKey  = 64
	attributeText = 512
	requestIDMax  = 64
	reasonMax     = 80 // WeChat's limit for a refund's reason
	noteMax       = 1000
)

func validOrderNo(no string) bool {
	if len(no) < 6 || len(no) > 32 {
		return false
	}
	return strings.IndexFunc(no, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-')
	}) < 0
}

// plain tells whether a text has 1 to most characters, valid and printable.
func plain(s string, most int) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= most &&
		strings.IndexFunc(s, unicode.IsControl) < 0
}

// validID tells whether the ledger takes a pharmacy's or a drug's id.
func validID(id string) bool { return len(id) <= idMax && plain(id, idMax) }

// validate checks a request and returns its items, merged and sorted. Errors:
// *InvalidError, ErrPricingNotAllowed.
func (r *CreateRequest) validate(set Settings) ([]Item, error) {
	switch {
	case !validOrderNo(r.OrderNo):
		return nil, &InvalidError{Field: "order_no", Reason: "must be 6 to 32 of 0-9 A-Z a-z _ -"}
	case !slices.Contains([]Strategy{Reserve, Hold, Verify, Refund}, r.Strategy):
		return nil, &InvalidError{Field: "strategy", Reason: "must be RESERVE, HOLD, VERIFY or REFUND"}
	case !validID(r.PharmacyID):
		return nil, &InvalidError{Field: "pharmacy_id", Reason: "must have 1 to 128 bytes"}
	case r.Payment == nil && r.Strategy != Hold:
		return nil, &InvalidError{Field: "payment", Reason: "is required for " + string(r.Strategy)}
	}
	if err := validAttributes(r.Attributes); err != nil {
		return nil, err
	}
	items, err := mergeItems(r.Items)
	if err != nil {
		return nil, err
	}
	if len(items) > set.MaxDrugs {
		return nil, &InvalidError{Field: "items", Reason: fmt.Sprintf("at most %d different drugs are possible in one order", set.MaxDrugs)}
	}
	if err := r.validAmount(items, set); err != nil {
		return nil, err
	}
	if r.Payment != nil {
		if err := r.Payment.validate(set); err != nil {
			return nil, err
		}
	}
	return items, nil
}

func validAttributes(m map[string]string) error {
	if len(m) > attributesMax {
		return &InvalidError{Field: "attributes", Reason: fmt.Sprintf("at most %d", attributesMax)}
	}
	size := 0
	for k, v := range m {
		size += len(k) + len(v)
		if !plain(k, attributeKey) {
			return &InvalidError{Field: "attributes", Reason: "a key must have 1 to 64 printable characters"}
		}
		if v != "" && !plain(v, attributeText) {
			return &InvalidError{Field: "attributes." + k, Reason: "must have at most 512 printable characters"}
		}
	}
	if size > attributeSize {
		return &InvalidError{Field: "attributes", Reason: fmt.Sprintf("must have at most %d bytes in all", attributeSize)}
	}
	return nil
}

// mergeItems sums the same drug and sorts by drug.
func mergeItems(in []Item) ([]Item, error) {
	if len(in) == 0 || len(in) > itemsMax {
		return nil, &InvalidError{Field: "items", Reason: fmt.Sprintf("must be 1 to %d", itemsMax)}
	}
	at := map[string]int{}
	var items []Item
	for i, it := range in {
		field := fmt.Sprintf("items[%d].", i)
		switch {
		case !validID(it.DrugID):
			return nil, &InvalidError{Field: field + "drug_id", Reason: "must have 1 to 128 bytes"}
		case it.Quantity < 1 || it.Quantity > quantityMax:
			return nil, &InvalidError{Field: field + "quantity", Reason: fmt.Sprintf("must be 1 to %d", int64(quantityMax))}
		case it.LineFen < 0:
			return nil, &InvalidError{Field: field + "line_fen", Reason: "must not be negative"}
		}
		j, ok := at[it.DrugID]
		if !ok {
			at[it.DrugID] = len(items)
			items = append(items, it)
			continue
		}
		sum, fits := addFen(items[j].LineFen, it.LineFen)
		switch {
		case !fits || items[j].Quantity+it.Quantity > quantityMax:
			return nil, &InvalidError{Field: field + "quantity", Reason: "the sum of the same drug is too large"}
		case (items[j].LineFen == 0) != (it.LineFen == 0):
			return nil, &InvalidError{Field: field + "line_fen", Reason: "is given for one line of this drug and not for another"}
		}
		items[j].Quantity += it.Quantity
		items[j].LineFen = sum
	}
	slices.SortFunc(items, func(a, b Item) int { return strings.Compare(a.DrugID, b.DrugID) })
	return items, nil
}

// given tells whether the caller set what the drugs cost. Freight and fees alone
// leave that to the HIS prices.
func (r *CreateRequest) given() bool {
	if r.Amount.DrugsFen != 0 || r.Amount.TotalFen != 0 {
		return true
	}
	return slices.ContainsFunc(r.Items, func(it Item) bool { return it.LineFen != 0 })
}

// validAmount checks the caller's amounts by §7.10: all or none, summing up,
// bounded, and only from those who may price [E2].
func (r *CreateRequest) validAmount(items []Item, set Settings) error {
	if !r.given() && r.Amount.OtherFen == 0 {
		return nil
	}
	if !r.Pricing {
		return ErrPricingNotAllowed
	}
	if !r.given() {
		if f := r.Amount.OtherFen; f < 0 || f >= set.MaxTotalFen {
			return &InvalidError{Field: "amount.other_fen", Reason: fmt.Sprintf("must be 0 to %d", set.MaxTotalFen-1)}
		}
		return nil
	}
	a := r.Amount
	total, fits := addFen(a.DrugsFen, a.OtherFen)
	switch {
	case a.DrugsFen < 0 || a.OtherFen < 0:
		return &InvalidError{Field: "amount", Reason: "must not be negative"}
	case !fits || total != a.TotalFen:
		return &InvalidError{Field: "amount.total_fen", Reason: "must be drugs_fen + other_fen"}
	case total < 1 || total > set.MaxTotalFen:
		return &InvalidError{Field: "amount.total_fen", Reason: fmt.Sprintf("must be 1 to %d", set.MaxTotalFen)}
	}
	var lines int64
	priced := 0
	for _, it := range items {
		if it.LineFen > 0 {
			priced++
		}
		if lines, fits = addFen(lines, it.LineFen); !fits {
			return &InvalidError{Field: "items", Reason: "line_fen sums up to too much"}
		}
	}
	switch {
	case priced != 0 && priced != len(items):
		return &InvalidError{Field: "items", Reason: "line_fen must be given for all lines or none"}
	case priced != 0 && lines != a.DrugsFen:
		return &InvalidError{Field: "amount.drugs_fen", Reason: "must be the sum of line_fen"}
	}
	return nil
}

func (p *PaymentTerms) validate(set Settings) error {
	switch {
	case !slices.Contains([]Method{JSAPI, Native, H5, App}, p.Method):
		return &InvalidError{Field: "payment.method", Reason: "must be JSAPI, NATIVE, H5 or APP"}
	case !plain(p.AppID, 32):
		return &InvalidError{Field: "payment.appid", Reason: "must have 1 to 32 characters"}
	case len(set.AppIDs) > 0 && !slices.Contains(set.AppIDs, p.AppID):
		return &InvalidError{Field: "payment.appid", Reason: "is not one of this merchant's"}
	case p.Method == JSAPI && !plain(p.OpenID, 128):
		return &InvalidError{Field: "payment.payer_openid", Reason: "is required for JSAPI, at most 128 characters"}
	case p.Method != JSAPI && p.OpenID != "":
		return &InvalidError{Field: "payment.payer_openid", Reason: "is for JSAPI only"}
	case p.Method == H5 && !plain(p.ClientIP, 45):
		return &InvalidError{Field: "payment.client_ip", Reason: "is required for H5"}
	case !plain(p.Description, 127):
		return &InvalidError{Field: "payment.description", Reason: "must have 1 to 127 characters"}
	case p.Attach != "" && !plain(p.Attach, 128):
		return &InvalidError{Field: "payment.attach", Reason: "must have at most 128 characters"}
	}
	return nil
}

// fingerprint covers what must be equal for a repeat: items, strategy, amounts,
// payer, and the pharmacy they are for (§7.11).
func fingerprint(r *CreateRequest, items []Item) string {
	parts := []any{r.Strategy, r.PharmacyID, len(items)}
	for _, it := range items {
		parts = append(parts, it.DrugID, it.Quantity, it.LineFen)
	}
	parts = append(parts, r.Amount.DrugsFen, r.Amount.OtherFen, r.Amount.TotalFen)
	if p := r.Payment; p != nil {
		parts = append(parts, p.Method, p.AppID, p.OpenID)
	}
	return digest(parts...)
}

// digest tells a repeated request from another one. Each part is length-prefixed.
func digest(parts ...any) string {
	h := sha256.New()
	for _, p := range parts {
		text := fmt.Sprint(p)
		fmt.Fprintf(h, "%d:%s,", len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func validRequestID(id string) error {
	if !plain(id, requestIDMax) {
		return &InvalidError{Field: "request_id", Reason: "must have 1 to 64 characters"}
	}
	return nil
}

// wholeSecond drops the fraction: time_expire has none.
func wholeSecond(t time.Time) time.Time { return t.Truncate(time.Second) }
