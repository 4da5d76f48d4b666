package units_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter/units"
)

func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "units.csv")
	doc := "\ufeffdrug_id,ratio,multiple,pharmacy_id\n00010041,24,24,\n00010041,12,,HLWYF\n00020002, ,5,\n"
	if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := units.OpenTable(path)
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := table.Lookup("ELSE", "00010041"); !ok || r.Ratio.String() != "24" || r.Multiple != 24 {
		t.Errorf("any pharmacy: %+v, %v", r, ok)
	}
	if r, ok := table.Lookup("HLWYF", "00010041"); !ok || r.Ratio.String() != "12" || r.Multiple != 0 {
		t.Errorf("its own pharmacy: %+v, %v", r, ok)
	}
	if r, ok := table.Lookup("HLWYF", "00020002"); !ok || r.Ratio.IsSet() || r.Multiple != 5 {
		t.Errorf("without a ratio: %+v, %v", r, ok)
	}
	if _, ok := table.Lookup("HLWYF", "10041"); ok {
		t.Error("leading zeros are lost")
	}
	var none *units.Table
	if _, ok := none.Lookup("HLWYF", "00010041"); ok || none.Len() != 0 || table.Len() != 3 {
		t.Error("an empty table knows something, or the count is wrong")
	}
}

func TestTableTellsAllErrorsWithTheirLines(t *testing.T) {
	_, err := units.ReadTable(strings.NewReader("drug_id,ratio,multiple\nA,0,1\nB,1,x\n,1,1\nC,1,1\nC,2,2\nD,1\n"), "u.csv")
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		`u.csv:2: ratio "0" must be positive`, `u.csv:3: multiple "x"`, "u.csv:4: drug_id is empty", `u.csv:6: drug "C" stands there twice`, "u.csv:7: 2 fields",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	for name, doc := range map[string]string{
		"empty": "", "no drug": "ratio,multiple\n", "nothing said": "drug_id\nA\n", "unknown column": "drug_id,ratio,rate\n",
		"twice": "drug_id,drug_id,ratio\n", "GBK": "drug_id,ratio\n\xb0\xa2,1\n", "bad quotes": "drug_id,ratio\n\"A,1\n",
	} {
		if _, err := units.ReadTable(strings.NewReader(doc), name); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestTableIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("drug_id,ratio\n")
	for i := range 100_001 {
		fmt.Fprintf(&b, "%d,1\n", i)
	}
	if _, err := units.ReadTable(strings.NewReader(b.String()), "big.csv"); err == nil || !strings.Contains(err.Error(), "100000 rows") {
		t.Errorf("too many rows: %v", err)
	}
	if _, err := units.ReadTable(strings.NewReader("drug_id,ratio\n"+strings.Repeat("A,0\n", 1000)), "bad.csv"); err == nil || strings.Count(err.Error(), "\n") > 50 {
		t.Errorf("errors are not bounded: %v", err)
	}
}
