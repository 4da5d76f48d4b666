//go:build oracle

package sqldb

import (
	"database/sql"
	"strconv"

	ora "github.com/sijms/go-ora/v2"
)

// openOracle speaks to Oracle by go-ora, which needs no client of Oracle's.
func openOracle(s Settings) (*sql.DB, error) {
	options := map[string]string{
		"CONNECTION TIMEOUT": strconv.Itoa(seconds(s.ConnectTimeout)),
		// Commit takes no context: this ends the wait for its answer.
		"TIMEOUT": strconv.Itoa(seconds(s.StatementTimeout)),
	}
	if s.TLS != "disable" {
		options["SSL"] = "true"
		options["SSL VERIFY"] = strconv.FormatBool(s.TLS == "verify")
	}
	for key, v := range s.Params {
		if _, ours := options[key]; ours {
			return nil, badParam(key)
		}
		options[key] = v
	}
	return sql.OpenDB(ora.NewConnector(ora.BuildUrl(s.Host, s.port(1521), s.Database, s.User, s.Password, options))), nil
}
