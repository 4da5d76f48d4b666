package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hisgate/hisgate/hisadapter/guard"
)

// health is the answer of /livez and /readyz.
type healthAnswer struct {
	Status  string   `json:"status"` // ok, degraded, not_ready
	Reasons []string `json:"reasons"`
}

// newOps serves /livez, /readyz and /metrics. Degraded is ready: a hisgate whose
// HIS is down still holds, releases and takes callbacks.
func newOps(o *Options, draining context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeHealth(w, http.StatusOK, healthAnswer{Status: "ok", Reasons: []string{}})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if draining.Err() != nil {
			writeHealth(w, http.StatusServiceUnavailable, healthAnswer{Status: "not_ready", Reasons: []string{"shutting down"}})
			return
		}
		if err := o.Ready(); err != nil {
			writeHealth(w, http.StatusServiceUnavailable, healthAnswer{Status: "not_ready", Reasons: []string{err.Error()}})
			return
		}
		a := healthAnswer{Status: "ok", Reasons: reasons(o)}
		if len(a.Reasons) > 0 {
			a.Status = "degraded"
		}
		writeHealth(w, http.StatusOK, a)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	return secured(0, mux)
}

func writeHealth(w http.ResponseWriter, code int, a healthAnswer) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(a) // the asker may be gone
}

// reasons says why hisgate is degraded; empty when all is well.
func reasons(o *Options) []string {
	out := append([]string{}, o.Gateway.Health()...)
	g := o.Guard()
	if g.Breaker != guard.BreakerClosed {
		out = append(out, fmt.Sprintf("HIS: the breaker is %s", g.Breaker))
	}
	for _, p := range g.Paused {
		out = append(out, fmt.Sprintf("HIS: %s is refused as such (code %s)", p.Op, p.Code))
	}
	orders := o.Orders.Stats()
	if orders.Unproven > 0 {
		out = append(out, fmt.Sprintf("orders: %d paid orders break the proof obligation", orders.Unproven))
	}
	if orders.Brake.Shut && orders.Brake.Limit > 0 {
		out = append(out, "orders: the hourly limit of automatic refunds is used up")
	}
	return append(out, o.Health()...)
}
