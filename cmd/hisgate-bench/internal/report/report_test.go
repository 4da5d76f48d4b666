package report

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMedianAndSpread(t *testing.T) {
	tests := []struct {
		in             []float64
		mid, low, high float64
	}{
		{[]float64{3}, 3, 3, 3},
		{[]float64{5, 1, 3}, 3, 1, 5},
		{[]float64{4, 1, 3, 2}, 2.5, 1, 4},
	}
	for _, tt := range tests {
		low, high := Spread(tt.in)
		if mid := Median(tt.in); mid != tt.mid || low != tt.low || high != tt.high {
			t.Errorf("%v: median %v, spread %v..%v", tt.in, mid, low, high)
		}
	}
	if !math.IsNaN(Median(nil)) {
		t.Error("nothing has no median")
	}
}

func TestRatioComparesRoundsInPairs(t *testing.T) {
	// The machine was ten times slower in two rounds. Medians of each side
	// would say 1000/20 = 50; each pair says 10, save one.
	runs := []Run{{1000, 100}, {100, 10}, {1000, 100}, {100, 20}, {1000, 10}}
	r := Row{Unit: PerSecond, Peer: "p", Target: 10, Runs: runs}
	if got := r.Ratio(); got != 10 {
		t.Fatalf("ratio %v", got)
	}
	if met, ok := r.Met(); !met || !ok {
		t.Fatal("a ratio that is the target meets it")
	}
	r.Target = 10.1
	if met, ok := r.Met(); met || !ok {
		t.Fatal("a ratio below the target does not meet it")
	}
	r.Target = 0
	if _, ok := r.Met(); ok {
		t.Fatal("without a target there is nothing to meet")
	}
}

func TestRatioOfTimesIsBetterWhenOursIsShorter(t *testing.T) {
	r := Row{Unit: Seconds, Peer: "limit", Target: 1, Runs: []Run{{2, 3}}}
	if got := r.Ratio(); got != 1.5 {
		t.Fatalf("ratio %v", got)
	}
}

func TestJSONShape(t *testing.T) {
	tests := []struct {
		row  Row
		want string
	}{
		{
			Row{Name: "lock-1-spread-64", Unit: PerSecond, Peer: "postgres", Target: 6, Runs: []Run{{80, 10}, {70, 10}, {60, 12}}},
			`{"name":"lock-1-spread-64","unit":"1/s","ours":70,"peer":"postgres","theirs":10,"ratio":7,"target":6,"met":true,` +
				`"runs":[{"ours":80,"theirs":10},{"ours":70,"theirs":10},{"ours":60,"theirs":12}]}`,
		},
		{
			Row{Name: "disk", Unit: MiB, Runs: []Run{{Ours: 300}}},
			`{"name":"disk","unit":"MiB","ours":300,"peer":null,"theirs":null,"ratio":null,"target":null,"met":null,"runs":[{"ours":300}]}`,
		},
		{ // a peer that got nothing done
			Row{Name: "x", Unit: PerSecond, Peer: "p", Target: 2, Runs: []Run{{Ours: 1}}},
			`{"name":"x","unit":"1/s","ours":1,"peer":"p","theirs":0,"ratio":null,"target":2,"met":null,"runs":[{"ours":1}]}`,
		},
	}
	for _, tt := range tests {
		got, err := json.Marshal(tt.row)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, string(got)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestTables(t *testing.T) {
	var b strings.Builder
	err := WriteRows(&b, []Row{
		{Name: "lock", Unit: PerSecond, Peer: "redis", Target: 2.5, Runs: []Run{{50000, 25000}, {60000, 20000}, {40000, 16000}}},
		{Name: "lock", Unit: PerSecond, Peer: "raw", Target: 0.8, Runs: []Run{{50, 100}}},
		{Name: "memory", Unit: MiB, Runs: []Run{{Ours: 1234.5}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"case", "unit", "ours", "peer", "theirs", "ratio", "min..max", "target", "met"},
		{"lock", "1/s", "50000", "redis", "20000", "2.50", "2.00..3.00", "≥", "2.50", "yes"},
		{"lock", "1/s", "50", "raw", "100.0", "0.50", "0.50..0.50", "≥", "0.80", "no"},
		{"memory", "MiB", "1234", "-", "-", "-", "-", "-", "-"},
	}
	if diff := cmp.Diff(want, cells(b.String())); diff != "" {
		t.Error(diff)
	}

	b.Reset()
	err = WriteFigures(&b, []Figure{{Name: "lock", System: "ours", Rates: []float64{1, 3, 2}, P50: 1234567, P99: 250 * time.Millisecond, CPU: 25300}})
	if err != nil {
		t.Fatal(err)
	}
	want = [][]string{
		{"case", "system", "median/s", "min..max", "p50", "p99", "cpu"},
		{"lock", "ours", "2", "1..3", "1.23ms", "250ms", "25µs"},
	}
	if diff := cmp.Diff(want, cells(b.String())); diff != "" {
		t.Error(diff)
	}
}

func cells(table string) (rows [][]string) {
	for line := range strings.Lines(table) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}
