package sqlhis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// execution is one attempt of a call: the values that it was given and those that
// its steps captured.
type execution struct {
	d         *Driver
	call      *call
	order     map[string]value
	lines     []*lineValues // in the order of their keys, so that two orders lock in the same order
	table     table         // of the last step that answered with rows
	result    hisadapter.Found
	stateSaid bool
	sent      bool      // something that may write left this process
	fitting   *rule     // of the step that ran last, nil = none
	exchange  *Exchange // nil = nobody records
}

// lineValues are the values of one line.
type lineValues struct {
	hisadapter.Line
	no     int
	values map[string]value
}

// errNotDivisible wraps a *units.NotExactError with its drug.
type errNotDivisible struct {
	drugID string
	err    error
}

func (e *errNotDivisible) Error() string { return fmt.Sprintf("drug %s: %v", e.drugID, e.err) }
func (e *errNotDivisible) Unwrap() error { return e.err }

func (d *Driver) execution(c *call) *execution {
	x := &execution{d: d, call: c, order: maps.Clone(c.values)}
	for _, l := range c.lines {
		x.lines = append(x.lines, &lineValues{Line: l, values: map[string]value{}})
	}
	slices.SortStableFunc(x.lines, func(a, b *lineValues) int { return cmp.Compare(a.DrugID, b.DrugID) })
	for i, l := range x.lines {
		l.no = i + 1
	}
	return x
}

// lookup finds a parameter. line is nil outside of for_each.
func (x *execution) lookup(name string, line *lineValues) (value, error) {
	if line != nil {
		if v, ok := line.values[name]; ok {
			return v, nil
		}
		switch name {
		case "line_no":
			return wholeOf(int64(line.no)), nil
		case "drug_id":
			return textOf(line.DrugID), nil
		case "quantity":
			return wholeOf(line.Quantity), nil
		case "line_fen":
			return wholeOf(line.LineFen), nil
		case "line_yuan":
			return yuanOf(line.LineFen), nil
		case "his_quantity":
			return x.hisQuantity(line)
		}
	}
	if v, ok := x.order[name]; ok {
		return v, nil
	}
	if attr, ok := strings.CutPrefix(name, "attr_"); ok {
		return optional(x.call.attributes[attr]), nil
	}
	return value{}, fmt.Errorf("nothing is known as :%s", name) // the mapping was checked for it
}

// hisQuantity is the line's quantity in the HIS's unit, exact.
func (x *execution) hisQuantity(line *lineValues) (value, error) {
	r, err := x.ratio(line)
	if err != nil {
		return value{}, err
	}
	q, err := r.Outgoing(line.Quantity, x.d.m.places)
	if err != nil {
		return value{}, &errNotDivisible{line.DrugID, err}
	}
	return decimalOf(q), nil
}

// ratio is the line's: captured as "ratio", or of the table, or of the mapping.
func (x *execution) ratio(line *lineValues) (units.Ratio, error) {
	if v, ok := line.values["ratio"]; ok {
		return units.ParseRatio(v.string())
	}
	return x.d.ratioOf(x.call.pharmacyID, line.DrugID), nil
}

func (d *Driver) ratioOf(pharmacyID, drugID string) units.Ratio {
	if row, ok := d.m.table.Lookup(pharmacyID, drugID); ok && row.Ratio.IsSet() {
		return row.Ratio
	}
	return d.m.ratio
}

// divisible finds lines that the HIS's units cannot express, before anything is
// sent; where the ratio is captured on the way, it is found then.
func (x *execution) divisible() error {
	uses := false
	for _, s := range x.call.op.steps {
		if s.asksRatio() {
			return nil
		}
		uses = uses || slices.ContainsFunc(s.sql.parts, func(p part) bool { return p.name == "his_quantity" })
	}
	if !uses {
		return nil
	}
	for _, l := range x.lines {
		if _, err := x.hisQuantity(l); err != nil {
			return err
		}
	}
	return nil
}

// keep stores what a step captured: from its first row, NULL without one. Of what
// decides, all rows must say the same.
func (x *execution) keep(s *step, a answer, line *lineValues) error {
	to := x.order
	if line != nil {
		to = line.values
	}
	for name, column := range s.capture {
		i, ok := a.table.column(column)
		if !ok {
			return a.table.lacks(column, s.line)
		}
		to[name] = value{kind: null}
		if len(a.table.rows) == 0 {
			continue
		}
		to[name] = a.table.rows[0][i]
		for _, row := range a.table.rows[1:] {
			if x.call.op.decides(s, name) && (row[i].kind != to[name].kind || row[i].string() != to[name].string()) {
				return &ambiguousError{s.line, len(a.table.rows), name, cut(to[name].string()), cut(row[i].string())}
			}
		}
	}
	for name, v := range a.outs {
		to[name] = textOf(*v)
	}
	return nil
}

// ambiguousError says that rows of one answer disagree.
type ambiguousError struct {
	line      int
	rows      int
	name      string
	one, more string
}

func (e *ambiguousError) Error() string {
	return fmt.Sprintf("the answer (mapping line %d) has %d rows that say different things as %s, %q and %q; the statement must ask for the one that counts",
		e.line, e.rows, e.name, e.one, e.more)
}

// conclude reads the operation's result out of what was captured. A number of the
// HIS that the mapping names and that did not come is no success.
func (x *execution) conclude() error {
	get := func(field string) value {
		if name, ok := x.call.op.result[field]; ok {
			return x.order[name]
		}
		return value{kind: null}
	}
	x.result.OrderNo = get("order_no").string()
	x.result.Freeze.LockID = get("lock_id").string()
	var err error
	if x.result.Freeze.Expires, err = get("expires").asTime(x.d.m.zone); err != nil {
		return fmt.Errorf("expires (result, mapping line %d): %w", x.call.op.line, err)
	}
	if x.call.op.name == opFind && !x.stateSaid {
		return fmt.Errorf("no outcome names the order's state (mapping line %d)", x.call.op.line)
	}
	for _, need := range []struct {
		field string
		when  bool
	}{
		{"lock_id", x.call.op.name == opFreeze || x.result.State == hisadapter.Frozen},
		{"order_no", x.call.op.name == opPlace || x.result.State == hisadapter.Deducted},
	} {
		if name, mapped := x.call.op.result[need.field]; mapped && need.when && x.order[name].string() == "" {
			return fmt.Errorf("the answer has no %s, which result names (mapping line %d)", need.field, x.call.op.line)
		}
	}
	return nil
}

func yuanOf(fen int64) value { return value{kind: decimal, text: units.Yuan(fen)} }
