package badgerengine

import (
	"os"
	"path/filepath"
	"testing"
)

// Where no table can be linked it is copied, and what is there is not written over.
func TestTablesAreCopiedWhereTheyCannotBeLinked(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "a.sst"), filepath.Join(t.TempDir(), "b.sst")
	if err := os.WriteFile(from, []byte("table"), 0o400); err != nil {
		t.Fatal(err)
	}
	if err := copyTable(to, from); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(to); err != nil || string(got) != "table" {
		t.Errorf("got %q, %v", got, err)
	}
	for name, err := range map[string]error{
		"what is there":  copyTable(to, from),
		"a missing one":  copyTable(to+"2", from+"2"),
		"a link of both": linkTable(to, from),
	} {
		if err == nil {
			t.Errorf("%s: copied", name)
		}
	}
}
