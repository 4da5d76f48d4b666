package sqlhis

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	mssql "github.com/microsoft/go-mssqldb"
)

var china = time.FixedZone("CST", 8*3600)

// given are the values of the statements below.
func given(name string) (value, error) {
	switch name {
	case "drug_ids":
		return value{kind: list, list: []string{"A", `B"\`}}, nil
	case "quantity":
		return wholeOf(30), nil
	case "his_quantity":
		return value{kind: decimal, text: "1.25"}, nil
	case "until":
		return momentOf(time.Date(2026, 11, 22, 4, 0, 0, 5000, time.UTC)), nil
	case "nothing":
		return value{kind: null}, nil
	case "his_no":
		return textOf("RX'1"), nil
	default:
		return value{}, fmt.Errorf("no %s", name)
	}
}

func TestStatementsAreBoundForTheirDialect(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 5000, china)
	for _, c := range []struct {
		name string
		in   dialect
		sql  string
		want string
		args []any
	}{
		{
			Postgres,
			postgres{},
			`SELECT ':his_no', "a:b", E'\':his_no', $f$:his_no$f$ /* :his_no */ FROM t WHERE a = :his_no AND b IN (:drug_ids) -- :his_no`,
			`SELECT ':his_no', "a:b", E'\':his_no', $f$:his_no$f$ /* :his_no */ FROM t WHERE a = $1 AND b IN ($2, $3) -- :his_no`,
			[]any{"RX'1", "A", `B"\`},
		},
		{
			Postgres,
			postgres{},
			`SELECT x::text FROM t WHERE b = aNy ( :drug_ids) AND n >= :his_quantity AND m = :quantity AND t < :until AND :nothing IS NULL`,
			`SELECT x::text FROM t WHERE b = aNy ( $1) AND n >= $2 AND m = $3 AND t < $4 AND $5 IS NULL`,
			[]any{`{"A","B\"\\"}`, "1.25", "30", "2026-11-22 12:00:00.000005+08:00", nil},
		},
		{
			MySQL,
			mariadb{},
			"SELECT `a:x`, '\\':his_no', \":his_no\", @v := 1 FROM t WHERE n >= :his_quantity AND m = :quantity AND t < :until AND b IN (:drug_ids) # :his_no",
			"SELECT `a:x`, '\\':his_no', \":his_no\", @v := 1 FROM t WHERE n >= CAST(? AS DECIMAL(50,15)) AND m = ? AND t < ? AND b IN (?, ?) # :his_no",
			[]any{"1.25", int64(30), "2026-11-22 12:00:00.000005", "A", `B"\`},
		},
		{
			SQLServer,
			sqlserver{},
			`UPDATE [药房:his_no] SET 数量 = 数量 - :his_quantity WHERE 药品 = :his_no AND n = :quantity AND t < :until`,
			`UPDATE [药房:his_no] SET 数量 = 数量 - CAST(@p1 AS DECIMAL(38,15)) WHERE 药品 = @p2 AND n = @p3 AND t < @p4`,
			[]any{"1.25", "RX'1", int64(30), at},
		},
	} {
		s, err := parseStatement(c.sql, c.name)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		got, args, err := expand(c.in, &step{sql: s}, china, given, nil)
		if err != nil || got != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", c.name, err, got, c.want)
		}
		if diff := cmp.Diff(c.args, args, cmp.Comparer(time.Time.Equal)); diff != "" {
			t.Errorf("%s: %s", c.sql, diff)
		}
	}
}

func TestOutParametersOfSQLServer(t *testing.T) {
	s, err := parseStatement("EXEC 扣库存 @单号 = :his_no, @返回码 = :code OUTPUT", SQLServer)
	if err != nil {
		t.Fatal(err)
	}
	outs := map[string]*string{}
	got, args, err := expand(sqlserver{}, &step{sql: s, out: map[string]bool{"code": true}}, china, given, outs)
	if err != nil || got != "EXEC 扣库存 @单号 = @p1, @返回码 = @p2 OUTPUT" {
		t.Fatalf("%s, %v", got, err)
	}
	out, ok := args[1].(sql.Out)
	if !ok || out.Dest != outs["code"] {
		t.Errorf("bound as %#v", args[1])
	}
}

func TestStatementsThatAreNone(t *testing.T) {
	for sql, name := range map[string]string{
		"": Postgres, "-- nothing": Postgres, "SELECT 'open": Postgres, "SELECT /* open": Postgres, "SELECT $1": Postgres, "SELECT $x$ open": Postgres,
		"SELECT ?": MySQL, "SELECT `open": MySQL, "SELECT [open": SQLServer,
	} {
		if s, err := parseStatement(sql, name); err == nil {
			t.Errorf("%q is read as %+v", sql, s)
		}
	}
}

func FuzzParseStatement(f *testing.F) {
	for _, s := range []string{"SELECT :a", "'", "$$", "E'\\", "/*", ":", "::", "x:=:y", "[a]]b]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for _, name := range []string{Postgres, MySQL, SQLServer, Oracle} {
			s, err := parseStatement(in, name)
			if err != nil {
				continue
			}
			var back strings.Builder
			for _, p := range s.parts {
				back.WriteString(p.text)
				if p.name != "" {
					back.WriteString(":" + p.name)
				}
			}
			if back.String() != in {
				t.Fatalf("%s: %q became %q", name, in, back.String())
			}
		}
	})
}

// What the databases' own codes mean where no outcome of a mapping names them.
func TestCodesOfDatabases(t *testing.T) {
	for _, c := range []struct {
		in    dialect
		err   error
		class class
		code  string
	}{
		{postgres{}, &pgconn.PgError{Code: "40P01"}, retryable, "40P01"},
		{postgres{}, fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: "40001"}), retryable, "40001"},
		{postgres{}, &pgconn.PgError{Code: "53300"}, full, "53300"},
		{postgres{}, &pgconn.PgError{Code: "55P03"}, full, "55P03"},
		{postgres{}, &pgconn.PgError{Code: "42P01"}, wrong, "42P01"},
		{postgres{}, &pgconn.PgError{Code: "28P01"}, wrong, "28P01"},
		// A plan that a change of the schema made stale: the next call has a new one.
		{postgres{}, &pgconn.PgError{Code: "0A000"}, unclear, "0A000"},
		{postgres{}, &pgconn.PgError{Code: "23505"}, unclear, "23505"},
		{postgres{}, &pgconn.PgError{Code: "57014"}, unclear, "57014"},
		{mariadb{}, &mysql.MySQLError{Number: 1213}, retryable, "1213"},
		{mariadb{}, &mysql.MySQLError{Number: 1205}, full, "1205"},
		{mariadb{}, &mysql.MySQLError{Number: 1040}, full, "1040"},
		{mariadb{}, &mysql.MySQLError{Number: 1146}, wrong, "1146"},
		{mariadb{}, &mysql.MySQLError{Number: 1062}, unclear, "1062"},
		{sqlserver{}, mssql.Error{Number: 1205}, retryable, "1205"},
		{sqlserver{}, mssql.Error{Number: 1222}, full, "1222"},
		{sqlserver{}, mssql.Error{Number: 18456}, wrong, "18456"},
		{sqlserver{}, mssql.Error{Number: 2627}, unclear, "2627"},
	} {
		f, ok := c.in.fault(c.err)
		if !ok || c.in.class(f) != c.class || f.code() != c.code {
			t.Errorf("%v is %+v, %v", c.err, f, ok)
		}
	}
	for _, d := range []dialect{postgres{}, mariadb{}, sqlserver{}} {
		if f, ok := d.fault(errors.New("connection reset")); ok {
			t.Errorf("%T takes a broken connection for %+v", d, f)
		}
	}
	for number, want := range map[string]class{"60": retryable, "8177": retryable, "54": full, "942": wrong, "1017": wrong, "1": unclear, "20001": unclear} {
		if got := oracleClass(number); got != want {
			t.Errorf("ORA-%s is %v, want %v", number, got, want)
		}
	}
}
