package server

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMetricsAreDocumented: docs/metrics.md has each metric with its labels, and
// no other. Those that appear only once something happened are among the
// collector's.
func TestMetricsAreDocumented(t *testing.T) {
	have := map[string]string{}
	golden, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	sorted := func(labels []string) string {
		slices.Sort(labels)
		return strings.Join(labels, " ")
	}
	for _, m := range regexp.MustCompile(`(?m)^(\w+)\{([\w,]*)\}`).FindAllStringSubmatch(string(golden), -1) {
		have[m[1]] = sorted(strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' }))
	}
	for _, d := range collected {
		have[d.name] = sorted(slices.Clone(d.labels))
	}
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(hisgate_\\w+)` \\|([^|]*)\\| .+ \\|$").FindAllStringSubmatch(string(page), -1) {
		if _, twice := told[m[1]]; twice {
			t.Errorf("%s stands twice", m[1])
		}
		told[m[1]] = sorted(strings.Fields(strings.ReplaceAll(m[2], "`", "")))
	}
	if diff := cmp.Diff(have, told); diff != "" {
		t.Errorf("docs/metrics.md (+) is not what hisgate exports (-):\n%s", diff)
	}
}
