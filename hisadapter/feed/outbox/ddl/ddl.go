// Package ddl writes what the HIS team reviews and creates beside a table of
// stock, so that hisgate hears of its changes: an outbox with the triggers that
// fill it, or a view by the time of the last modification; the rights of a user
// who may do nothing else; the clean-up; and how to take it all away again.
package ddl

import (
	"embed"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"

	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// Options say what the stock is called. Names are given as one would write them in
// SQL.
type Options struct {
	Dialect  string // postgres, mysql or mariadb, sqlserver, oracle
	Table    string // of the stock
	Pharmacy string // column of the pharmacy's code; empty = the table has none
	Drug     string // column of the drug's code
	Quantity string // column of the quantity; empty = any update of a row counts as a change
	// KeysOnly leaves the figure out of the outbox: hisgate is told which drug
	// changed, and asks. It must be so where a drug has several rows (lots).
	KeysOnly bool
	Updated  string // column of the last modification: print the view instead
	Name     string // of the outbox or the view, plain; empty = hisgate_outbox or hisgate_modified
	User     string // who reads it
	Notify   bool   // PostgreSQL: wake hisgate with every change
	Clean    bool   // let the user delete what was consumed
}

//go:embed *.tmpl
var files embed.FS

var plain = regexp.MustCompile(`^[a-z][a-z0-9_]{0,23}$`)

// Script returns the statements. Its errors name what is wrong, all at once, each
// as "option: reason".
func Script(o Options) (string, error) {
	if o.Dialect == "mariadb" {
		o.Dialect = sqldb.MySQL
	}
	kind := "outbox"
	if o.Updated != "" {
		kind = "modified"
	}
	if o.Name == "" {
		o.Name = "hisgate_" + kind
	}
	s := script{Options: o}
	if err := errors.Join(o.check(), s.names()); err != nil {
		return "", err
	}
	t, err := template.ParseFS(files, "*.tmpl")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.ExecuteTemplate(&b, kind+"."+o.Dialect+".tmpl", s)
	return b.String(), err
}

func (o Options) check() error {
	var errs []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	switch o.Dialect {
	case sqldb.Postgres, sqldb.MySQL, sqldb.SQLServer, sqldb.Oracle:
	default:
		want(false, "dialect: %q is not one of postgres, mysql, mariadb, sqlserver, oracle", o.Dialect)
	}
	want(plain.MatchString(o.Name), "name: %q is not a name of at most 24 of a-z, 0-9 and _", o.Name)
	want(o.Updated == "" || !o.KeysOnly && !o.Notify && !o.Clean, "updated: a view has no keys-only, notify or clean")
	want(!o.Notify || o.Dialect == sqldb.Postgres, "notify: only postgres has it")
	want(o.KeysOnly || o.Quantity != "", "quantity: must be set, or keys-only")
	return errors.Join(errs...)
}

// script is what the templates know: the names as they stand in statements.
type script struct {
	Options
	Stock, Outbox, Account                     string
	PharmacyColumn, DrugColumn, QuantityColumn string // the first and the last may be empty
	UpdatedColumn                              string
}

func (s *script) names() error {
	var errs []error
	name := func(to *string, option, given string, required bool) {
		if given == "" {
			if required {
				errs = append(errs, fmt.Errorf("%s: must be set", option))
			}
			return
		}
		var err error
		if *to, err = sqldb.Name(s.Dialect, given); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", option, err))
		}
	}
	name(&s.Stock, "table", s.Table, true)
	name(&s.PharmacyColumn, "pharmacy-column", s.Pharmacy, false)
	name(&s.DrugColumn, "drug-column", s.Drug, true)
	name(&s.QuantityColumn, "quantity-column", s.Quantity, false)
	name(&s.UpdatedColumn, "updated", s.Updated, false)
	name(&s.Account, "user", s.User, true)
	if s.Stock != "" {
		var err error
		if s.Outbox, err = s.Sibling(""); err != nil {
			errs = append(errs, fmt.Errorf("table: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Sibling is the name of an object that belongs to the outbox and stands in its
// schema, which is that of the stock.
func (s script) Sibling(suffix string) (string, error) {
	return sqldb.Sibling(s.Dialect, s.Table, s.Name+suffix)
}

// Bare is the same without the schema.
func (s script) Bare(suffix string) (string, error) { return sqldb.Name(s.Dialect, s.Name+suffix) }

// Schema is the schema of the stock; empty where none was given.
func (s script) Schema() string {
	i := strings.LastIndexByte(s.Outbox, '.')
	return s.Outbox[:max(i, 0)]
}

// Of is a column of a row such as NEW; NULL where there is no such column.
func (s script) Of(row, column string) string {
	if column == "" {
		return "NULL"
	}
	return row + "." + column
}

// Keys are the columns of the key, and Watched those whose change counts.
func (s script) Keys() []string {
	if s.PharmacyColumn == "" {
		return []string{s.DrugColumn}
	}
	return []string{s.PharmacyColumn, s.DrugColumn}
}

// Watched are the columns whose change counts; none = all.
func (s script) Watched() []string {
	if s.QuantityColumn == "" {
		return nil
	}
	return append(s.Keys(), s.QuantityColumn)
}

// List joins columns, each behind row and a dot where row is not empty.
func (s script) List(row string, columns []string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c
		if row != "" {
			out[i] = row + "." + c
		}
	}
	return strings.Join(out, ", ")
}

// Differ is the condition that one of the columns is another in NEW than in OLD,
// NULL being a value as any other.
func (s script) Differ(columns []string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		switch s.Dialect {
		case sqldb.Postgres:
			out[i] = "OLD." + c + " IS DISTINCT FROM NEW." + c
		case sqldb.MySQL:
			out[i] = "NOT (OLD." + c + " <=> NEW." + c + ")"
		default:
			out[i] = fmt.Sprintf("(:OLD.%[1]s <> :NEW.%[1]s OR :OLD.%[1]s IS NULL AND :NEW.%[1]s IS NOT NULL OR :OLD.%[1]s IS NOT NULL AND :NEW.%[1]s IS NULL)", c)
		}
	}
	return strings.Join(out, " OR ")
}

// Touched is SQL Server's condition that a statement sets one of the columns.
func (s script) Touched(columns []string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = "UPDATE(" + c + ")"
	}
	return strings.Join(out, " OR ")
}

// Figure is the quantity of the row NEW, or NULL where the figure is left out.
func (s script) Figure(row string) string {
	if s.KeysOnly {
		return "NULL"
	}
	return row + "." + s.QuantityColumn
}
