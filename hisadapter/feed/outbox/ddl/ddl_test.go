package ddl_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/hisadapter/feed/outbox/ddl"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The scripts as a person reads them: names in Chinese, quoted as each dialect has
// it. Those of SQL Server and Oracle are run by nobody here.
func TestScripts(t *testing.T) {
	chinese := ddl.Options{Table: "his.药房库存", Pharmacy: "药房编码", Drug: "药品编码", Quantity: "库存数量", User: "hisgate"}
	for _, c := range []struct {
		name   string
		change func(*ddl.Options)
	}{
		{"figure", func(*ddl.Options) {}},
		{"keys", func(o *ddl.Options) {
			o.KeysOnly, o.Quantity, o.Pharmacy, o.Table, o.Drug, o.Clean = true, "", "", "stock", "DRUG", true
			o.Notify = o.Dialect == "postgres"
		}},
		{"lots", func(o *ddl.Options) { o.KeysOnly = true }},
		{"modified", func(o *ddl.Options) { o.Updated = "更新时间" }},
	} {
		for _, dialect := range []string{"postgres", "mysql", "sqlserver", "oracle"} {
			o := chinese
			o.Dialect = dialect
			c.change(&o)
			got, err := ddl.Script(o)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(got, "<no value>") || strings.Contains(got, "<nil>") {
				t.Errorf("%s for %s has holes", c.name, dialect)
			}
			file := filepath.Join("testdata", c.name+"."+dialect+".sql")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s for %s is not %s (go test -update writes it anew):\n%s", c.name, dialect, file, diff)
			}
		}
	}
}

func TestMariaDBIsMySQL(t *testing.T) {
	o := ddl.Options{Dialect: "mysql", Table: "t", Drug: "d", Quantity: "q", User: "u"}
	mysql, err := ddl.Script(o)
	if err != nil {
		t.Fatal(err)
	}
	o.Dialect = "mariadb"
	if mariadb, err := ddl.Script(o); err != nil || mariadb != mysql {
		t.Errorf("%v; another script", err)
	}
}

func TestEverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	_, err := ddl.Script(ddl.Options{Dialect: "db2", Table: "a..b", Name: "药", Notify: true})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		`dialect: "db2" is not one of`, `name: "药"`, "notify: only postgres has it", "quantity: must be set, or keys-only",
		`table: the name "a..b": a part is empty`, "drug-column: must be set", "user: must be set",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %q:\n%v", want, err)
		}
	}
	_, err = ddl.Script(ddl.Options{Dialect: "mysql", Table: "t", Drug: "d", Quantity: "q", User: "u", Updated: "at", Clean: true})
	if err == nil || !strings.Contains(err.Error(), "updated: a view has no") {
		t.Errorf("%v", err)
	}
}
