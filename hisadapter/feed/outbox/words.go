package outbox

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// words are the statements about one table in its dialect. The limit of a page is
// the last parameter.
type words struct {
	dialect         string
	table, id, time string // as they stand in a statement; time is empty where there is none
	// hint is SQL Server's. With READPAST a row that somebody holds is passed over,
	// instead of waited for: its id is missing then, and looked for again.
	hint string
}

func wordsOf(s Settings) (words, error) {
	w := words{dialect: s.Database.Dialect, hint: "READPAST"}
	var errs []error
	name := func(to *string, setting, name string, parts int) {
		var err error
		if *to, err = sqldb.Name(w.dialect, name); err == nil && strings.Count(*to, ".") > parts-1 && parts == 1 {
			err = fmt.Errorf("the name %q is not one of a column", name)
		}
		if err != nil {
			errs = append(errs, &SettingError{setting, err.Error()})
		}
	}
	name(&w.table, "table", s.Table, 3)
	name(&w.id, "id_column", s.IDColumn, 1)
	if s.TimeColumn != "-" {
		name(&w.time, "time_column", s.TimeColumn, 1)
	}
	return w, errors.Join(errs...)
}

// place is the n-th placeholder, from 1.
func (w words) place(n int) string {
	i := strconv.Itoa(n)
	switch w.dialect {
	case sqldb.Postgres:
		return "$" + i
	case sqldb.MySQL:
		return "?"
	case sqldb.SQLServer:
		return "@p" + i
	default:
		return ":" + i
	}
}

// number is the n-th placeholder for an id. PostgreSQL would take an id of a
// narrow column for too large else.
func (w words) number(n int) string {
	if w.dialect == sqldb.Postgres {
		return w.place(n) + "::bigint"
	}
	return w.place(n)
}

// rows reads a page of columns in the order of by. limit is the number of the
// placeholder of its size.
func (w words) rows(columns, where, by string, limit int) string {
	n := w.place(limit)
	switch w.dialect {
	case sqldb.SQLServer:
		return fmt.Sprintf("SELECT TOP (%s) %s FROM %s WITH (%s) WHERE %s ORDER BY %s", n, columns, w.table, w.hint, where, by)
	case sqldb.Oracle:
		return fmt.Sprintf("SELECT * FROM (SELECT %s FROM %s WHERE %s ORDER BY %s) WHERE ROWNUM <= %s", columns, w.table, where, by, n)
	default:
		return fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %s", columns, w.table, where, by, n)
	}
}

// after is the rows behind an id (1).
func (w words) after(columns string) string {
	return w.rows(columns, w.id+" > "+w.number(1), w.id, 2)
}

// oneRow is the row of an id (1).
func (w words) oneRow() string { return w.rows("*", w.id+" = "+w.number(1), w.id, 2) }

// within is the rows of n spans (1, 2; 3, 4; …), none of which is in two of them.
func (w words) within(columns string, n int) string {
	spans := make([]string, n)
	for i := range spans {
		spans[i] = w.id + " BETWEEN " + w.number(2*i+1) + " AND " + w.number(2*i+2)
	}
	if w.dialect != sqldb.Postgres {
		return w.rows(columns, strings.Join(spans, " OR "), w.id, 2*n+1)
	}
	// PostgreSQL reads the whole index for many spans at once, and for each by itself
	// no more than is there.
	for i, span := range spans {
		spans[i] = "(" + w.rows(columns, span, w.id, 2*n+1) + ")"
	}
	limit := w.place(2*n + 1)
	return fmt.Sprintf("SELECT %s FROM (%s) q ORDER BY %s LIMIT %s", columns, strings.Join(spans, " UNION ALL "), w.id, limit)
}

// unsettled are the same statements about rows that are not committed too. MySQL
// has no hint for it, but a level of isolation.
func (w words) unsettled() words {
	w.hint = "NOLOCK"
	return w
}

