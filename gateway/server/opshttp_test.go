package server_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

func ready(t *testing.T, w *world, path string) (int, string, []string) {
	t.Helper()
	rec := httptest.NewRecorder()
	w.srv.Ops().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
	var a struct {
		Status  string
		Reasons []string
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		t.Fatalf("%s: %d %q", path, rec.Code, rec.Body)
	}
	return rec.Code, a.Status, a.Reasons
}

func TestReadyz(t *testing.T) {
	w := newWorld(t, newFakePay())
	if code, status, reasons := ready(t, w, "/readyz"); code != 200 || status != "ok" || reasons == nil {
		t.Errorf("%d %s %v", code, status, reasons)
	}
	w.health = []string{"keys of WeChat Pay are not loaded"}
	if code, status, reasons := ready(t, w, "/readyz"); code != 200 || status != "degraded" || len(reasons) != 1 {
		t.Errorf("degraded: %d %s %v", code, status, reasons)
	}
	w.srv.Drain()
	if code, status, _ := ready(t, w, "/readyz"); code != 503 || status != "not_ready" {
		t.Errorf("draining: %d %s", code, status)
	}
	if code, _, _ := ready(t, w, "/livez"); code != 200 {
		t.Errorf("livez while draining: %d", code)
	}
}

// TestMetricNames: dashboards and alerts stand on these names.
func TestMetricNames(t *testing.T) {
	w := newWorld(t, newFakePay())
	lockWithCase(t, w, "R1")
	w.mustCall(t, "POST", "/v1/orders", orderBody("RX000001", "RESERVE"))
	w.call(t, "POST", "/wechat/v1/payment", "SIGNATURE", signed()...)
	families, err := w.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		got = append(got, f.GetName()+"{"+strings.Join(labels, ",")+"} "+strings.ToLower(f.GetType().String()))
	}
	slices.Sort(got)
	data, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	if now := strings.Join(got, "\n") + "\n"; now != string(data) {
		t.Errorf("testdata/metrics.txt should be:\n%s", now)
	}
}
