package units

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The bounds of a table.
const (
	maxTableBytes = 64 << 20
	maxTableRows  = 100_000
	maxRowErrors  = 50
)

// Row is what a table says of one drug.
type Row struct {
	Ratio    Ratio // not set = the table does not say
	Multiple int64 // the step in which it is sold, in smallest units; 0 = the table does not say
}

// Table holds ratios and multiples by drug. The zero value is empty. It is
// immutable.
type Table struct{ rows map[tableKey]Row }

type tableKey struct{ pharmacyID, drugID string }

// Lookup finds a drug: the row of its pharmacy, else the row without a pharmacy.
func (t *Table) Lookup(pharmacyID, drugID string) (Row, bool) {
	if t == nil {
		return Row{}, false
	}
	if r, ok := t.rows[tableKey{pharmacyID, drugID}]; ok {
		return r, true
	}
	r, ok := t.rows[tableKey{"", drugID}]
	return r, ok
}

// Len is the number of rows.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return len(t.rows)
}

// OpenTable reads a table from a CSV file. See ReadTable.
func OpenTable(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadTable(f, path)
}

// ReadTable reads a table in CSV, UTF-8 with or without a BOM. The first line
// names the columns: drug_id, and any of pharmacy_id, ratio and multiple; an
// empty cell says nothing. All errors are told at once (at most 50), with name
// and line. The file may have 64 MiB and 100,000 rows.
func ReadTable(r io.Reader, name string) (*Table, error) {
	doc, err := io.ReadAll(io.LimitReader(r, maxTableBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(doc) > maxTableBytes {
		return nil, fmt.Errorf("%s: larger than %d MiB", name, maxTableBytes>>20)
	}
	doc = bytes.TrimPrefix(doc, []byte("\ufeff"))
	if !utf8.Valid(doc) {
		return nil, fmt.Errorf("%s: is not UTF-8; save it as \"CSV UTF-8\"", name)
	}
	c := csv.NewReader(bytes.NewReader(doc))
	c.ReuseRecord, c.FieldsPerRecord = true, -1
	head, err := c.Read()
	if err != nil {
		return nil, fmt.Errorf("%s:1: the line with the columns' names: %w", name, err)
	}
	cols, err := columns(head)
	if err != nil {
		return nil, fmt.Errorf("%s:1: %w", name, err)
	}
	t := &Table{rows: map[tableKey]Row{}}
	var errs []error
	for len(errs) < maxRowErrors {
		rec, err := c.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err)) // tells its line, and where to go on is unsure
			break
		}
		line, _ := c.FieldPos(0)
		if err := t.add(cols, rec); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, line, err))
		}
		if len(t.rows) > maxTableRows {
			errs = append(errs, fmt.Errorf("%s:%d: more than %d rows", name, line, maxTableRows))
			break
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, nil
}

// layout says in which field each column stands, -1 = nowhere.
type layout struct{ fields, pharmacy, drug, ratio, multiple int }

func columns(head []string) (layout, error) {
	known := []string{"pharmacy_id", "drug_id", "ratio", "multiple"}
	at := []int{-1, -1, -1, -1}
	for i, name := range head {
		k := slices.Index(known, strings.TrimSpace(name))
		switch {
		case k < 0:
			return layout{}, fmt.Errorf("column %q is none of %s", cut(name), strings.Join(known, ", "))
		case at[k] >= 0:
			return layout{}, fmt.Errorf("column %s stands there twice", known[k])
		}
		at[k] = i
	}
	if at[1] < 0 || at[2] < 0 && at[3] < 0 {
		return layout{}, errors.New("the columns must have drug_id, and ratio or multiple")
	}
	return layout{len(head), at[0], at[1], at[2], at[3]}, nil
}

func (t *Table) add(l layout, rec []string) error {
	if len(rec) != l.fields {
		return fmt.Errorf("%d fields, the first line has %d", len(rec), l.fields)
	}
	field := func(i int) string {
		if i < 0 {
			return ""
		}
		return strings.TrimSpace(rec[i])
	}
	key := tableKey{strings.Clone(field(l.pharmacy)), strings.Clone(field(l.drug))}
	if key.drugID == "" {
		return errors.New("drug_id is empty")
	}
	if _, twice := t.rows[key]; twice {
		return fmt.Errorf("drug %q stands there twice", cut(key.drugID))
	}
	var row Row
	var err error
	if s := field(l.ratio); s != "" {
		if row.Ratio, err = ParseRatio(s); err != nil {
			return err
		}
	}
	if s := field(l.multiple); s != "" {
		if row.Multiple, err = strconv.ParseInt(s, 10, 64); err != nil || row.Multiple < 1 {
			return fmt.Errorf("multiple %q must be a whole number of at least 1", cut(s))
		}
	}
	t.rows[key] = row
	return nil
}
