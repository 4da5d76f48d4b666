package sqldb

import (
	"database/sql"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/stdlib"
)

// maxMessage bounds what the server sends at a time, which is at most a row.
const maxMessage = 16 << 20

// openPostgres speaks to PostgreSQL and its kin (openGauss, Kingbase) by pgx.
func openPostgres(s Settings) (*sql.DB, error) {
	mode := map[string]string{"disable": "disable", "require": "require", "verify": "verify-full"}[s.TLS]
	settings := map[string]string{
		"host": s.Host, "port": strconv.Itoa(s.port(5432)), "dbname": s.Database, "user": s.User, "sslmode": mode,
		"connect_timeout": strconv.Itoa(seconds(s.ConnectTimeout)),
		"client_encoding": "UTF8", "timezone": s.Zone.String(), "passfile": "", "service": "",
		// The server gives up by itself what we no longer wait for.
		"statement_timeout": strconv.FormatInt(s.StatementTimeout.Milliseconds(), 10),
	}
	if s.CAFile != "" {
		settings["sslrootcert"] = s.CAFile
	}
	for key, v := range s.Params {
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
	cfg.Password = s.Password
	cfg.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(maxMessage)
		return f
	}
	return stdlib.OpenDB(*cfg), nil
}
