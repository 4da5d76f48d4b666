package alarm_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/internal/alarm"
)

// TestEveryRuleIsExplained: docs/alerts.md has a row for each, as it is.
func TestEveryRuleIsExplained(t *testing.T) {
	page, err := os.ReadFile("../../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range alarm.Rules() {
		row := fmt.Sprintf("| `%s` | %s | %s<br>%s | `%s` | %s<br>%s | %s<br>%s |\n", r.Name, r.Severity,
			r.Title.ZH, r.Title.EN, r.Threshold(), r.What.ZH, r.What.EN, r.Do.ZH, r.Do.EN)
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/alerts.md lacks the row\n%s", row)
		}
	}
}
