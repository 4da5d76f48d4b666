package httphis

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// drugRows gathers what an answer, of one page or several, says of the drugs
// that were asked for in one pharmacy.
type drugRows struct {
	m        *Mapping
	a        *answer
	pharmacy string
	asked    map[string]bool
	drugs    map[string]*drugRow
}

// drugRow is what the rows of one drug say.
type drugRow struct {
	reading hisadapter.Reading
	err     error // what cannot be read of it
	ratio   units.Ratio
	extra   map[string]string
	price   string
	counted int // rows that count
	packs   []units.Decimal
	small   []units.Decimal
}

func newDrugRows(m *Mapping, a *answer, pharmacy string, ids []string) *drugRows {
	d := &drugRows{m: m, a: a, pharmacy: pharmacy, asked: map[string]bool{}, drugs: map[string]*drugRow{}}
	for _, id := range ids {
		d.asked[id] = true
	}
	return d
}

// take reads the rows of one page. Rows of drugs that nobody asked for, as a HIS
// that searches by the beginning of an id sends them, are left out. A row that
// cannot be read fails its drug [C6], and the whole answer where it names none.
func (d *drugRows) take(j *judgement) error {
	for i, row := range j.rowNodes {
		id, err := j.must(d.a.fields["drug_id"][0], row)
		if err != nil {
			return fmt.Errorf("row %d: %w", i+1, err)
		}
		if !d.asked[id] {
			continue
		}
		if err := d.row(j, row, id); err != nil {
			if d.drugs[id] == nil {
				d.drugs[id] = &drugRow{}
			}
			if d.drugs[id].err == nil {
				d.drugs[id].err = fmt.Errorf("drug %s: row %d: %w", id, i+1, err)
			}
		}
	}
	return nil
}

func (d *drugRows) row(j *judgement, row *node, id string) error {
	if f := d.a.fields["pharmacy_id"]; len(f) > 0 {
		s, err := j.must(f[0], row)
		if err != nil {
			return err
		}
		want := d.pharmacy
		if f[0].table != "" {
			want = d.m.tables[f[0].table][d.pharmacy]
		}
		if s != want {
			return nil
		}
	}
	drug, seen := d.drugs[id]
	if seen && drug.err != nil {
		return nil
	}
	told, err := d.facts(j, row, id)
	if err != nil {
		return err
	}
	if !seen {
		drug = told
		d.drugs[id] = drug
	}
	if err := drug.agree(told); err != nil {
		return err
	}
	for _, c := range d.a.where {
		if ok, err := c.holds(j.observed, row); err != nil || !ok {
			return err
		}
	}
	if drug.counted++; drug.counted > 1 && !d.a.sumLots {
		return errors.New("there are several rows of it; write lots: sum if they are to be added up")
	}
	return d.count(j, row, drug)
}

// agree holds another row of a drug to the first: a pack is one size. A price that
// differs between lots is not told, because a sale may come from any.
func (drug *drugRow) agree(told *drugRow) error {
	if !drug.ratio.Equal(told.ratio) || drug.ratio.IsSet() != told.ratio.IsSet() {
		return fmt.Errorf("its rows have packs of %s and of %s", drug.ratio, told.ratio)
	}
	if f := &drug.reading.Facts; f.Price != told.reading.Facts.Price || f.PricePer != told.reading.Facts.PricePer {
		f.Price, f.PricePer, drug.price = "", 0, ""
	}
	return nil
}

// facts reads what a row says of its drug beside the stock.
func (d *drugRows) facts(j *judgement, row *node, id string) (*drugRow, error) {
	out := &drugRow{extra: map[string]string{}}
	out.reading.Key = hisadapter.Key{PharmacyID: d.pharmacy, DrugID: id}
	f := &out.reading.Facts
	var err error
	var errs []error
	keep := func(e error) {
		if e != nil {
			errs = append(errs, e)
		}
	}
	said := func(name string) string {
		s, _, err := "", false, error(nil)
		if fields := d.a.fields[name]; len(fields) > 0 {
			s, _, err = j.raw(fields[0], row)
		}
		keep(err)
		return s
	}
	f.Name, f.Unit = said("name"), said("unit")
	f.Stopped, err = j.boolean(d.a, "stopped", row)
	keep(err)
	known, _ := d.m.drugs.Lookup(d.pharmacy, id)
	if out.ratio = known.Ratio; !out.ratio.IsSet() {
		if s := said("ratio"); s != "" {
			if out.ratio, err = units.ParseRatio(s); err != nil {
				keep(d.a.fields["ratio"][0].bad(err))
			}
		}
	}
	if f.Multiple = known.Multiple; f.Multiple == 0 {
		if s := said("multiple"); s != "" {
			f.Multiple, err = strconv.ParseInt(s, 10, 64)
			if err != nil || f.Multiple < 0 {
				keep(d.a.fields["multiple"][0].bad(fmt.Errorf("%q is not a whole number of smallest units", s)))
			}
		}
	}
	if d.a.soldInPacks && f.Multiple == 0 {
		one, _ := units.Parse("1")
		if !out.ratio.IsSet() {
			keep(fmt.Errorf("it is sold in packs, and %s", d.noRatio()))
		} else if f.Multiple, err = out.ratio.Reading(one); err != nil {
			keep(err)
		}
	}
	if out.price = said("price"); out.price != "" {
		keep(d.price(f, out))
	}
	for name, field := range d.a.facts {
		s, _, err := j.raw(field, row)
		keep(err)
		out.extra[name] = s
	}
	return out, errors.Join(errs...)
}

