package sqlhis

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// postgres speaks to PostgreSQL and its kin (openGauss, Kingbase) by pgx.
type postgres struct{}

// place binds everything as text: the server, which knows the type that belongs
// there, reads numbers exactly.
func (postgres) place(n int, v value, zone *time.Location) (string, any) {
	words := "$" + strconv.Itoa(n)
	switch v.kind {
	case null:
		return words, nil
	case moment:
		return words, v.time.In(zone).Format("2006-01-02 15:04:05.999999-07:00")
	default:
		return words, v.text
	}
}

func (postgres) out(dest *string) any { return dest }

func (postgres) begin(ctx context.Context, conn *sql.Conn, level sql.IsolationLevel, readOnly bool) (transaction, error) {
	words := "BEGIN ISOLATION LEVEL " + levelName(level)
	if level == sql.LevelSnapshot {
		words = "BEGIN ISOLATION LEVEL REPEATABLE READ"
	}
	if readOnly {
		words += " READ ONLY"
	}
	// A procedure that commits fails in a transaction of ours.
	return spoken{conn, "COMMIT", "ROLLBACK", ""}.begin(ctx, words)
}

func (postgres) fault(err error) (fault, bool) {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return fault{}, false
	}
	return fault{state: e.Code, number: e.Code, message: e.Message}, true
}

func (postgres) clock() string {
	return "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision)"
}

func (postgres) class(f fault) class {
	return classify(f.state, []string{"40001", "40P01"}, []string{"53*", "55P03"}, []string{"42*", "28*", "3D000", "3F000"})
}
