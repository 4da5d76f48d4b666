package sqlhis_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hisgate/hisgate/hisadapter/sqlhis"
	"github.com/hisgate/hisgate/internal/privatedb"
)

// databases are shared by all tests. Durability is not what is tested, so nothing
// waits for the disk.
var databases = privatedb.Set{
	Postgres: "fsync = off\nmax_connections = 300\ndeadlock_timeout = 100ms\ntimezone = 'UTC'\n",
	MariaDB: []string{
		"--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync",
		"--max-connections=300", "--skip-log-bin", "--default-time-zone=+00:00",
	},
}

// schemas numbers those of the tests.
var schemas atomic.Int64

func TestMain(m *testing.M) { os.Exit(databases.Main(m)) }

// database is a private server; each test has a schema of its own in it.
type database struct{ *privatedb.Database }

// start returns the dialect's server.
func start(t testing.TB, dialect string) *database {
	t.Helper()
	return &database{databases.Get(t, dialect)}
}

// schema makes an empty schema and returns its name. What it holds goes with the
// server.
func (db *database) schema(t testing.TB) string {
	t.Helper()
	name := "h" + strconv.FormatInt(schemas.Add(1), 10)
	if db.Dialect == sqlhis.Postgres {
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
	conn, err := db.Admin.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if db.Dialect == sqlhis.Postgres {
		_, err = conn.ExecContext(ctx, "SET search_path TO "+schema+"; "+script, pgx.QueryExecModeSimpleProtocol)
	} else {
		_, err = conn.ExecContext(ctx, "USE "+schema+"; "+script)
	}
	return err
}

// one reads one value as text.
func (db *database) one(t testing.TB, schema, query string) string {
	t.Helper()
	conn, err := db.Admin.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	use := "USE " + schema
	if db.Dialect == sqlhis.Postgres {
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
	if db.Dialect == sqlhis.Postgres {
		return fmt.Sprintf("connection: {host: %s, port: %s, database: postgres, user: admin, max_open: 70, params: {search_path: %s, default_query_exec_mode: cache_describe}}\n", host, port, schema)
	}
	return fmt.Sprintf("connection: {host: %s, port: %s, database: %s, user: root, max_open: 70}\n", host, port, schema)
}

func (db *database) address() string { return "127.0.0.1:" + strconv.Itoa(db.Port) }

// load reads a mapping whose connection leads to a schema.
func (db *database) load(t testing.TB, address, schema, operations string) *sqlhis.Mapping {
	t.Helper()
	doc := "dialect: " + db.Dialect + "\n" + db.connection(address, schema) + strings.TrimLeft(operations, "\n")
	m, err := sqlhis.Parse(filepath.Join(t.TempDir(), "his.yaml"), []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
