package privatedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/hisgate/hisgate/internal/privateserver"
)

// The dialects, as the settings of hisgate name them.
const (
	Postgres = "postgres"
	MySQL    = "mysql" // MariaDB
)

// Set is servers that all tests of a package share. Each is started when it is
// first wanted, and ended by Main. Its methods may be called by several goroutines
// at once.
type Set struct {
	Postgres string   // lines of its configuration
	MariaDB  []string // arguments of the server

	mu      sync.Mutex
	dir     string
	started map[string]*Database
	failed  map[string]error
}

// Database is a server. Its superuser, who needs no password, is admin at
// PostgreSQL and root at MariaDB.
type Database struct {
	Dialect string
	Port    int
	Admin   *sql.DB // of the superuser
	Server  *privateserver.Server
}

// Main runs the tests, ends the servers, and returns the code for os.Exit.
func (s *Set) Main(m *testing.M) int {
	code := m.Run()
	for _, db := range s.started {
		_ = db.Admin.Close() // what it says is of no use any more
		if err := db.Server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
	return code
}

// Get returns the dialect's server. Where it is not installed the test is skipped
// by name.
func (s *Set) Get(t testing.TB, dialect string) *Database {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started == nil {
		s.started, s.failed = map[string]*Database{}, map[string]error{}
	}
	if db := s.started[dialect]; db != nil {
		return db
	}
	err := s.failed[dialect]
	if err == nil {
		var db *Database
		if db, err = s.start(dialect); err == nil {
			s.started[dialect] = db
			return db
		}
		s.failed[dialect] = err
	}
	if missing, ok := errors.AsType[*privateserver.MissingError](err); ok {
		t.Skip(missing)
	}
	t.Fatal(err)
	return nil
}

func (s *Set) start(dialect string) (*Database, error) {
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "databases")
		if err != nil {
			return nil, err
		}
		s.dir = dir
	}
	dir := filepath.Join(s.dir, dialect)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	ctx, db := context.Background(), &Database{Dialect: dialect}
	var err error
	var driver, dsn string
	if dialect == Postgres {
		db.Server, db.Port, err = privateserver.StartPostgres(ctx, dir, "admin", s.Postgres)
		driver, dsn = "pgx", fmt.Sprintf("host=127.0.0.1 port=%d user=admin dbname=postgres sslmode=disable", db.Port)
	} else {
		db.Server, db.Port, err = privateserver.StartMariaDB(ctx, dir, s.MariaDB...)
		driver, dsn = "mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/?multiStatements=true&charset=utf8mb4", db.Port)
	}
	if err != nil {
		return nil, err
	}
	if db.Admin, err = sql.Open(driver, dsn); err != nil {
		return nil, errors.Join(err, db.Server.Stop())
	}
	if err := db.Server.Ready(ctx, db.Admin.PingContext); err != nil {
		return nil, errors.Join(err, db.Server.Stop())
	}
	return db, nil
}
