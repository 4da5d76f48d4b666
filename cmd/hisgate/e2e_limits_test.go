package main

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/gateway/server/access"
	"github.com/hisgate/hisgate/internal/testca"
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

// Each listener that others reach has its bound, and what is refused is counted.
func TestEveryListenerHasItsConnections(t *testing.T) {
	t.Parallel()
	h := openHouse(t, false, func(c *Config, _ *settings) { c.Limits.Connections, c.Listen.Webhook = 4, "127.0.0.1:0" })
	refused := func() (n float64) {
		for line := range strings.Lines(string((api{t: t, base: "http://" + h.program.OpsAddr}).get("/metrics").body)) {
			if k, _ := fmt.Sscanf(line, `hisgate_limited_total{scope="connections"} %g`, &n); k == 1 {
				return n
			}
		}
		t.Fatal("there is no such metric")
		return 0
	}
	for name, addr := range map[string]string{"grpc": h.program.GRPCAddr, "http": h.program.HTTPAddr, "webhook": h.program.WebhookAddr} {
		before := refused()
		for range 5 {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		eventually(t, "one is refused on "+name, func() error {
			if now := refused(); now <= before {
				return fmt.Errorf("%v were refused before, %v now", before, now)
			}
			return nil
		})
	}
}

// What a setting says of TLS and of JSON Web Tokens reaches who does it.
func TestSettingsOfTheEdgeReachIt(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t, true), testca.New(t, "hospital")
	token := w.secured(ca, ca, "optional")
	w.cfg.TLS.HSTS = time.Hour
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: ca.Trusts()}, Timeout: patience}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+w.open().program.HTTPAddr+"/v1/guard", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("Strict-Transport-Security"); got != "max-age=3600" {
		t.Errorf("Strict-Transport-Security: %q", got)
	}
	c := Default()
	c.Auth.JWT.PharmaciesClaim = "pharmacies"
	if o := c.Auth.options(); o.JWT != (access.JWT{NameClaim: "sub", RolesClaim: "roles", PharmaciesClaim: "pharmacies"}) {
		t.Errorf("%+v", o.JWT)
	}
}
