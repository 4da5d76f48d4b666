package sqldb

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The dialects, as files and commands name them.
const (
	Postgres  = "postgres"
	MySQL     = "mysql" // and MariaDB
	SQLServer = "sqlserver"
	Oracle    = "oracle"
)

// Settings say how a database is reached. Dialect, Host, TLS, Zone,
// ConnectTimeout and StatementTimeout must be set.
type Settings struct {
	Dialect        string
	Host           string
	Port           int    // 0 = the dialect's usual one
	Database       string // Oracle: the service name
	User, Password string
	TLS            string            // disable, require, or verify
	CAFile         string            // PEM; empty = the system's authorities
	Params         map[string]string // what the database driver knows besides
	MaxOpen        int               // connections at a time; 0 = no bound
	ConnectTimeout time.Duration
	Idle           time.Duration // an idle connection is closed after this; 0 = never
	// StatementTimeout is told to servers that end by themselves what nobody waits
	// for any more (PostgreSQL), and bounds the wait for COMMIT (Oracle). The caller
	// bounds each statement by its context as well.
	StatementTimeout time.Duration
	Zone             *time.Location // the clock of columns without a zone
}

// Open prepares connections; it asks nobody. It returns an error where the build
// lacks the dialect or a setting cannot be used; the password is in none.
func Open(s Settings) (*sql.DB, error) {
	open, ok := map[string]func(Settings) (*sql.DB, error){
		Postgres: openPostgres, MySQL: openMySQL, SQLServer: openSQLServer, Oracle: openOracle,
	}[s.Dialect]
	if !ok {
		return nil, fmt.Errorf("dialect: %q is not one of %s, %s, %s, %s", s.Dialect, Postgres, MySQL, SQLServer, Oracle)
	}
	db, err := open(s)
	if err != nil {
		return nil, s.Redact(err)
	}
	db.SetMaxOpenConns(s.MaxOpen)
	db.SetMaxIdleConns(s.MaxOpen)
	db.SetConnMaxIdleTime(s.Idle)
	return db, nil
}

// Redact takes the password out of an error's words.
func (s Settings) Redact(err error) error {
	if err == nil || s.Password == "" || !strings.Contains(err.Error(), s.Password) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), s.Password, "[redacted]"))
}

// port is where the database listens.
func (s Settings) port(usual int) int {
	if s.Port != 0 {
		return s.Port
	}
	return usual
}

// seconds rounds a duration down to what drivers count in, but not to none.
func seconds(d time.Duration) int { return max(1, int(d.Seconds())) }

func badParam(key string) error {
	return fmt.Errorf("connection: params: %s is set by hisgate itself", key)
}
