package sqlhis_test

import (
	"errors"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/mapfile"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
	"github.com/hisgate/hisgate/hisadapter/sqlhis/recipes"
)

func TestLoadTellsEveryFaultWithItsLine(t *testing.T) {
	doc := `dialect: mysql
connection:
  port: 99999
  password: secret
  hots: 10.1.2.3
statement_timeout: 5
units: {ratio: "0"}
query_stock:
  steps:
    - sql: |
        SELECT id
        FROM t WHERE id IN (:drug_idss)
  rows:
    drug_id: id
    stopped: flag
place_order:
  steps:
    - sql: UPDATE t SET n = n - :quantity
      outcomes:
        - {rows: x, then: next}
        - {error: [1062], then: done}
        - {value: code, is: ["0"], then: refused}
        - {value: code, then: nothing}
      for_each: drug
    - sql: SELECT ?
freeze:
  tx: driver
  steps: []
find_order:
  steps:
    - sql: SELECT 1
      outcomes: [{rows: 1, then: done}]
  result: {order_no: number, lock: x}
list_orders:
  steps: [{sql: SELECT a, b FROM c WHERE d = :day}]
lots:
`
	_, err := sqlhis.Parse("his.yaml", []byte(doc))
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		`his.yaml:3: connection: port: "99999" is not a whole number from 1 to 65535`,
		"his.yaml:4: connection: a password does not stand in this file",
		`his.yaml:5: connection: no such key "hots"`,
		"his.yaml:2: connection: host is missing",
		`his.yaml:6: statement_timeout: "5" is not a duration`,
		"his.yaml:7: units: ratio \"0\" must be positive",
		"his.yaml:12: query_stock: no such parameter :drug_idss; known here are :drug_ids :now :pharmacy_id",
		"his.yaml:14: query_stock: rows: on_hand is missing",
		"his.yaml:15: query_stock: rows: stopped: is:",
		"his.yaml:16: place_order: say tx: driver",
		`his.yaml:20: place_order: step 1: outcome: rows: "x" is not a number`,
		"his.yaml:21: place_order: step 1: outcome: a statement that failed can never lead to done",
		"his.yaml:22: place_order: step 1: outcome: kind goes with then: refused",
		"his.yaml:23: place_order: step 1: outcome: value goes with is or null",
		`his.yaml:23: place_order: step 1: outcome: then: "nothing" is not one of`,
		"his.yaml:24: place_order: step 1: for_each: line,",
		"his.yaml:25: place_order: step 2: sql: line 1 of the statement: write :name instead of ?",
		`nothing is captured as "code"`,
		"his.yaml:28: freeze: steps: must be a list",
		"freeze and unfreeze go together",
		"his.yaml:32: find_order: step 1: outcome: state goes with then: done of find_order",
		`find_order: result: no such field "lock"`,
		`find_order: result: order_no: nothing is captured as "number"`,
		"his.yaml:35: list_orders: step 1: b FROM c WHERE d = :day has no value (within { } a text with a comma stands in quotes)",
		"his.yaml:36: mapping: lots has no value",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	var f *mapfile.Fault
	if !errors.As(err, &f) || f.Line == 0 {
		t.Errorf("no fault with its line: %v", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Error("the password is told")
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestParametersOfLinesNeedEachLine(t *testing.T) {
	_, err := sqlhis.Parse("his.yaml", []byte(`
dialect: postgres
connection: {host: h}
query_stock:
  steps: [{sql: SELECT 1}]
  rows: {drug_id: a, on_hand: b}
place_order:
  tx: driver
  steps:
    - sql: UPDATE t SET n = :quantity
      outcomes: [{rows: 1, then: next}]
`))
	if err == nil || !strings.Contains(err.Error(), "his.yaml:10: place_order: :quantity is known for each line only") {
		t.Error(err)
	}
}

func TestPasswordsComeFromFilesAndTheEnvironmentAndAreNotTold(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "his.password"), []byte("s3cr'e t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HIS_DB_PASSWORD", "s3cr'e t")
	rest := `
query_stock:
  steps: [{sql: SELECT 1}]
  rows: {drug_id: a, on_hand: b}
place_order:
  tx: own
  steps: [{sql: SELECT 1, outcomes: [{rows: 1, then: done}]}]
`
	for _, dialect := range []string{"postgres", "mysql", "sqlserver"} {
		for _, from := range []string{"password_file: his.password", "password_env: HIS_DB_PASSWORD"} {
			path := filepath.Join(dir, "his.yaml")
			doc := "dialect: " + dialect + "\nconnection: {host: 127.0.0.1, port: 1, user: u, database: d, " + from + "}" + rest
			if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
				t.Fatal(err)
			}
			m, err := sqlhis.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			d, err := sqlhis.Open(m, hisadapter.Capabilities{BatchSize: 1}, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.PlaceOrder(t.Context(), order("RX1", "A"))
			if e := want(t, err, hisadapter.NotSent); strings.Contains(e.Error(), "s3cr") {
				t.Errorf("%s: the password is told: %v", dialect, e)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	path := filepath.Join(dir, "his.yaml")
	for c, want := range map[string]string{
		"password_env: NO_SUCH_VARIABLE": "his.yaml:2: connection: password_env: environment NO_SUCH_VARIABLE is not set",
		"password_file: nowhere":         "his.yaml:2: connection: password_file: ",
	} {
		m, err := sqlhis.Parse(path, []byte("dialect: mysql\nconnection: {host: h, "+c+"}"+rest))
		if err != nil {
			t.Fatal(err) // the file itself is right, wherever it is checked
		}
		if _, err := sqlhis.Open(m, hisadapter.Capabilities{BatchSize: 1}, time.Now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", c, err)
		}
		d, err := sqlhis.Offline(m, hisadapter.Capabilities{BatchSize: 1}, time.Now, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.PlaceOrder(t.Context(), order("RX1", "A"))
		notSent(t, err)
	}
	if _, err := sqlhis.Parse(path, []byte("dialect: mysql\nconnection: {host: h, password_file: his.password, password_env: HIS_DB_PASSWORD}"+rest)); err == nil {
		t.Error("two passwords are taken")
	}
}

// notSent holds an error to its outcome.
func notSent(t testing.TB, err error) {
	t.Helper()
	want(t, err, hisadapter.NotSent)
}

// What would leave an order half done, or call it done when nothing was, is found
// when the file is loaded.
func TestHalvesAreFoundWhenTheFileIsLoaded(t *testing.T) {
	for steps, want := range map[string]string{
		"tx: driver\n  steps: [{sql: \"UPDATE t SET n = n - :quantity\", for_each: line, outcomes: [{rows: 1, then: done}]}]":                                                                   "would end the order after its first line",
		"tx: driver\n  steps: [{sql: \"UPDATE t SET n = n - :quantity\", for_each: line}, {sql: SELECT 1, outcomes: [{rows: 1, then: done}]}]":                                                  "an UPDATE that finds no row is no error",
		"tx: own\n  steps: [{sql: CALL a()}, {sql: CALL b(), outcomes: [{rows: 0+, then: next}]}]":                                                                                              "half done between them",
		"tx: driver\n  steps: [{sql: \"UPDATE t SET n = n - :quantity\", for_each: line, outcomes: [{sqlstate: [\"23505\"], then: find}]}, {sql: SELECT 1, outcomes: [{rows: 1, then: done}]}]": "an UPDATE that finds no row is no error",
		"tx: own\n  steps: [{sql: CALL a(), outcomes: [{sqlstate: [\"45000\"], then: refused, kind: other}]}]":                                                                                  "no outcome says what success is",
		"tx: own\n  steps: [{sql: CALL a(), capture: {code: code}, outcomes: [{value: code, is: [\"0\"], then: done}, {then: refused, kind: other}]}]":                                          "a rule without a condition",
		"tx: own\n  steps: [{sql: CALL a(), outcomes: [{sqlstate: [\"45000\"], then: refused, kind: other}, {rows: 0+, then: done}]}]":                                                          "",
		"tx: driver\n  steps: [{sql: \"UPDATE t SET n = n - :quantity\", for_each: line, outcomes: [{rows: 1, then: next}]}]":                                                                   "",
		"tx: own\n  steps: [{sql: CALL a(@code)}, {sql: SELECT @code AS code, capture: {code: code}, outcomes: [{value: code, is: [\"0\"], then: done}]}]":                                      "",
		"tx: driver\n  steps: [{sql: UPDATE t SET a = 1, outcomes: [{rows: 0+, then: next}]}, {sql: DELETE FROM u}, {sql: SELECT 1, outcomes: [{rows: 1, then: done}]}]":                        "",
	} {
		_, err := sqlhis.Parse("his.yaml", []byte("dialect: mysql\nconnection: {host: h}\nquery_stock:\n  steps: [{sql: SELECT 1}]\n  rows: {drug_id: a, on_hand: b}\nplace_order:\n  "+steps))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s\n%v", steps, err)
		}
	}
}

func TestCapabilitiesMustBeMapped(t *testing.T) {
	m, err := sqlhis.Parse("his.yaml", []byte(`
dialect: sqlserver
connection: {host: h}
query_stock:
  steps: [{sql: SELECT 1}]
  rows: {drug_id: a, on_hand: b}
place_order:
  tx: own
  steps: [{sql: "EXEC p :drug_id", for_each: line, outcomes: [{rows: 1, then: next}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqlhis.Open(m, hisadapter.Capabilities{Freeze: true, Find: true, Cancel: true, List: true, AtomicItems: true, BatchSize: 5000}, time.Now)
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"claim freeze", "claim find_order", "claim cancel_order", "claim list_orders", "his.yaml:9: the capabilities claim atomic_items", "batch_size is 5000"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	if _, err := sqlhis.Open(m, hisadapter.Capabilities{BatchSize: 100}, time.Now); err != nil {
		t.Error(err)
	}
}

// The recipes and the example of the package documentation are mappings as they
// stand.
func TestRecipesAndTheExampleLoad(t *testing.T) {
	t.Setenv("HIS_DB_PASSWORD", "x")
	for _, dialect := range []string{"postgres", "mysql"} {
		doc, err := recipes.Mapping("reservation", dialect)
		if err != nil {
			t.Fatal(err)
		}
		m, err := sqlhis.Parse("his.yaml", []byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		d, err := sqlhis.Open(m, able(), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := recipes.DDL("reservation", "sqlserver"); err == nil {
		t.Error("a recipe that is not there is found")
	}

	f, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(f.Doc.Text(), "# A mapping file")
	var doc strings.Builder
	for line := range strings.Lines(example) {
		if code, ok := strings.CutPrefix(line, "\t"); ok {
			doc.WriteString(code)
		}
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"his.password": "x\n", "units.csv": "drug_id,ratio\nA,24\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sqlhis.Parse(filepath.Join(dir, "his.yaml"), []byte(doc.String())); err != nil {
		t.Errorf("%v\n%s", err, doc.String())
	}
}

// A HIS that is never told our number, a transaction that ends in the middle, and
// a number that only a lost answer told are found when the file is loaded.
func TestMappingsThatCannotBeRightAreRefused(t *testing.T) {
	doc := func(dialect, find string) string {
		return `
dialect: ` + dialect + `
connection: {host: h}
query_stock:
  steps: [{sql: SELECT 1}]
  rows: {drug_id: a, on_hand: b}
freeze:
  tx: own
  steps: [{sql: CALL f(), answer: rows, capture: {lock: l}, outcomes: [{rows: 1, then: done}]}]
  result: {lock_id: lock}
unfreeze:
  tx: driver
  steps:
    - sql: CALL u(:lock_id)
    - sql: COMMIT
      outcomes: [{rows: 0+, then: done}]
place_order:
  tx: own
  steps: [{sql: CALL p(:drug_id), for_each: line, outcomes: [{rows: 0+, then: next}]}]
find_order:
  steps: [{sql: ` + find + `, outcomes: [{rows: 1, then: done, state: frozen}]}]
list_orders:
  steps: [{sql: SELECT 1}]
  rows: {his_no: a}
`
	}
	_, err := sqlhis.Parse("his.yaml", []byte(doc("postgres", "SELECT 1")))
	for _, want := range []string{
		"his.yaml:15: unfreeze: step 2: commit ends the transaction",
		"his.yaml:20: find_order: no statement says which one it is about: :his_no is missing",
		"his.yaml:20: find_order: result: lock_id is missing: unfreeze needs it",
		"his.yaml:22: list_orders: no statement says which one it is about: :day is missing",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	right := strings.NewReplacer("sql: COMMIT", "sql: SELECT 1", "list_orders:\n  steps: [{sql: SELECT 1}]", "list_orders:\n  steps: [{sql: SELECT :day}]",
		"state: frozen}]}]", "state: frozen}], capture: {lock: l}}]\n  result: {lock_id: lock}").Replace(doc("postgres", "SELECT :his_no"))
	m, err := sqlhis.Parse("his.yaml", []byte(right))
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqlhis.Open(m, hisadapter.Capabilities{BatchSize: 1, Find: true}, time.Now)
	for _, op := range []string{"freeze", "place_order"} {
		if err == nil || !strings.Contains(err.Error(), op+" never says :his_no") {
			t.Errorf("%s is not missed in %v", op, err)
		}
	}
}
