package lockstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/lockstore/internal/tlv"
)

// SafetyRule keeps stock back from new unpaid locks [A8]: a number of units or a
// part of what the day began with, whichever is more.
type SafetyRule struct {
	Units   int64 // smallest dispensing units
	Percent int   // 0 to 100, of the day's first figure, rounded up
}

// SafetyPolicy is the safety stock (线上库存池) of all keys.
type SafetyPolicy struct {
	Default SafetyRule
	PerKey  map[Key]SafetyRule // instead of Default
}

func (p *SafetyPolicy) check() error {
	var errs []error
	check := func(of string, r SafetyRule) {
		if r.Units < 0 || r.Percent < 0 || r.Percent > 100 {
			errs = append(errs, fmt.Errorf("safety stock of %s: %d units or %d %% is not possible", of, r.Units, r.Percent))
		}
	}
	check("default", p.Default)
	for k, r := range p.PerKey {
		check(fmt.Sprintf("drug %q in pharmacy %q", k.DrugID, k.PharmacyID), r)
	}
	return errors.Join(errs...)
}

func (p *SafetyPolicy) of(k Key) SafetyRule {
	if r, ok := p.PerKey[k]; ok {
		return r
	}
	return p.Default
}

// dayOf numbers the days in China: UTC+8 without summer time, so that no database
// of zones is needed.
func dayOf(t time.Time) int64 {
	sec := t.Unix() + 8*60*60
	day := sec / 86400
	if sec%86400 < 0 {
		day--
	}
	return day
}

// morning is the first figure that was seen of a key on a day.
type morning struct {
	day    int64
	onHand int64
}

// units is the safety stock by the rule; a figure of another day does not count.
func (r SafetyRule) units(m morning, today int64) int64 {
	units := r.Units
	if r.Percent > 0 && m.day == today && m.onHand > 0 {
		// Rounded up, in parts: on-hand × percent may not fit.
		p := int64(r.Percent)
		part := m.onHand/100*p + (m.onHand%100*p+99)/100
		units = max(units, part)
	}
	return units
}

func encodeMorning(m morning) []byte {
	w := tlv.NewWriter(16)
	w.Int(1, m.day)
	w.Int(2, m.onHand)
	return w.Bytes()
}

func decodeMorning(rec []byte) (m morning, err error) {
	r := tlv.NewReader(rec)
	for r.Next() {
		switch r.Field() {
		case 1:
			m.day = r.Int()
		case 2:
			m.onHand = r.Int()
		}
	}
	if r.Err() != nil {
		return m, fmt.Errorf("first figure of the day: %w", r.Err())
	}
	return m, nil
}
