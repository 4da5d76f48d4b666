package sqlhis_test

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// plainQuery is the query_stock of mappings that are about something else.
const plainQuery = `
query_stock:
  steps:
    - sql: SELECT id, n FROM shelf WHERE id IN (:drug_ids)
  rows: {drug_id: id, on_hand: n}
`

// plain is a driver over a schema with the given tables and operations.
func plain(t testing.TB, dialect, ddl, operations string, caps hisadapter.Capabilities) (*sqlhis.Driver, *database, string) {
	t.Helper()
	db := start(t, dialect)
	schema := db.schema(t)
	db.run(t, schema, quote(dialect, ddl))
	if !strings.Contains(operations, "query_stock:") {
		operations += plainQuery
	}
	d, err := sqlhis.Open(db.load(t, db.address(), schema, quote(dialect, operations)), caps, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, db, schema
}

func order(hisNo string, drugs ...string) hisadapter.PlaceOrderRequest {
	r := hisadapter.PlaceOrderRequest{HisNo: hisNo, PharmacyID: pharmacy}
	for _, id := range drugs {
		r.Lines = append(r.Lines, hisadapter.Line{DrugID: id, Quantity: 1})
	}
	return r
}

// want holds an error to its outcome and returns it as the port's error.
func want(t testing.TB, err error, outcome hisadapter.Outcome) *hisadapter.Error {
	t.Helper()
	if got := hisadapter.OutcomeOf(err); got != outcome {
		t.Fatalf("outcome is %v (%v), want %v", got, err, outcome)
	}
	e, _ := errors.AsType[*hisadapter.Error](err)
	return e
}

// session is a transaction of somebody else.
type session struct {
	db   *database
	conn *sql.Conn
}

func (db *database) session(t testing.TB, schema string) *session {
	t.Helper()
	conn, err := db.Admin.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s := &session{db, conn}
	t.Cleanup(func() {
		_ = s.try("ROLLBACK")
		_ = conn.Close()
	})
	if db.Dialect == sqlhis.Postgres {
		s.run(t, "SET search_path TO "+schema)
	} else {
		s.run(t, "USE "+schema)
	}
	s.run(t, "BEGIN")
	return s
}

func (s *session) run(t testing.TB, words string) {
	t.Helper()
	if err := s.try(words); err != nil {
		t.Fatal(err)
	}
}

func (s *session) try(words string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	if s.db.Dialect == sqlhis.Postgres {
		_, err = s.conn.ExecContext(ctx, words, pgx.QueryExecModeSimpleProtocol)
	} else {
		_, err = s.conn.ExecContext(ctx, words)
	}
	return err
}

// waiting waits until n statements wait for a lock of a row.
func (db *database) waiting(t testing.TB, schema string, n int) {
	t.Helper()
	query := "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'INNODB_ROW_LOCK_CURRENT_WAITS'"
	if db.Dialect == sqlhis.Postgres {
		query = "SELECT COUNT(DISTINCT pid) FROM pg_locks WHERE NOT granted"
	}
	for giveUp := time.Now().Add(20 * time.Second); db.one(t, schema, query) != strconv.Itoa(n); runtime.Gosched() {
		if time.Now().After(giveUp) {
			t.Fatalf("%s statements wait, want %d", db.one(t, schema, query), n)
		}
	}
}
