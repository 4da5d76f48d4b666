package alarm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/internal/alarm"
)

const promFolder = "../../deploy/prometheus"

// scenario is one test of promtool, as far as it is used here.
type scenario struct {
	Name   string `yaml:"name"`
	Series []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	Checks []struct {
		At      string `yaml:"eval_time"`
		Samples []struct {
			Labels string `yaml:"labels"`
		} `yaml:"exp_samples"`
	} `yaml:"promql_expr_test"`
}

func scenarios(t *testing.T) []scenario {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(promFolder, "alerts_test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []scenario `yaml:"tests"`
	}
	if err := yaml.Load(b, &file); err != nil {
		t.Fatal(err)
	}
	return file.Tests
}

// TestScenarios: the built-in alerts judge the scenarios of the Prometheus rules
// as Prometheus does.
func TestScenarios(t *testing.T) {
	begun := map[string]bool{}
	for _, s := range scenarios(t) {
		t.Run(s.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, &s, begun) })
		})
	}
	for _, r := range alarm.Rules() {
		if !begun[r.Name] {
			t.Errorf("no scenario fires %s", r.Name)
		}
	}
}

func play(t *testing.T, s *scenario, begun map[string]bool) {
	robot := newRobot(t, alarm.JSON, "")
	start := time.Now()
	ran := run(t, alarm.Options{
		Gatherer: gatherer(func() []*dto.MetricFamily { return families(t, s, int(time.Since(start)/time.Minute)) }),
		Every:    time.Minute, HTTP: robot, Webhooks: []alarm.Webhook{robot.hook},
	})
	for _, c := range s.Checks {
		at, err := time.ParseDuration(c.At)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(at + 50*time.Second - time.Since(start)) // a robot is paced
		var want []string
		for _, sample := range c.Samples {
			name := regexp.MustCompile(`alertname="(\w+)"`).FindStringSubmatch(sample.Labels)[1]
			if name != "HisgateDown" { // which nobody can say of himself
				want = append(want, name)
				begun[name] = true
			}
		}
		if diff := cmp.Diff(want, robot.standing()); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", c.At, diff)
		}
	}
	ran()
}

var seriesForm = regexp.MustCompile(`^(\w+)\{(.*)\}$`)

// families is what the scenario's series show after so many minutes. Series of
// another instance are another's.
func families(t *testing.T, s *scenario, minute int) []*dto.MetricFamily {
	byName := map[string]*dto.MetricFamily{}
	for _, in := range s.Series {
		m := seriesForm.FindStringSubmatch(in.Series)
		labels := map[string]string{}
		for _, pair := range strings.Split(m[2], ",") {
			name, value, _ := strings.Cut(pair, "=")
			labels[name] = strings.Trim(value, `"`)
		}
		value, there := valueAt(t, in.Values, minute)
		if labels["instance"] != "a" || !there {
			continue
		}
		name := m[1]
		bucket, isBucket := strings.CutSuffix(name, "_bucket")
		if count, isCount := strings.CutSuffix(name, "_count"); isBucket || isCount {
			name = count
			if isBucket {
				name = bucket
			}
			h := histogramOf(byName, name)
			if isCount {
				h.SampleCount = new(uint64(value))
				continue
			}
			bound, err := strconv.ParseFloat(labels["le"], 64)
			if err != nil {
				t.Fatal(err)
			}
			h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: &bound, CumulativeCount: new(uint64(value))})
			continue
		}
		metric := &dto.Metric{Gauge: &dto.Gauge{Value: &value}}
		for _, n := range slices.Sorted(maps.Keys(labels)) {
			metric.Label = append(metric.Label, &dto.LabelPair{Name: new(n), Value: new(labels[n])})
		}
		f := byName[name]
		if f == nil {
			f = &dto.MetricFamily{Name: &name}
			byName[name] = f
		}
		f.Metric = append(f.Metric, metric)
	}
	return slices.Collect(maps.Values(byName))
}

