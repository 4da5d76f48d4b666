package sqlhis

import (
	"fmt"
	"slices"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// fields reads the cells of one row by the mapping's names.
type fields struct {
	o   *operation
	t   table
	row []value
}

// get returns a field; NULL where the mapping has none. A column that the answer
// lacks is an error.
func (f fields) get(field string) (value, error) {
	s, ok := f.o.rows[field]
	if !ok {
		return value{kind: null}, nil
	}
	if s.value != "" {
		return textOf(s.value), nil
	}
	i, ok := f.t.column(s.column)
	if !ok {
		return value{}, fmt.Errorf("the answer has no column %q", s.column)
	}
	return f.row[i], nil
}

func (f fields) text(field string) (string, error) {
	v, err := f.get(field)
	return v.string(), err
}

// yes reports whether the field is one of the texts that mean yes.
func (f fields) yes(field string) (bool, error) {
	v, err := f.get(field)
	return v.kind != null && slices.Contains(f.o.rows[field].is, v.string()), err
}

// number reads a decimal; ok is false for NULL.
func (f fields) number(field string) (d units.Decimal, ok bool, err error) {
	v, err := f.get(field)
	if err != nil || v.kind == null {
		return units.Decimal{}, false, err
	}
	if d, err = units.Parse(v.string()); err != nil {
		return units.Decimal{}, false, fmt.Errorf("%s: %w", field, err)
	}
	return d, true, nil
}

// ratio is a field's ratio, or the fallback for NULL.
func (f fields) ratio(field string, fallback units.Ratio) (units.Ratio, error) {
	v, err := f.get(field)
	if err != nil || v.kind == null {
		return fallback, err
	}
	return units.ParseRatio(v.string())
}

// lot is one row of a drug.
type lot struct {
	onHand units.Decimal
	ratio  units.Ratio
	facts  hisadapter.Facts
}

// readings reads the rows of one pharmacy into out. Rows of drugs that nobody
// asked for are passed over.
func (d *Driver) readings(t table, pharmacyID string, asked map[hisadapter.Key]bool, out map[hisadapter.Key]hisadapter.Reading) error {
	o := d.m.ops[opQuery]
	lots := map[hisadapter.Key][]lot{}
	known := map[hisadapter.Key]bool{}
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
		known[key] = true
		skip, err := f.skipped(o.skip)
		if err != nil {
			return err
		}
		l, err := d.lot(f, key)
		if err != nil {
			return fmt.Errorf("drug %s: %w", id, err)
		}
		if skip {
			l.onHand = units.Decimal{} // its facts stay
		}
		if len(lots[key]) > 0 && !o.lots {
			return fmt.Errorf("drug %s has several rows; say lots: true if they are to be summed", id)
		}
		lots[key] = append(lots[key], l)
	}
	for key := range known {
		r, err := joinLots(key, lots[key])
		if err != nil {
			return fmt.Errorf("drug %s: %w", key.DrugID, err)
		}
		out[key] = r
	}
	return nil
}

// skipped reports whether a row is one of those that do not count.
func (f fields) skipped(skip []match) (bool, error) {
	for _, m := range skip {
		i, ok := f.t.column(m.name)
		if !ok {
			return false, fmt.Errorf("the answer has no column %q", m.name)
		}
		if v := f.row[i]; v.kind != null && slices.Contains(m.is, v.string()) {
			return true, nil
		}
	}
	return false, nil
}

func (d *Driver) lot(f fields, key hisadapter.Key) (lot, error) {
	var l lot
	n, ok, err := f.number("on_hand")
	if err != nil {
		return l, err
	}
	if !ok {
		return l, fmt.Errorf("on_hand is NULL")
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

// orders reads a day's orders; rows of one his_no are its lines.
func (d *Driver) orders(t table) ([]hisadapter.HISOrder, error) {
	o := d.m.ops[opList]
	var out []hisadapter.HISOrder
	at := map[string]int{}
	for _, row := range t.rows {
		f := fields{o, t, row}
		no, err := f.text("his_no")
		if err != nil {
			return nil, err
		}
		i, ok := at[no]
		if !ok {
			order, err := f.order(no)
			if err != nil {
				return nil, fmt.Errorf("order %s: %w", no, err)
			}
			i = len(out)
			at[no], out = i, append(out, order)
		}
		line, ok, err := d.orderLine(f)
		if err != nil {
			return nil, fmt.Errorf("order %s: %w", no, err)
		}
		if ok {
			out[i].Lines = append(out[i].Lines, line)
		}
	}
	return out, nil
}

func (f fields) order(no string) (hisadapter.HISOrder, error) {
	order := hisadapter.HISOrder{HisNo: no}
	var err error
	if order.OrderNo, err = f.text("order_no"); err != nil {
		return order, err
	}
	if order.Canceled, err = f.yes("canceled"); err != nil {
		return order, err
	}
	if order.DrugsFen, err = f.count("drugs_fen"); err != nil {
		return order, err
	}
	yuan, ok, err := f.number("drugs_yuan")
	if ok {
		order.DrugsFen, err = units.Fen(yuan)
	}
	return order, err
}

// count reads a whole number; NULL is 0.
func (f fields) count(field string) (int64, error) {
	d, ok, err := f.number(field)
	if err != nil || !ok {
		return 0, err
	}
	n, ok := d.Int64()
	if !ok {
		return 0, fmt.Errorf("%s: %s is no whole number", field, d)
	}
	return n, nil
}

func (d *Driver) orderLine(f fields) (line hisadapter.Line, ok bool, err error) {
	if line.DrugID, err = f.text("drug_id"); err != nil || line.DrugID == "" {
		return line, false, err
	}
	q, ok, err := f.number("quantity")
	if err != nil || !ok {
		return line, false, err
	}
	ratio, err := f.ratio("ratio", d.ratioOf("", line.DrugID))
	if err != nil {
		return line, false, err
	}
	if line.Quantity, err = ratio.Reading(q); err != nil {
		return line, false, err
	}
	line.LineFen, err = f.count("line_fen")
	return line, true, err
}
