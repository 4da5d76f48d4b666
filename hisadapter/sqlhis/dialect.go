package sqlhis

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"
)

// dialect is what differs between the databases.
type dialect interface {
	// place writes the n-th placeholder (from 1) for a value, and what is bound.
	place(n int, v value, zone *time.Location) (string, any)

	// out is what is bound for an OUT parameter.
	out(dest *string) any

	// begin starts a transaction on a pinned connection.
	begin(ctx context.Context, conn *sql.Conn, level sql.IsolationLevel, readOnly bool) (transaction, error)

	// fault reads the database's own code of an error: the SQL state where it has
	// one, and its number. ok is false where the database did not speak.
	fault(err error) (f fault, ok bool)

	// class is what a fault means by its code, whatever the statement was.
	class(f fault) class

	// clock asks for the server's time: one number, the seconds since 1970 by UTC,
	// whatever the zone of the session is.
	clock() string
}

// fault is an error in the database's own words.
type fault struct{ state, number, message string }

// class is what an error of the database means.
type class uint8

const (
	unclear   class = iota
	retryable       // deadlock or serialization failure: the transaction was rolled back
	full            // too many connections, a lock that was not given in time
	wrong           // no such table, no right, wrong password
)

// transaction is one that was begun.
type transaction interface {
	commit(ctx context.Context) error
	rollback(ctx context.Context) error

	// stands is false where the database says that the transaction is over though
	// nobody here ended it. Where it cannot tell, it stands.
	stands(ctx context.Context) bool
}

// dialectOf finds the dialect by name.
func dialectOf(name string) (dialect, error) {
	switch name {
	case Postgres:
		return postgres{}, nil
	case MySQL:
		return mariadb{}, nil
	case SQLServer:
		return sqlserver{}, nil
	default:
		return oracleDialect()
	}
}

// spoken is a transaction that is ended by words, so that its end obeys the
// context as every statement does.
type spoken struct {
	conn                     *sql.Conn
	commitWord, rollbackWord string
	standsWord               string // answers 0 where it is over; "" = it cannot be over
}

func (t spoken) begin(ctx context.Context, begin ...string) (transaction, error) {
	for _, words := range begin {
		if _, err := t.conn.ExecContext(ctx, words); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t spoken) stands(ctx context.Context) bool {
	if t.standsWord == "" {
		return true
	}
	var depth int
	err := t.conn.QueryRowContext(ctx, t.standsWord).Scan(&depth)
	return err != nil || depth > 0
}

func (t spoken) commit(ctx context.Context) error {
	_, err := t.conn.ExecContext(ctx, t.commitWord)
	return err
}

func (t spoken) rollback(ctx context.Context) error {
	_, err := t.conn.ExecContext(ctx, t.rollbackWord)
	return err
}

// levelName is an isolation level in SQL.
func levelName(level sql.IsolationLevel) string { return strings.ToUpper(level.String()) }

// expand writes a statement for its dialect and binds its parameters. outs are
// the OUT parameters' places.
func expand(d dialect, s *step, zone *time.Location, lookup func(name string) (value, error), outs map[string]*string) (string, []any, error) {
	var b strings.Builder
	var args []any
	add := func(v value) {
		words, arg := d.place(len(args)+1, v, zone)
		b.WriteString(words)
		args = append(args, arg)
	}
	for _, p := range s.sql.parts {
		b.WriteString(p.text)
		if p.name == "" {
			continue
		}
		if s.out[p.name] {
			words, _ := d.place(len(args)+1, textOf(""), zone)
			outs[p.name] = new(string)
			b.WriteString(words)
			args = append(args, d.out(outs[p.name]))
			continue
		}
		v, err := lookup(p.name)
		if err != nil {
			return "", nil, err
		}
		switch {
		case v.kind == list && p.array:
			add(textOf(arrayLiteral(v.list)))
		case v.kind == list:
			for i, one := range v.list {
				if i > 0 {
					b.WriteString(", ")
				}
				add(textOf(one))
			}
		default:
			add(v)
		}
	}
	return b.String(), args, nil
}

// arrayLiteral is a text array as PostgreSQL reads it.
func arrayLiteral(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return "{" + strings.Join(quoted, ",") + "}"
}

// classify finds an error's class in lists of the database's codes.
func classify(code string, retry, busy, misconfigured []string) class {
	is := func(list []string) bool {
		return slices.ContainsFunc(list, func(c string) bool {
			prefix, any := strings.CutSuffix(c, "*")
			return code == c || any && strings.HasPrefix(code, prefix)
		})
	}
	switch {
	case is(retry):
		return retryable
	case is(busy):
		return full
	case is(misconfigured):
		return wrong
	default:
		return unclear
	}
}
