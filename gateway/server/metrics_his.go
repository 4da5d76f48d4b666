package server

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
)

// HISMetrics are the figures of each single call to the HIS. Hand Observe to
// the guard.
type HISMetrics struct {
	// calls counts attempts that went out to the HIS, by operation and outcome.
	// Many UNKNOWN: it times out or resets; MISCONFIGURED: see the alert.
	calls *prometheus.CounterVec
	// took is how long the HIS needed, in seconds, by operation: its own speed,
	// without the wait for a slot.
	took *prometheus.HistogramVec
	// waited is how long calls waited for their slot, in seconds, by class: what
	// the guard's limits cost.
	waited *prometheus.HistogramVec
}

// NewHISMetrics registers the figures. Errors: they are registered already.
func NewHISMetrics(r prometheus.Registerer) (*HISMetrics, error) {
	buckets := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10, 30}
	m := &HISMetrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hisgate_his_calls_total", Help: "Attempts that went out to the HIS, by operation and outcome.",
		}, []string{"op", "outcome"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hisgate_his_call_duration_seconds", Help: "How long the HIS needed.", Buckets: buckets,
		}, []string{"op"}),
		waited: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hisgate_his_wait_seconds", Help: "How long calls waited for their slot, by class.", Buckets: buckets,
		}, []string{"class"}),
	}
	// What is to be 0 is shown as 0 from the start, so that rates see the first.
	for _, op := range []string{"QueryStock", "FindOrder", "ListOrders", "Freeze", "Unfreeze", "PlaceOrder", "CancelOrder"} {
		m.took.WithLabelValues(op)
		for _, o := range []hisadapter.Outcome{hisadapter.Misconfigured, hisadapter.Unknown} {
			m.calls.WithLabelValues(op, o.String())
		}
	}
	return m, errors.Join(r.Register(m.calls), r.Register(m.took), r.Register(m.waited))
}

// Observe counts one attempt. What the guard turned away is counted by the guard.
func (m *HISMetrics) Observe(c guard.Call) {
	if _, turnedAway := errors.AsType[*guard.Rejection](c.Err); turnedAway {
		return
	}
	m.calls.WithLabelValues(c.Op, c.Outcome.String()).Inc()
	m.took.WithLabelValues(c.Op).Observe(c.Took.Seconds())
	m.waited.WithLabelValues(c.Class.String()).Observe(c.Waited.Seconds())
}
