package sqlhis

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/stdlib"
)

// maxMessage bounds what the server sends at a time, which is at most a row.
const maxMessage = 16 << 20

// postgres speaks to PostgreSQL and its kin (openGauss, Kingbase) by pgx.
type postgres struct{}

func (postgres) open(m *Mapping) (*sql.DB, error) {
	c := &m.connection
	host, port := address(c, 5432)
	mode := map[string]string{"disable": "disable", "require": "require", "verify": "verify-full"}[c.tls]
	settings := map[string]string{
		"host": host, "port": strconv.Itoa(port), "dbname": c.database, "user": c.user, "sslmode": mode,
		"connect_timeout": strconv.Itoa(max(1, int(c.connectTimeout.Seconds()))),
		"client_encoding": "UTF8", "timezone": m.zone.String(), "passfile": "", "service": "",
		// The server gives up by itself what we no longer wait for.
		"statement_timeout": strconv.FormatInt(m.timeout.Milliseconds(), 10),
	}
	if c.caFile != "" {
		settings["sslrootcert"] = c.caFile
	}
	for key, v := range c.params {
		if _, ours := settings[key]; ours || key == "password" {
			return nil, badParam(key)
		}
		settings[key] = v
	}
	var dsn strings.Builder
	for key, v := range settings {
		if v != "" {
			fmt.Fprintf(&dsn, "%s='%s' ", key, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v))
		}
	}
	cfg, err := pgx.ParseConfig(dsn.String())
	if err != nil {
		return nil, err
	}
	cfg.Password = c.password
	cfg.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(maxMessage)
		return f
	}
	return stdlib.OpenDB(*cfg), nil
}

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
	return speak(ctx, conn, "COMMIT", "ROLLBACK", words)
}

func (postgres) fault(err error) (fault, bool) {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return fault{}, false
	}
	return fault{
		state: e.Code, number: e.Code, message: e.Message,
		class: classify(e.Code,
			[]string{"40001", "40P01"},
			[]string{"53*", "55P03"},
			[]string{"42*", "28*", "3D000", "3F000"}),
	}, true
}
