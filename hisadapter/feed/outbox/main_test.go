package outbox_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hisgate/hisgate/hisadapter/feed/outbox"
	"github.com/hisgate/hisgate/hisadapter/feed/outbox/ddl"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
	"github.com/hisgate/hisgate/internal/privatedb"
)

// databases are shared by all tests. What is committed survives a process that is
// killed; nothing waits for the disk.
var databases = privatedb.Set{
	Postgres: "fsync = off\nmax_connections = 200\nmax_prepared_transactions = 5\ndeadlock_timeout = 20ms\ntimezone = 'Asia/Shanghai'\n",
	MariaDB: []string{
		"--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync",
		"--max-connections=200", "--innodb-lock-wait-timeout=20", "--skip-log-bin", "--default-time-zone=+00:00",
	},
}

// schemas numbers those of the tests.
var schemas atomic.Int64

func TestMain(m *testing.M) { os.Exit(databases.Main(m)) }

// each runs a test on every database that there is, side by side.
func each(t *testing.T, test func(t *testing.T, h *hospital)) {
	for _, dialect := range []string{sqldb.Postgres, sqldb.MySQL} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			test(t, newHospital(t, dialect))
		})
	}
}

// hospital is a schema with a table of stock, and a user who may do nothing yet.
type hospital struct {
	*privatedb.Database
	schema string
	user   string
	files  string // for positions
}

func newHospital(t testing.TB, dialect string) *hospital {
	t.Helper()
	db := databases.Get(t, dialect)
	n := strconv.FormatInt(schemas.Add(1), 10)
	h := &hospital{Database: db, schema: "h" + n, user: "reader" + n, files: t.TempDir()}
	if dialect == sqldb.Postgres {
		h.run(t, "CREATE SCHEMA "+h.schema+"; CREATE ROLE "+h.user+" LOGIN")
	} else {
		h.run(t, "CREATE DATABASE "+h.schema+" CHARACTER SET gbk; CREATE USER "+h.user+"@'%'")
	}
	h.run(t, h.sql(`CREATE TABLE $.药房库存 (
		药房编码 varchar(20) NOT NULL, 药品编码 varchar(20) NOT NULL, 批号 varchar(20) NOT NULL DEFAULT '', 库存数量 decimal(24, 4),
		备注 varchar(100), 更新时间 timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), PRIMARY KEY (药房编码, 药品编码, 批号))`))
	return h
}

// sql writes the schema in place of $.
func (h *hospital) sql(words string) string { return strings.ReplaceAll(words, "$.", h.schema+".") }

// run executes statements as the HIS.
func (h *hospital) run(t testing.TB, words string) {
	t.Helper()
	if _, err := h.Admin.ExecContext(context.Background(), h.sql(words), h.simply()...); err != nil {
		t.Fatalf("%v: %s", err, words)
	}
}

// simply lets several statements stand in one.
func (h *hospital) simply() []any {
	if h.Dialect == sqldb.Postgres {
		return []any{pgx.QueryExecModeSimpleProtocol}
	}
	return nil
}

// texts reads one column.
func (h *hospital) texts(t testing.TB, query string) []string {
	t.Helper()
	rows, err := h.Admin.QueryContext(t.Context(), h.sql(query))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// options are those of the outbox of the hospital's stock.
func (h *hospital) options() ddl.Options {
	return ddl.Options{
		Dialect: h.Dialect, Table: h.schema + ".药房库存", Pharmacy: "药房编码", Drug: "药品编码", Quantity: "库存数量", User: h.user,
	}
}

// install runs the printed script with the client of the database, as the HIS team
// would.
func (h *hospital) install(t testing.TB, o ddl.Options) (script string) {
	t.Helper()
	script, err := ddl.Script(o)
	if err != nil {
		t.Fatal(err)
	}
	h.client(t, script)
	return script
}

// remove runs the last part of a script, which takes all away again.
func (h *hospital) remove(t testing.TB, script string) {
	t.Helper()
	_, last, ok := strings.Cut(script, "To take it all away again.\n")
	if !ok {
		t.Fatal("the script does not say how to take it away")
	}
	h.client(t, strings.ReplaceAll(last, "-- ", ""))
}

func (h *hospital) client(t testing.TB, script string) {
	t.Helper()
	args := []string{"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", strconv.Itoa(h.Port), "-U", "admin", "-d", "postgres"}
	if h.Dialect != sqldb.Postgres {
		args = []string{"mariadb", "--no-defaults", "--default-character-set=utf8mb4", "-h", "127.0.0.1", "-P", strconv.Itoa(h.Port), "-u", "root", h.schema}
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Stdin, cmd.Env = strings.NewReader(script), append(os.Environ(), "PGCLIENTENCODING=UTF8")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if out.Len() > 0 {
		t.Logf("%s says: %s", args[0], out.String())
	}
}

// settings are those of the outbox that options gives.
func (h *hospital) settings(name string) outbox.Settings {
	s := outbox.Settings{
		Database:     sqldb.Settings{Dialect: h.Dialect, Host: "127.0.0.1", Port: h.Port, Database: h.schema, User: h.user},
		Table:        h.schema + "." + name,
		Ordered:      true,
		Poll:         20 * time.Millisecond,
		PositionFile: filepath.Join(h.files, name+".position"),
	}
	if h.Dialect == sqldb.Postgres {
		s.Database.Database = "postgres"
	}
	return s
}
