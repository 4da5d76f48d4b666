package sqlhis

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// table is rows of a database.
type table struct {
	columns []string
	rows    [][]value
}

// column finds a column by its name, else by its name in another case (Oracle
// writes them large).
func (t table) column(name string) (int, bool) {
	if i := slices.Index(t.columns, name); i >= 0 {
		return i, true
	}
	i := slices.IndexFunc(t.columns, func(c string) bool { return strings.EqualFold(c, name) })
	return i, i >= 0
}

// lacks is the error of a column that is not there.
func (t table) lacks(column string, line int) error {
	return fmt.Errorf("the answer has no column %q (mapping line %d), but %s", column, line, strings.Join(t.columns, ", "))
}

// answer is how a statement ended.
type answer struct {
	table table
	count int64              // rows answered or affected, -1 = not told
	outs  map[string]*string // OUT parameters
}

// maxAnswer bounds all cells of one answer together, in bytes.
const maxAnswer = 32 << 20

func readTable(rows *sql.Rows, maxRows int, zone *time.Location) (table, error) {
	types, err := rows.ColumnTypes()
	if err != nil {
		return table{}, err
	}
	var t table
	for _, c := range types {
		t.columns = append(t.columns, c.Name())
	}
	cells, into := make([]any, len(types)), make([]any, len(types))
	for i := range cells {
		into[i] = &cells[i]
	}
	size := 0
	for rows.Next() {
		if len(t.rows) == maxRows {
			return table{}, fmt.Errorf("more than %d rows", maxRows)
		}
		if err := rows.Scan(into...); err != nil {
			return table{}, err
		}
		row := make([]value, len(cells))
		for i, c := range cells {
			if row[i], err = valueOf(c, types[i].DatabaseTypeName(), zone); err != nil {
				return table{}, fmt.Errorf("column %s: %w", t.columns[i], err)
			}
			if size += len(row[i].text); size > maxAnswer {
				return table{}, fmt.Errorf("an answer of more than %d bytes", maxAnswer)
			}
		}
		t.rows = append(t.rows, row)
	}
	return t, rows.Err()
}
