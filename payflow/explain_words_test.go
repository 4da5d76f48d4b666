package payflow

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	saidForm  = regexp.MustCompile(`said\("([A-Z_]+)"|Event: "([A-Z]+(?:_[A-Z]+)*)"|event = "([A-Z_]+)"`)
	verbForm  = regexp.MustCompile(`Verb = "([A-Z_]+)"`)
	opForm    = regexp.MustCompile(`\bop[A-Z]\w*\s+= "([a-z_]+)"`)
	causeForm = regexp.MustCompile(`\bkind[A-Z]\w*\s+= "([a-z_]+)"`)
)

// TestEveryEntryOfTheStoryHasWords: whatever the source notes in an order's history is told in both languages.
func TestEveryEntryOfTheStoryHasWords(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	names := 0
	want := func(name string) {
		names++
		if w := eventWords(name); w.ZH == "" || w.EN == "" {
			t.Errorf("%q has no words", name)
		}
	}
	for _, m := range saidForm.FindAllStringSubmatch(source.String(), -1) {
		want(m[1] + m[2] + m[3])
	}
	for _, m := range verbForm.FindAllStringSubmatch(source.String(), -1) {
		if m[1] != string(VerbResume) { // about no single order
			want("CASE_" + m[1])
		}
	}
	for _, op := range opForm.FindAllStringSubmatch(source.String(), -1) {
		bare := troubleWords(op[1], "")
		for _, kind := range causeForm.FindAllStringSubmatch(source.String(), -1) {
			want(op[1] + ": " + kind[1])
			if kind[1] != kindDone && troubleWords(op[1], kind[1]) == bare {
				t.Errorf("%s: %s does not say what happened", op[1], kind[1])
			}
		}
	}
	if names < 100 {
		t.Errorf("only %d entries were found in the source", names)
	}
}
