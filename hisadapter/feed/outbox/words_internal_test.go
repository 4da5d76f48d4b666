package outbox

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Every statement that is sent, in the words of each dialect. Those for SQL Server
// and Oracle are run by nobody here.
func TestStatements(t *testing.T) {
	var b strings.Builder
	at := time.Date(2026, 11, 22, 1, 2, 3, 456789000, time.UTC)
	china := time.FixedZone("CST", 8*3600)
	for _, dialect := range []string{sqldb.Postgres, sqldb.MySQL, sqldb.SQLServer, sqldb.Oracle} {
		w, err := wordsOf(Settings{Database: sqldb.Settings{Dialect: dialect}, Table: "his.变化", IDColumn: "id", TimeColumn: "变更时间"})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "== %s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n", dialect, w.after("*"), w.after(w.id), w.oneRow(), w.within("*", 2),
			w.unsettled().within(w.id, 2), w.waiting(), w.clean(time.Hour), w.clock(), w.none())
		for _, column := range map[string][]string{
			sqldb.Postgres: {"TIMESTAMPTZ"}, sqldb.MySQL: {"DATETIME"},
			sqldb.SQLServer: {"DATETIME", "DATETIME2", "DATETIMEOFFSET"},
			sqldb.Oracle:    {"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"},
		}[dialect] {
			fmt.Fprintf(&b, "%s: %s\n    %s\n", column, w.since(column), w.bind(at, column, china))
		}
	}
	const file = "testdata/statements.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("go test -update writes %s anew:\n%s", file, diff)
	}
}
