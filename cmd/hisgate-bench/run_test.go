package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/edge"
)

// TestMain lets the test program be the processes that it starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "child", "peer":
			main()
			return
		case "serve":
			madeUpHisgate()
			return
		}
	}
	os.Exit(m.Run())
}

// madeUpHisgate serves what the edge asks for, and says where in hisgate's words.
func madeUpHisgate() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	in, end := io.Pipe()
	defer context.AfterFunc(ctx, func() { end.Close() })()
	err := edge.ServePeer(ctx, "", in, func(g, h string) error {
		_, err := fmt.Fprintf(os.Stderr, "{\"msg\":\"hisgate is up\",\"grpc\":%q,\"http\":%q}\n", g, h)
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tiny is a run of every kind of case that needs no server.
func tiny(t *testing.T) runCmd {
	t.Helper()
	return runCmd{
		Peers: []string{"badger", "rawfile"}, Dir: t.TempDir(),
		Rows:   []string{"lock-1-spread-1", "lock-3-hot-64", "confirm-1-spread-8", "release-3-spread-64", "idle", "open", "size", "purge"},
		Rounds: 2, For: 5 * time.Millisecond, Active: 300, Ended: 200,
	}
}

type jsonRow struct {
	Name   string
	Unit   string
	Ours   *float64
	Peer   *string
	Theirs *float64
	Ratio  *float64
	Target *float64
	Met    *bool
	Runs   []struct{ Ours, Theirs float64 }
}

func TestEveryKindOfCaseRuns(t *testing.T) {
	c := tiny(t)
	c.JSON = true
	var out, remarks bytes.Buffer
	if err := c.settle(); err != nil {
		t.Fatal(err)
	}
	if err := c.run(t.Context(), &out, &remarks); err != nil {
		t.Fatal(err)
	}
	var got []string
	for dec := json.NewDecoder(&out); dec.More(); {
		var r jsonRow
		dec.DisallowUnknownFields()
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		name := r.Name
		if r.Peer != nil {
			name += " " + *r.Peer
			if r.Theirs == nil || r.Ratio == nil {
				t.Errorf("%s was not compared: %+v", name, r)
			}
		}
		got = append(got, name)
		if r.Ours == nil || *r.Ours < 0 || *r.Ours == 0 && !strings.HasSuffix(name, "-cpu") || len(r.Runs) == 0 || r.Unit == "" {
			t.Errorf("%s measured nothing: %+v", name, r)
		}
		if (r.Target == nil) != (r.Met == nil) {
			t.Errorf("%s: a target is met or not: %+v", name, r)
		}
	}
	want := []string{
		"lock-1-spread-1 badger", "lock-1-spread-1 rawfile",
		"confirm-1-spread-8 badger", "confirm-1-spread-8 rawfile",
		"lock-3-hot-64 badger", "lock-3-hot-64 rawfile", "lock-3-hot-64 hisgate-spread",
		"release-3-spread-64 badger", "release-3-spread-64 rawfile",
		"idle-expiry-300 fresh", "idle-purge-300 fresh",
		"open-killed-300", "open-killed-300-cpu",
		"size-300-200-lock empty", "size-300-200-memory", "size-300-200-disk", "size-300-200-open", "size-300-200-memory-opened",
		"size-300-200-purge-p50 calm", "size-300-200-purge-p99 calm", "size-300-200-purge-max calm", "size-300-200-purge-rate calm", "size-300-200-purge-locks",
		"purge-200-p50 calm", "purge-200-p99 calm", "purge-200-max calm", "purge-200-rate calm", "purge-200-locks",
	}
	if slices.Sort(want); !slices.Equal(want, slices.Sorted(slices.Values(got))) {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !strings.Contains(remarks.String(), "processors") {
		t.Errorf("the machine is not described: %s", remarks.String())
	}
	if left, err := os.ReadDir(c.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// The edge is measured with everything around it, before a hisgate that is made up.
func TestTheEdgeIsMeasured(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := runCmd{JSON: true, Peers: []string{"none"}, Dir: t.TempDir(), Rows: []string{"edge"}, Rounds: 2, For: 5 * time.Millisecond, Hisgate: self}
	if err := c.settle(); err != nil {
		t.Fatal(err)
	}
	var out, remarks bytes.Buffer
	if err := c.run(t.Context(), &out, &remarks); err != nil {
		t.Fatal(err)
	}
	var got []string
	for dec := json.NewDecoder(&out); dec.More(); {
		var r jsonRow
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		name := r.Name
		if r.Peer != nil {
			name += " " + *r.Peer
		}
		got = append(got, name)
		if r.Ours == nil || *r.Ours <= 0 && r.Unit != "calls" || len(r.Runs) != 2 || (r.Target == nil) != (r.Met == nil) {
			t.Errorf("%s measured nothing: %+v", name, r)
		}
	}
	var want []string
	for name, peers := range map[string][]string{
		"edge-lock-spread-64": {" empty-call", " health-call"}, "edge-lock-hot-64": {""},
		"edge-stock-64":      {" made-up", " empty-call", " health-call"},
		"edge-rest-stock-64": {" net/http"}, "edge-rest-batch-64": {" net/http"},
		"edge-rest-lock-64": {""}, "edge-lock-live-64": {""},
	} {
		for _, kind := range []string{"", "-p50", "-p99"} {
			for _, peer := range peers {
				want = append(want, name+kind+peer)
			}
		}
		want = append(want, name+"-his-calls")
	}
	if slices.Sort(want); !slices.Equal(want, slices.Sorted(slices.Values(got))) {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if left, err := os.ReadDir(c.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestTheEdgeIsLeftOutWithoutHisgate(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	c := tiny(t)
	c.Rows = []string{"edge-stock-64"}
	var out bytes.Buffer
	if err := c.run(t.Context(), &out, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "the edge is left out") {
		t.Fatalf("got %s", out.String())
	}
}

func TestTables(t *testing.T) {
	c := tiny(t)
	c.Rows = []string{"lock-1-spread-8"}
	var out bytes.Buffer
	if err := c.run(t.Context(), &out, nil); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"hisgate", "badger", "rawfile", "median/s", "p99", "ratio", "target"} {
		if !strings.Contains(out.String(), word) {
			t.Errorf("the tables lack %q:\n%s", word, out.String())
		}
	}
}

func TestPeersThatDoNotExistAreNamed(t *testing.T) {
	c := tiny(t)
	c.Peers = []string{"oracle"}
	c.Rows = []string{"lock-1-spread-1"}
	if err := c.run(t.Context(), &bytes.Buffer{}, nil); err == nil || !strings.Contains(err.Error(), "oracle") {
		t.Fatalf("got %v", err)
	}
}

func TestMissingServersAreLeftOutByName(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	c := tiny(t)
	c.Peers = []string{"redis"}
	c.Rows = []string{"lock-1-spread-1"}
	var out bytes.Buffer
	if err := c.run(t.Context(), &out, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "redis is left out: redis-server is not installed") {
		t.Fatalf("got %s", out.String())
	}
}

func TestBadSettingsAreRefused(t *testing.T) {
	for name, c := range map[string]runCmd{
		"rounds":  {Rounds: -1},
		"pattern": {Rows: []string{"["}},
		"size":    {Ended: -1},
	} {
		if err := c.settle(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// The figures of the design, so that they are not lowered by the way.
func TestTargets(t *testing.T) {
	tests := []struct {
		name, peer string
		want       float64
	}{
		{"lock-1-spread-64", "postgres", 6},
		{"lock-1-spread-64", "redis", 2.5},
		{"lock-1-spread-64", "badger", 12},
		{"lock-1-spread-64", "rawfile", 0.8},
		{"lock-1-hot-64", "postgres", 30},
		{"lock-1-hot-64", spreadSelf, 0.95},
		{"lock-1-spread-1", "badger", 0.9},
		{"lock-1-spread-8", "postgres", 0},
		{"confirm-1-spread-64", "redis", 2.5},
		{"confirm-1-hot-64", "postgres", 0},
		{"release-1-hot-64", "postgres", 30},
		{"release-1-spread-64", "rawfile", 0.8},
	}
	all := map[string]testCase{}
	for _, c := range cases(false) {
		all[c.name()] = c
	}
	for _, tt := range tests {
		c, ok := all[tt.name]
		if !ok {
			t.Errorf("%s is not measured", tt.name)
		}
		if got := c.target(tt.peer); got != tt.want {
			t.Errorf("%s against %s: target %v, want %v", tt.name, tt.peer, got, tt.want)
		}
	}
	for _, tt := range []struct {
		name, peer string
		want       float64
	}{
		{"edge-lock-spread-64", "empty-call", 0.6},
		{"edge-lock-spread-64", "postgres", 2.5},
		{"edge-lock-hot-64", "postgres", 12},
		{"edge-stock-64", "made-up", 0.9},
		{"edge-stock-64", "health-call", 0},
		{"edge-rest-stock-64", "net/http", 0.5},
		{"edge-rest-batch-64", "net/http", 0.5},
		{"edge-rest-lock-64", "net/http", 0},
	} {
		if got := edge.Target(tt.name, tt.peer); got != tt.want {
			t.Errorf("%s against %s: target %v, want %v", tt.name, tt.peer, got, tt.want)
		}
	}
	for _, c := range cases(true) {
		if _, ok := all[c.name()]; !ok {
			t.Errorf("%s is measured by a quick run only", c.name())
		}
	}
}