func histogramOf(byName map[string]*dto.MetricFamily, name string) *dto.Histogram {
	if byName[name] == nil {
		byName[name] = &dto.MetricFamily{Name: &name, Metric: []*dto.Metric{{Histogram: &dto.Histogram{}}}}
	}
	return byName[name].Metric[0].Histogram
}

var valueForm = regexp.MustCompile(`^(-?[\d.]+)([+-][\d.]+)x(\d+)$`)

// valueAt reads the notation of promtool: a+bxn is a, a+b, …, a+b·n.
func valueAt(t *testing.T, values string, minute int) (float64, bool) {
	number := func(s string) float64 {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatalf("%q: %v", values, err)
		}
		return v
	}
	for _, word := range strings.Fields(values) {
		m := valueForm.FindStringSubmatch(word)
		if m == nil {
			t.Fatalf("%q is not understood", word)
		}
		if n := int(number(m[3])); minute > n {
			minute -= n + 1
			continue
		}
		return number(m[1]) + number(m[2])*float64(minute), true
	}
	return 0, false
}

type gatherer func() []*dto.MetricFamily

func (g gatherer) Gather() ([]*dto.MetricFamily, error) { return g(), nil }

// run runs an alarm; the function that it returns ends it.
func run(t *testing.T, o alarm.Options) (end func()) {
	t.Helper()
	a, err := alarm.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// robot is the other side of a webhook, without a network.
type robot struct {
	hook   alarm.Webhook
	answer func(*http.Request) (int, string, error) // nil = it takes everything

	mu     sync.Mutex
	calls  []*http.Request
	bodies [][]byte
}

const robotKey = "693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa"

func newRobot(t *testing.T, f alarm.Format, secret string) *robot {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	r := &robot{hook: alarm.Webhook{Format: f, URLFile: put("url", "https://robot.example/cgi-bin/webhook/send?key="+robotKey)}}
	if secret != "" {
		r.hook.SecretFile = put("secret", secret)
	}
	return r
}

func (r *robot) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	status, text := http.StatusOK, `{"errcode":0,"errmsg":"ok"}`
	if r.answer != nil {
		if status, text, err = r.answer(req); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls, r.bodies = append(r.calls, req), append(r.bodies, body)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: req}, nil
}

// said are the bodies of all calls.
func (r *robot) said() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bodies)
}

// alerts are those that came to a JSON webhook, as "kind name".
func (r *robot) alerts() []string {
	var out []string
	for _, b := range r.said() {
		var doc struct {
			Alerts []struct{ Name, Kind string }
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			panic(err)
		}
		for _, a := range doc.Alerts {
			out = append(out, a.Kind+" "+a.Name)
		}
	}
	return out
}

// standing are the alerts that began and did not end.
func (r *robot) standing() []string {
	stands := map[string]bool{}
	for _, a := range r.alerts() {
		kind, name, _ := strings.Cut(a, " ")
		stands[name] = kind != string(alarm.Resolved)
	}
	maps.DeleteFunc(stands, func(_ string, yes bool) bool { return !yes })
	return slices.Sorted(maps.Keys(stands))
}

// promtool runs it, or skips the test where it is not installed.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	bin, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian: apt-get install prometheus)")
	}
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Dir = promFolder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestPrometheusRules: the rules in deploy are those of the table, Prometheus
// takes them, and they do what the scenarios say.
func TestPrometheusRules(t *testing.T) {
	fresh, err := alarm.Prometheus(alarm.Rules())
	if err != nil {
		t.Fatal(err)
	}
	stands, err := os.ReadFile(filepath.Join(promFolder, "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(fresh, stands) {
		t.Error("deploy/prometheus/alerts.yml is stale: run make generate")
	}
	promtool(t, "check", "rules", "alerts.yml")
	promtool(t, "test", "rules", "alerts_test.yml")
}

func ExampleRule_Expr() {
	for _, r := range alarm.Rules() {
		if r.Name == "HisgateHoldFailures" {
			fmt.Println(r.Threshold())
		}
	}
	// Output: > 5.0% / 15m, n ≥ 20, k ≥ 2
}
