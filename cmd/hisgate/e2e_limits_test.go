package main

import (
	"net/http"
	"strconv"
	"testing"
)

// TestACallerBeyondItsLimitIsToldWhenToComeAgain: the settings reach the door,
// over real connections, and over gRPC it is the same client.
func TestACallerBeyondItsLimitIsToldWhenToComeAgain(t *testing.T) {
	h := openHouse(t, false, func(c *Config, _ *settings) { c.Limits.ClientRate, c.Limits.ClientBurst = 0.01, 2 })
	for range 2 {
		if a := h.get("/v1/guard"); a.status != http.StatusOK {
			t.Fatalf("within the burst: %d %s", a.status, a.body)
		}
	}
	a := h.get("/v1/guard")
	wait, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != http.StatusTooManyRequests || err != nil || wait < 1 || wait > 100 {
		t.Errorf("beyond it: %d, Retry-After %q, %s", a.status, a.header.Get("Retry-After"), a.body)
	}
	if _, err := h.ops.GetGuardState(t.Context(), nil); err == nil {
		t.Error("the same address is another client over gRPC")
	}
}
