package main

import (
	"path/filepath"
	"testing"
)

// The run itself takes hours; that every bug can still be planted is seen at once.
func TestEveryBugFitsTheSource(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	r := runner{root: root, tmp: t.TempDir()}
	names := make(map[string]bool)
	for _, m := range all() {
		if _, err := r.plant(m); err != nil {
			t.Error(err)
		}
		if m.from == m.to {
			t.Errorf("%q changes nothing", m.bug)
		}
		if names[m.bug] {
			t.Errorf("two bugs are called %q", m.bug)
		}
		names[m.bug] = true
	}
}
