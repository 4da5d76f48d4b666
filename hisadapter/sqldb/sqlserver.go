package sqldb

import (
	"database/sql"
	"net"
	"net/url"
	"strconv"

	mssql "github.com/microsoft/go-mssqldb"
)

// openSQLServer speaks to Microsoft SQL Server.
func openSQLServer(s Settings) (*sql.DB, error) {
	q := url.Values{}
	q.Set("database", s.Database)
	q.Set("app name", "hisgate")
	q.Set("dial timeout", strconv.Itoa(seconds(s.ConnectTimeout)))
	switch s.TLS {
	case "disable":
		q.Set("encrypt", "disable")
	case "require":
		q.Set("encrypt", "true")
		q.Set("TrustServerCertificate", "true")
	default:
		q.Set("encrypt", "true")
		q.Set("TrustServerCertificate", "false")
	}
	if s.CAFile != "" {
		q.Set("certificate", s.CAFile)
	}
	for key, v := range s.Params {
		if q.Has(key) || key == "password" || key == "user id" {
			return nil, badParam(key)
		}
		q.Set(key, v)
	}
	dsn := url.URL{
		Scheme: "sqlserver", User: url.UserPassword(s.User, s.Password),
		Host: net.JoinHostPort(s.Host, strconv.Itoa(s.port(1433))), RawQuery: q.Encode(),
	}
	connector, err := mssql.NewConnector(dsn.String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}
