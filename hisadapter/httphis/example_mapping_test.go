package httphis_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// exampleMapping is the mapping that stands in the package documentation.
func exampleMapping(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(doc), "// # A mapping file\n")
	section, _, ended := strings.Cut(section, "// # Templates\n")
	if !found || !ended {
		t.Fatal("the package documentation has no example")
	}
	var sb strings.Builder
	for line := range strings.Lines(section) {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			sb.WriteString(code)
		} else if line == "//\n" {
			sb.WriteString("\n")
		}
	}
	return sb.String()
}

// load writes a mapping, and files beside it, into a folder of their own and
// loads it.
func load(t testing.TB, mapping string, beside map[string]string) (*httphis.Mapping, error) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, s string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("his.yaml", mapping)
	for name, s := range beside {
		write(name, s)
	}
	return httphis.Load(filepath.Join(dir, "his.yaml"))
}

func TestTheExampleOfTheDocumentationLoads(t *testing.T) {
	m, err := load(t, exampleMapping(t), map[string]string{"drugs.csv": "drug_id,ratio,multiple\n00010041,24,24\n"})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(m.Operations()); got != 7 {
		t.Errorf("it has %d operations, want 7", got)
	}
}
