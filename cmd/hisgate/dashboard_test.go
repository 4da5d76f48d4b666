package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/internal/alarm"
)

// metricsPage are the metrics that hisgate has, with their labels and kinds, by the
// page that is held to the truth by a test of its own.
func metricsPage(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(hisgate_\\w+)` \\|([^|]*)\\|").FindAllStringSubmatch(string(page), -1) {
		known[m[1]] = strings.Fields(strings.ReplaceAll(m[2], "`", ""))
	}
	return known
}

var (
	seriesOf = regexp.MustCompile(`\b(hisgate_\w+|go_\w+|process_\w+)(?:\{([^}]*)\})?`)
	labelOf  = regexp.MustCompile(`(\w+)\s*=~?\s*"`)
)

// checkQuery complains of metrics and labels that hisgate has not.
func checkQuery(t *testing.T, known map[string][]string, where, query string) {
	t.Helper()
	series := seriesOf.FindAllStringSubmatch(query, -1)
	if len(series) == 0 {
		t.Errorf("%s names no metric: %s", where, query)
	}
	for _, s := range series {
		name := s[1]
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		labels, ok := known[name]
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if base, histogram := strings.CutSuffix(name, suffix); !ok && histogram {
				labels, ok = known[base]
			}
		}
		if !ok {
			t.Errorf("%s: there is no %s", where, name)
		}
		for _, l := range labelOf.FindAllStringSubmatch(s[2], -1) {
			if !slices.Contains(append(labels, "job", "instance", "le"), l[1]) {
				t.Errorf("%s: %s has no label %s", where, name, l[1])
			}
		}
	}
}

// panel is one of deploy/grafana/hisgate.json.
type panel struct {
	ID      int
	Title   string
	Type    string
	Targets []struct{ Expr string }
	GridPos struct{ X, Y, W, H int }
}

func dashboard(t *testing.T) []panel {
	t.Helper()
	b, err := os.ReadFile("../../deploy/grafana/hisgate.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct{ Panels []panel }
	if err := json.Unmarshal(b, &board); err != nil {
		t.Fatal(err)
	}
	return board.Panels
}

// TestDashboardNamesOnlyWhatIs: each query of the dashboard.
func TestDashboardNamesOnlyWhatIs(t *testing.T) {
	known, ids := metricsPage(t), map[int]bool{}
	for _, p := range dashboard(t) {
		if ids[p.ID] {
			t.Errorf("two panels have id %d", p.ID)
		}
		ids[p.ID] = true
		if (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("panel %q has %d queries", p.Title, len(p.Targets))
		}
		for _, q := range p.Targets {
			checkQuery(t, known, p.Title, q.Expr)
		}
	}
	if len(ids) < 20 {
		t.Errorf("only %d panels", len(ids))
	}
}

// unshown are the metrics that have no panel, and why.
var unshown = map[string]string{
	"hisgate_build_info":                 "the dashboard chooses jobs and instances by it",
	"hisgate_stock_cache_hits_total":     "answers by source show the same",
	"hisgate_stock_filled_keys_total":    "a part of the loads, for who tunes batches",
	"hisgate_stock_refreshed_keys_total": "a part of the loads, for who tunes cache.refresh_after",
	"hisgate_guard_running":              "calls in flight show the same",
	"hisgate_guard_min_share":            "a setting",
}

// TestDashboardShowsWhatThereIs: every metric has a panel, so that who is woken by
// an alert finds what it is about; and no panel stands upon another.
func TestDashboardShowsWhatThereIs(t *testing.T) {
	shown := map[string]bool{}
	taken := map[[2]int]string{}
	for _, p := range dashboard(t) {
		for _, q := range p.Targets {
			for _, s := range seriesOf.FindAllStringSubmatch(q.Expr, -1) {
				shown[s[1]] = true
				for _, suffix := range []string{"_bucket", "_count", "_sum"} {
					shown[strings.TrimSuffix(s[1], suffix)] = true
				}
			}
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, there := taken[[2]int{x, y}]; there || x >= 24 {
					t.Fatalf("panel %q stands upon %q, or beside the page", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
	for name := range metricsPage(t) {
		if why := unshown[name]; shown[name] == (why != "") {
			t.Errorf("%s: is shown: %t; is not to be, because: %q", name, shown[name], why)
		}
	}
}

// TestRulesNameOnlyWhatIs: a rule over a metric that is not there never rings.
func TestRulesNameOnlyWhatIs(t *testing.T) {
	known := metricsPage(t)
	for _, r := range alarm.Rules() {
		checkQuery(t, known, r.Name, r.Expr())
	}
}

// TestGrowthIsSeenFromTheFirst: what a rule counts over a time is shown as 0 from
// the start. Of a series that begins at 1 Prometheus sees no growth.
func TestGrowthIsSeenFromTheFirst(t *testing.T) {
	t.Parallel()
	h, _ := openFed(t)
	ops := api{t: t, base: "http://" + h.program.OpsAddr}
	var lines []string
	eventually(t, "the metrics", func() error {
		got := ops.get("/metrics")
		lines = strings.Split(string(got.body), "\n")
		return want("status", got.status, 200)
	})
	for _, r := range alarm.Rules() {
		for _, term := range slices.Concat(r.Signal.Sum, r.Signal.Of) {
			if term.Over == 0 {
				continue
			}
			wanted := []string{""}
			for _, w := range term.Where {
				for _, v := range w.Values {
					wanted = append(wanted, w.Label+`="`+v+`"`)
				}
			}
			for _, label := range wanted {
				if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, term.Metric) && strings.Contains(l, label) }) {
					t.Errorf("%s: no series of %s with %q at the start", r.Name, term.Metric, label)
				}
			}
		}
	}
}
