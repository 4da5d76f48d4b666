package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// row is one row that was read, cell by cell.
type row struct {
	columns []string // of all rows of an answer
	cells   []sqldb.Cell
	bad     map[string]string // column → why its cell cannot be read; "*" = the row
}

// column returns the cell of a column, by its name or by its name in another case
// (Oracle writes them large).
func (r row) column(name string) (sqldb.Cell, bool) {
	for i, c := range r.columns {
		if c == name {
			return r.cells[i], true
		}
	}
	for i, c := range r.columns {
		if strings.EqualFold(c, name) {
			return r.cells[i], true
		}
	}
	return sqldb.Cell{}, false
}

// id is a row's id.
func (r row) id(column string) (int64, error) {
	c, ok := r.column(column)
	if !ok {
		return 0, fmt.Errorf("there is no column %s", column)
	}
	n, err := strconv.ParseInt(c.String(), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("column %s: %q is not a whole number", column, c.String())
	}
	return n, nil
}

// query reads an answer whole. A cell that cannot be read does not hold up its
// row, nor a row the others.
func (r *reader) query(ctx context.Context, words string, args ...any) ([]row, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	return r.read(ctx, r.conn, words, args...)
}

// asker is the connection, or a transaction on it.
type asker interface {
	QueryContext(ctx context.Context, words string, args ...any) (*sql.Rows, error)
}

func (r *reader) read(ctx context.Context, from asker, words string, args ...any) (out []row, err error) {
	rows, err := from.QueryContext(ctx, words, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	columns := make([]string, len(types))
	for i, t := range types {
		columns[i] = columnName(r.words.dialect, t.Name())
	}
	cells, into := make([]any, len(types)), make([]any, len(types))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		out = append(out, r.row(columns, cells, types))
	}
	return out, rows.Err()
}

func (r *reader) row(columns []string, cells []any, types []*sql.ColumnType) row {
	out := row{columns: columns, cells: make([]sqldb.Cell, len(cells))}
	for i, c := range cells {
		cell, err := r.cell(c, types[i].DatabaseTypeName())
		if err != nil {
			if out.bad == nil {
				out.bad = map[string]string{}
			}
			out.bad[columns[i]] = err.Error()
			continue
		}
		out.cells[i] = cell
	}
	return out
}

func (r *reader) cell(c any, column string) (sqldb.Cell, error) {
	cell, err := sqldb.ReadCell(c, column, r.zone)
	if err != nil {
		return sqldb.Cell{}, err
	}
	if !utf8.ValidString(cell.Text) {
		return sqldb.Cell{}, errors.New("is not text")
	}
	if cell.Kind == sqldb.Text && r.words.dialect == sqldb.MySQL && (column == "DATETIME" || column == "TIMESTAMP") {
		// The driver hands the session's clock over as text. 0000-00-00 stays one.
		if t, err := cell.AsTime(r.zone); err == nil {
			return sqldb.Cell{Kind: sqldb.Moment, Time: t}, nil
		}
	}
	return cell, nil
}

// columnName is a column's name as mappings know it: what Oracle folded to large
// letters is written small, as everywhere else.
func columnName(dialect, name string) string {
	if dialect == sqldb.Oracle && name == strings.ToUpper(name) {
		return strings.ToLower(name)
	}
	return name
}

// dataError reports whether the database could not make an answer of the data it
// has: text that is none in its character set, a computed column that divides by
// zero (SQLSTATE 22).
func dataError(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(e.Code, "22")
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return strings.HasPrefix(string(e.SQLState[:]), "22")
	}
	return false
}

// pageOf reads a page of an outbox: rows is its statement, and ids the same for
// the ids alone. Where one of the rows makes the database fail, each is read
// alone, and that one is a row of which only the id is known.
func (r *reader) pageOf(ctx context.Context, rows, ids string, args ...any) ([]row, error) {
	page, err := r.query(ctx, rows, args...)
	if !dataError(err) {
		return page, err
	}
	known, err := r.query(ctx, ids, args...)
	if err != nil {
		return nil, err
	}
	page = page[:0]
	for _, k := range known {
		id, err := k.id(k.columns[0])
		if err != nil {
			return nil, err
		}
		one, err := r.query(ctx, r.words.oneRow(), id, 1)
		switch {
		case err == nil:
			page = append(page, one...)
		case dataError(err):
			k.bad = map[string]string{"*": err.Error()}
			page = append(page, k)
		default:
			return nil, err
		}
	}
	return page, nil
}
