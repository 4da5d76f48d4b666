package sqlhis

import (
	"errors"
	"fmt"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// lot is one row of a drug.
type lot struct {
	onHand units.Decimal
	ratio  units.Ratio
	facts  hisadapter.Facts
}

// readings reads the rows of one pharmacy into out. Rows of drugs that nobody
// asked for are passed over; a row that cannot be read fails its drug [C6].
func (d *Driver) readings(t table, pharmacyID string, asked map[hisadapter.Key]bool, out map[hisadapter.Key]hisadapter.Reading) error {
	o := d.m.ops[opQuery]
	lots := map[hisadapter.Key][]lot{}
	failed := map[hisadapter.Key]error{}
	for _, row := range t.rows {
		f := fields{o, t, row}
		id, err := f.text("drug_id")
		if err != nil {
			return err
		}
		key := hisadapter.Key{PharmacyID: pharmacyID, DrugID: id}
		if !asked[key] {
			continue
		}
		skip, err := f.skipped(o.skip)
		if err != nil {
			return err
		}
		l, err := d.lot(f, key)
		switch {
		case err != nil:
			failed[key] = err
		case len(lots[key]) > 0 && !o.lots:
			failed[key] = errors.New("there are several rows of it; say lots: true if they are to be summed")
		}
		if skip {
			l.onHand = units.Decimal{} // its facts stay
		}
		lots[key] = append(lots[key], l)
	}
	for key, rows := range lots {
		r, err := joinLots(key, rows)
		if e := failed[key]; e != nil {
			err = e
		}
		if err != nil {
			r = hisadapter.Reading{Key: key, Err: unreadable(o, fmt.Errorf("drug %s: %w", key.DrugID, err))}
		}
		out[key] = r
	}
	return nil
}

func (d *Driver) lot(f fields, key hisadapter.Key) (lot, error) {
	var l lot
	n, ok, err := f.number("on_hand")
	if err != nil {
		return l, err
	}
	if !ok {
		return l, fmt.Errorf("on_hand (mapping line %d) is NULL", d.m.ops[opQuery].rows["on_hand"].line)
	}
	l.onHand = n
	if l.ratio, err = f.ratio("ratio", d.ratioOf(key.PharmacyID, key.DrugID)); err != nil {
		return l, err
	}
	l.facts, err = d.facts(f, key, l.ratio)
	return l, err
}

func (d *Driver) facts(f fields, key hisadapter.Key, ratio units.Ratio) (facts hisadapter.Facts, err error) {
	if facts.Name, err = f.text("name"); err != nil {
		return facts, err
	}
	if facts.Unit, err = f.text("unit"); err != nil {
		return facts, err
	}
	if facts.Stopped, err = f.yes("stopped"); err != nil {
		return facts, err
	}
	row, _ := d.m.table.Lookup(key.PharmacyID, key.DrugID)
	facts.Multiple = row.Multiple
	multiple, ok, err := f.number("multiple")
	if err != nil {
		return facts, err
	}
	if ok {
		if facts.Multiple, ok = multiple.Int64(); !ok || facts.Multiple < 0 {
			return facts, fmt.Errorf("multiple %s is no whole number", multiple)
		}
	}
	price, ok, err := f.number("price")
	if err != nil || !ok {
		return facts, err
	}
	per, err := f.ratio("price_ratio", ratio)
	if err != nil {
		return facts, err
	}
	facts.Price, facts.PricePer, err = per.Price(price)
	return facts, err
}

// joinLots sums the lots of one drug. Lots of different packs are summed pack by
// pack. A price that differs between lots is not told: a sale may come from any.
func joinLots(key hisadapter.Key, lots []lot) (hisadapter.Reading, error) {
	r := hisadapter.Reading{Key: key, Facts: lots[0].facts}
	left := lots
	for len(left) > 0 {
		var same []units.Decimal
		var others []lot
		for _, l := range left {
			if l.ratio.Equal(left[0].ratio) {
				same = append(same, l.onHand)
			} else {
				others = append(others, l)
			}
		}
		n, err := left[0].ratio.Lots(same)
		if err != nil {
			return r, err
		}
		sum := r.OnHand + n
		if (n > 0) != (sum > r.OnHand) && n != 0 {
			return r, units.ErrRange
		}
		r.OnHand = sum
		left = others
	}
	for _, l := range lots[1:] {
		if l.facts.Price != r.Facts.Price || l.facts.PricePer != r.Facts.PricePer {
			r.Facts.Price, r.Facts.PricePer = "", 0
		}
	}
	return r, nil
}