func (d *drugRows) price(f *hisadapter.Facts, drug *drugRow) error {
	field := d.a.fields["price"][0]
	dec, err := units.Parse(drug.price)
	if err != nil {
		return field.bad(err)
	}
	ratio := units.Ratio{}
	switch field.per {
	case "", "smallest":
	case "pack":
		if ratio = drug.ratio; !ratio.IsSet() {
			return field.bad(fmt.Errorf("it is for a pack, and %s", d.noRatio()))
		}
	default:
		if ratio, err = units.ParseRatio(field.per); err != nil {
			return field.bad(err)
		}
	}
	if f.Price, f.PricePer, err = ratio.Price(dec); err != nil {
		return field.bad(err)
	}
	return nil
}

// noRatio says why a drug has no ratio.
func (d *drugRows) noRatio() string {
	if f := d.a.fields["ratio"]; len(f) > 0 {
		return fmt.Sprintf("the answer has no ratio (mapping line %d)", f[0].line)
	}
	return "drugs_file has no ratio of the drug"
}

// count adds a row's stock, which is one lot, to its drug's.
func (d *drugRows) count(j *judgement, row *node, drug *drugRow) error {
	var packs, small units.Decimal
	inPacks := false
	for _, f := range d.a.fields["on_hand"] {
		s, err := j.must(f, row)
		if err != nil {
			return err
		}
		n, err := units.Parse(s)
		if err != nil {
			return f.bad(err)
		}
		if f.subtract {
			if n, err = negative(n); err != nil {
				return err
			}
		}
		if f.in != "pack" {
			small, err = small.Add(n)
		} else {
			inPacks = true
			packs, err = packs.Add(n)
		}
		if err != nil {
			return err
		}
	}
	if inPacks && !drug.ratio.IsSet() {
		return fmt.Errorf("it is counted in packs, and %s", d.noRatio())
	}
	drug.packs, drug.small = append(drug.packs, packs), append(drug.small, small)
	return nil
}

func negative(x units.Decimal) (units.Decimal, error) {
	if s, ok := strings.CutPrefix(x.String(), "-"); ok {
		return units.Parse(s)
	}
	return units.Parse("-" + x.String())
}

// readings are the answers in the order asked; last is the answer's last page.
func (d *drugRows) readings(last *judgement, ids []string) []hisadapter.Reading {
	out := make([]hisadapter.Reading, 0, len(ids))
	for _, id := range ids {
		drug, ok := d.drugs[id]
		if !ok {
			r := hisadapter.Reading{Key: hisadapter.Key{PharmacyID: d.pharmacy, DrugID: id}}
			r.Unknown = d.a.missing == "unknown_drug"
			out = append(out, r)
			continue
		}
		if drug.err == nil {
			if err := drug.sum(); err != nil {
				drug.err = fmt.Errorf("drug %s: %w", id, err)
			}
		}
		if drug.err != nil {
			drug.reading = hisadapter.Reading{
				Key: hisadapter.Key{PharmacyID: d.pharmacy, DrugID: id}, Err: last.misfit(OpQueryStock, drug.err),
			}
		}
		out = append(out, drug.reading)
	}
	return out
}

// sum adds up the lots.
func (drug *drugRow) sum() error {
	packs, err := drug.ratio.Lots(drug.packs)
	if err != nil {
		return err
	}
	small, err := units.Ratio{}.Lots(drug.small)
	if err != nil {
		return err
	}
	n := packs + small
	if small > 0 && n < packs || small < 0 && n > packs {
		return units.ErrRange
	}
	drug.reading.OnHand = n
	return nil
}

// remembered are the facts for templates of writes.
func (drug *drugRow) remembered() *lineFacts {
	f := drug.reading.Facts
	out := &lineFacts{ratio: drug.ratio, facts: map[string]string{
		"name": f.Name, "unit": f.Unit, "price": drug.price,
	}}
	if drug.ratio.IsSet() {
		out.facts["ratio"] = drug.ratio.String()
	}
	if f.Multiple > 0 {
		out.facts["multiple"] = strconv.FormatInt(f.Multiple, 10)
	}
	for name, s := range drug.extra {
		out.facts[name] = s
	}
	return out
}
