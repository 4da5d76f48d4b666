package sqldb_test

import (
	"testing"

	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

func TestNames(t *testing.T) {
	for _, c := range []struct{ name, postgres, mysql, sqlserver, oracle string }{
		{"stock", "stock", "`stock`", "[stock]", "stock"},
		{"Stock", "Stock", "`Stock`", "[Stock]", "Stock"},
		{`"Stock"`, `"Stock"`, "`Stock`", "[Stock]", `"Stock"`},
		{"his.药房库存", `his."药房库存"`, "`his`.`药房库存`", "[his].[药房库存]", `his."药房库存"`},
		{"[dbo].[drug stock]", `"dbo"."drug stock"`, "`dbo`.`drug stock`", "[dbo].[drug stock]", `"dbo"."drug stock"`},
		{"`a.b`", `"a.b"`, "`a.b`", "[a.b]", `"a.b"`},
		{`"it""s"."x]y` + "`z" + `"`, `"it""s"."x]y` + "`z" + `"`, "`it\"s`.`x]y``z`", `[it"s].[x]]y` + "`z]", `"it""s"."x]y` + "`z" + `"`},
		{"库存; DROP TABLE x", `"库存; DROP TABLE x"`, "`库存; DROP TABLE x`", "[库存; DROP TABLE x]", `"库存; DROP TABLE x"`},
		{"2nd", `"2nd"`, "`2nd`", "[2nd]", `"2nd"`},
	} {
		for dialect, want := range map[string]string{
			sqldb.Postgres: c.postgres, sqldb.MySQL: c.mysql, sqldb.SQLServer: c.sqlserver, sqldb.Oracle: c.oracle,
		} {
			if got, err := sqldb.Name(dialect, c.name); err != nil || got != want {
				t.Errorf("%s of %s is %s (%v), want %s", c.name, dialect, got, err, want)
			}
		}
	}
	for _, bad := range []string{"", ".", "a.", ".a", "a..b", `"a`, "[a", `"a"b`, `""`, "a\nb", "a\x00"} {
		if got, err := sqldb.Name(sqldb.Postgres, bad); err == nil {
			t.Errorf("%q is taken for the name %s", bad, got)
		}
	}
	if got, err := sqldb.Sibling(sqldb.Postgres, `his."库.存"`, "hisgate_outbox"); err != nil || got != "his.hisgate_outbox" {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := sqldb.Sibling(sqldb.MySQL, "库存", "hisgate_outbox"); err != nil || got != "`hisgate_outbox`" {
		t.Errorf("%s, %v", got, err)
	}
}
