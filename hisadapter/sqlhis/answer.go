package sqlhis

import (
	"context"
	"database/sql"
	"errors"
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

// answer is how a statement ended.
type answer struct {
	table table
	count int64              // rows answered or affected, -1 = not told
	outs  map[string]*string // OUT parameters
}

// ask sends one statement and reads its answer whole, within the time of a
// statement.
func (d *Driver) ask(ctx context.Context, conn *sql.Conn, s *step, sqlText string, args []any) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.m.timeout)
	defer cancel()
	if !s.query {
		res, err := conn.ExecContext(ctx, sqlText, args...)
		if err != nil {
			return answer{}, err
		}
		if a.count, err = res.RowsAffected(); err != nil {
			a.count = -1
		}
		return a, nil
	}
	rows, err := conn.QueryContext(ctx, sqlText, args...)
	if err != nil {
		return answer{}, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if a.table, err = readTable(rows, d.m.maxRows, d.m.zone); err != nil {
		return answer{}, err
	}
	// A procedure may answer with several sets: the first counts, and an error
	// that comes behind it is still an error.
	for rows.NextResultSet() {
		if len(a.table.columns) == 0 {
			if a.table, err = readTable(rows, d.m.maxRows, d.m.zone); err != nil {
				return answer{}, err
			}
		}
	}
	a.count = int64(len(a.table.rows))
	return a, rows.Err()
}

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
		}
		t.rows = append(t.rows, row)
	}
	return t, rows.Err()
}