// waiting counts the rows behind an id (1), up to a limit (2).
func (w words) waiting() string { return "SELECT COUNT(*) FROM (" + w.after(w.id) + ") q" }

// clean deletes rows up to an id (1), at most so many (2), that changed before keep.
func (w words) clean(keep time.Duration) string {
	s := strconv.FormatInt(int64(keep.Seconds()), 10)
	old := w.id + " <= " + w.number(1) + " AND " + w.time + " < "
	switch w.dialect {
	case sqldb.Postgres:
		old += "now() - interval '" + s + " seconds'"
		return fmt.Sprintf("DELETE FROM %s WHERE %s IN (SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT $2)", w.table, w.id, w.id, w.table, old, w.id)
	case sqldb.MySQL:
		return fmt.Sprintf("DELETE FROM %s WHERE %sNOW(6) - INTERVAL %s SECOND ORDER BY %s LIMIT ?", w.table, old, s, w.id)
	case sqldb.SQLServer:
		return fmt.Sprintf("DELETE TOP (@p2) FROM %s WITH (READPAST) WHERE %sDATEADD(second, -%s, SYSDATETIMEOFFSET())", w.table, old, s)
	default:
		return fmt.Sprintf("DELETE FROM %s WHERE %sSYSTIMESTAMP - NUMTODSINTERVAL(%s, 'SECOND') AND ROWNUM <= :2", w.table, old, s)
	}
}

// clock asks for the database's time.
func (w words) clock() string {
	switch w.dialect {
	case sqldb.Postgres:
		return "SELECT clock_timestamp()"
	case sqldb.MySQL:
		return "SELECT NOW(6)"
	case sqldb.SQLServer:
		return "SELECT SYSDATETIMEOFFSET()"
	default:
		return "SELECT SYSTIMESTAMP FROM DUAL"
	}
}

// none asks for no row of the time column, to learn its type.
func (w words) none() string { return "SELECT " + w.time + " FROM " + w.table + " WHERE 1 = 0" }

// since is the rows that were modified at a moment (1) or later. column is the type
// of the time column at the database.
func (w words) since(column string) string {
	return w.rows("*", w.time+" >= "+w.moment(column), w.time, 2)
}

// moment is the first placeholder for a moment that is compared with a column, so
// that it is the column which is left as it is: its index serves.
func (w words) moment(column string) string {
	switch w.dialect {
	case sqldb.SQLServer:
		return "CAST(@p1 AS " + column + ")"
	case sqldb.Oracle:
		switch {
		case sqldb.Zoned(column):
			return `TO_TIMESTAMP_TZ(:1, 'YYYY-MM-DD"T"HH24:MI:SS.FF6TZH:TZM')`
		case strings.HasPrefix(column, "TIMESTAMP"):
			return `TO_TIMESTAMP(:1, 'YYYY-MM-DD"T"HH24:MI:SS.FF6')`
		default:
			return `TO_DATE(:1, 'YYYY-MM-DD"T"HH24:MI:SS')`
		}
	default:
		return w.place(1)
	}
}

// bind writes a moment as the placeholder of moment wants it, on the clock of zone.
func (w words) bind(t time.Time, column string, zone *time.Location) string {
	t = t.In(zone)
	switch w.dialect {
	case sqldb.Postgres:
		return t.Format("2006-01-02 15:04:05.999999-07:00")
	case sqldb.MySQL:
		return t.Format("2006-01-02 15:04:05.999999")
	}
	switch {
	case sqldb.Zoned(column):
		return t.Format("2006-01-02T15:04:05.000000-07:00")
	case w.dialect == sqldb.SQLServer && strings.HasPrefix(column, "DATETIME2"):
		return t.Format("2006-01-02T15:04:05.000000")
	case w.dialect == sqldb.SQLServer:
		return t.Format("2006-01-02T15:04:05.000")
	case strings.HasPrefix(column, "TIMESTAMP"):
		return t.Format("2006-01-02T15:04:05.000000")
	default:
		return t.Format("2006-01-02T15:04:05")
	}
}
