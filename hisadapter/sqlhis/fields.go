package sqlhis

import (
	"fmt"
	"slices"

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
		return value{}, f.t.lacks(s.column, s.line)
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
		return units.Decimal{}, false, fmt.Errorf("%s (mapping line %d): %w", field, f.o.rows[field].line, err)
	}
	return d, true, nil
}

// ratio is a field's ratio, or the fallback for NULL.
func (f fields) ratio(field string, fallback units.Ratio) (units.Ratio, error) {
	v, err := f.get(field)
	if err != nil || v.kind == null {
		return fallback, err
	}
	r, err := units.ParseRatio(v.string())
	if err != nil {
		return r, fmt.Errorf("%s (mapping line %d): %w", field, f.o.rows[field].line, err)
	}
	return r, nil
}

// skipped reports whether a row is one of those that do not count.
func (f fields) skipped(skip []match) (bool, error) {
	for _, m := range skip {
		i, ok := f.t.column(m.name)
		if !ok {
			return false, f.t.lacks(m.name, m.line)
		}
		if v := f.row[i]; v.kind != null && slices.Contains(m.is, v.string()) {
			return true, nil
		}
	}
	return false, nil
}
