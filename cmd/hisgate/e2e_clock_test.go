package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The clock of the HIS is compared with ours by what it answers: a metric, and
// from four minutes on a reason in the health.
func TestClockOfTheHISIsMeasured(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.shelve("D1", 10)
	slow := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Date", time.Now().Add(-5*time.Minute).UTC().Format(http.TimeFormat))
		w.sims.HIS.Handler().ServeHTTP(rw, r)
	}))
	defer slow.Close()
	w.cfg.HIS.SimHIS.URL = slow.URL
	w.cfg.Tracing.Endpoint = "grpc://" + newOTLP(t, nil).addr // whatever else watches the calls
	h := w.open()
	h.live("D1")
	ops := api{t: t, base: "http://" + h.program.OpsAddr}
	// The Date header counts whole seconds, and the call takes its time.
	eventually(t, "the metric", func() error {
		for line := range strings.Lines(string(ops.get("/metrics").body)) {
			text, ok := strings.CutPrefix(strings.TrimSpace(line), "hisgate_his_clock_skew_seconds ")
			if ahead, err := strconv.ParseFloat(text, 64); ok && err == nil && ahead > 270 && ahead <= 300 {
				return nil
			}
		}
		return errors.New("not there")
	})
	if got := h.ready(t); !strings.Contains(strings.Join(got.Reasons, "; "), "ahead of the HIS's") {
		t.Errorf("/readyz says %+v", got)
	}
}
