package sqlhis_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/hisgate/hisgate/hisadapter/sqlhis"
	"github.com/hisgate/hisgate/internal/privateserver"
)

// database is a private server that all tests share; each test has a schema of
// its own in it.
type database struct {
	dialect string
	admin   *sql.DB
	port    int
	server  *privateserver.Server
	schemas atomic.Int64
}

// The servers are started when first wanted, and stopped by TestMain.
type servers struct {
	mu      sync.Mutex
	dir     string
	started map[string]*database
	failed  map[string]error
}

var shared = &servers{started: map[string]*database{}, failed: map[string]error{}}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, db := range shared.started {
		_ = db.admin.Close()
		if err := db.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// start returns the dialect's server. Where it is not installed the test is
// skipped by name.
func start(t testing.TB, dialect string) *database {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if db := shared.started[dialect]; db != nil {
		return db
	}
	err := shared.failed[dialect]
	if err == nil {
		var db *database
		if db, err = open(dialect); err == nil {
			shared.started[dialect] = db
			return db
		}
		shared.failed[dialect] = err
	}
	var missing *privateserver.MissingError
	if errors.As(err, &missing) {
		t.Skip(err)
	}
	t.Fatal(err)
	return nil
}

// Durability is not what is tested, so nothing waits for the disk.
func open(dialect string) (*database, error) {
	if shared.dir == "" {
		dir, err := os.MkdirTemp("", "sqlhis")
		if err != nil {
			return nil, err
		}
		shared.dir = dir
	}
	dir := filepath.Join(shared.dir, dialect)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	ctx, db := context.Background(), &database{dialect: dialect}
	var err error
	var driver, dsn string
	if dialect == sqlhis.Postgres {
		db.server, db.port, err = privateserver.StartPostgres(ctx, dir, "hisgate", "fsync = off\nmax_connections = 300\ndeadlock_timeout = 100ms\ntimezone = 'UTC'\n")
		driver, dsn = "pgx", fmt.Sprintf("host=127.0.0.1 port=%d user=hisgate dbname=postgres sslmode=disable", db.port)
	} else {
		db.server, db.port, err = privateserver.StartMariaDB(ctx, dir, "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync",
			"--max-connections=300", "--skip-log-bin", "--default-time-zone=+00:00")
		driver, dsn = "mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/?multiStatements=true&charset=utf8mb4", db.port)
	}
	if err != nil {
		return nil, err
	}
	if db.admin, err = sql.Open(driver, dsn); err != nil {
		return nil, err
	}
	return db, db.server.Ready(ctx, db.admin.PingContext)
}

// schema makes an empty schema and returns its name. What it holds goes with the
// server.
func (db *database) schema(t testing.TB) string {
	t.Helper()
	name := "h" + strconv.FormatInt(db.schemas.Add(1), 10)
	if db.dialect == sqlhis.Postgres {
		db.run(t, "public", "CREATE SCHEMA "+name)
	} else {
		db.run(t, "mysql", "CREATE DATABASE "+name+" CHARACTER SET gbk")
	}
	return name
}

// run executes statements in a schema.
func (db *database) run(t testing.TB, schema, script string) {
	t.Helper()
	if err := db.try(schema, script); err != nil {
		t.Fatal(err)
	}
}

func (db *database) try(schema, script string) error {
	ctx := context.Background()
	conn, err := db.admin.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if db.dialect == sqlhis.Postgres {
		_, err = conn.ExecContext(ctx, "SET search_path TO "+schema+"; "+script, pgx.QueryExecModeSimpleProtocol)
	} else {
		_, err = conn.ExecContext(ctx, "USE "+schema+"; "+script)
	}
	return err
}

// one reads one value as text.
func (db *database) one(t testing.TB, schema, query string) string {
	t.Helper()
	conn, err := db.admin.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	use := "USE " + schema
	if db.dialect == sqlhis.Postgres {
		use = "SET search_path TO " + schema
	}
	if _, err := conn.ExecContext(t.Context(), use); err != nil {
		t.Fatal(err)
	}
	var s sql.NullString
	if err := conn.QueryRowContext(t.Context(), query).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s.String
}

// connection is the part of a mapping file that leads to a schema.
func (db *database) connection(address, schema string) string {
	host, port, _ := net.SplitHostPort(address)
	if db.dialect == sqlhis.Postgres {
		return fmt.Sprintf("connection: {host: %s, port: %s, database: postgres, user: hisgate, max_open: 70, params: {search_path: %s, default_query_exec_mode: cache_describe}}\n", host, port, schema)
	}
	return fmt.Sprintf("connection: {host: %s, port: %s, database: %s, user: root, max_open: 70}\n", host, port, schema)
}

func (db *database) address() string { return "127.0.0.1:" + strconv.Itoa(db.port) }

// load reads a mapping whose connection leads to a schema.
func (db *database) load(t testing.TB, address, schema, operations string) *sqlhis.Mapping {
	t.Helper()
	doc := "dialect: " + db.dialect + "\n" + db.connection(address, schema) + strings.TrimLeft(operations, "\n")
	m, err := sqlhis.Parse(filepath.Join(t.TempDir(), "his.yaml"), []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
