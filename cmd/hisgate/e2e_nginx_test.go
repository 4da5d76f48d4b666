package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/internal/privateserver"
	"github.com/hisgate/hisgate/internal/testca"
	"github.com/hisgate/hisgate/payflow/wechatsim"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// startNginx runs nginx with the two files of deploy/nginx, for this hisgate, and
// returns its https address.
func startNginx(t *testing.T, webhook string, ca *testca.Authority, client *http.Client) string {
	t.Helper()
	above, err := os.MkdirTemp("", "hisgate-nginx-") // not t.TempDir, which the server's own user may not pass
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(above) })
	dir := filepath.Join(above, "n")
	port, err := privateserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cert, key := ca.Issue("pay.example.cn", time.Hour)
	put("site.crt", cert)
	put("site.key", key)
	deployedFile := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(deployed, "nginx", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	put("hisgate-callback.inc", []byte(deployedFile("hisgate-callback.inc")))
	site := deployedFile("callbacks.conf")
	for from, to := range map[string]string{
		"server 10.0.0.10:8081;":            "server " + webhook + ";",
		"listen 443 ssl;":                   fmt.Sprintf("listen 127.0.0.1:%d ssl;", port),
		"/etc/nginx/tls/pay.example.cn.crt": dir + "/site.crt",
		"/etc/nginx/tls/pay.example.cn.key": dir + "/site.key",
		"include /etc/nginx/":               "include " + dir + "/",
	} {
		if !strings.Contains(site, from) {
			t.Fatalf("callbacks.conf has no %q", from)
		}
		site = strings.ReplaceAll(site, from, to)
	}
	server, err := privateserver.StartNginx(dir, site)
	started(t, server, err)
	base := fmt.Sprintf("https://127.0.0.1:%d", port)
	if err := server.Ready(t.Context(), func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, base, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}); err != nil {
		t.Fatal(err)
	}
	return base
}

// WeChat's callbacks come through a real nginx with the files of deploy/nginx: an
// order is paid and refunded by them. Nothing else comes through.
func TestCallbacksThroughNginx(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true, func(c *Config, _ *settings) { c.Listen.Webhook = "127.0.0.1:0" })
	ca := testca.New(t, "authority of the site")
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: ca.Trusts()},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(client.CloseIdleConnections)
	base := startNginx(t, h.program.WebhookAddr, ca, client)
	h.gate.sendBy(base, client)
	h.shelve("D1", 10)
	h.create("E2E-NGINX", "RESERVE", "D1", 3)
	h.pay("E2E-NGINX")
	h.await("E2E-NGINX", hisgatev1.Order_FULFILLED)
	h.post("/v1/orders/E2E-NGINX:refund", `{"reason":"药品破损","request_id":"R1","fulfilled":true}`).order(t)
	h.await("E2E-NGINX", hisgatev1.Order_REFUNDED)
	eventually(t, "both notices", func() error {
		delivered := 0
		for _, n := range h.sims.WeChat.Ledger().Notices {
			if n.Delivered && n.Attempts[0].Status == http.StatusOK {
				delivered++
			}
		}
		return want("notices taken at once", delivered, 2)
	})
	for _, tt := range []struct {
		method, path string
		body         int
		want         int
	}{
		{"GET", paymentPath, 0, 403},
		{"PUT", refundPath, 1, 403},
		{"POST", paymentPath + "/", 1, 404},
		{"POST", paymentPath + "x", 1, 404},
		{"POST", "/wechat/v1/other", 1, 404},
		{"POST", "/v1/orders", 1, 404},
		{"GET", "/v1/stock/D1", 0, 404},
		{"GET", "/metrics", 0, 404},
		{"GET", "/wechat/v1/payment/../../../v1/guard", 0, 404},
		{"GET", "/wechat/v1/payment%2f..%2f..%2f..%2fv1%2fguard", 0, 404},
		{"POST", paymentPath, 65 << 10, 413},
		{"POST", paymentPath, 10, 400}, // unsigned: hisgate's own answer
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, base, bytes.NewReader(bytes.Repeat([]byte("A"), tt.body)))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Opaque = strings.TrimPrefix(base, "https:") + tt.path // as it stands
		resp, err := client.Do(r)
		if err != nil {
			t.Errorf("%s %s: %v", tt.method, tt.path, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s %s: %s, want %d", tt.method, tt.path, resp.Status, tt.want)
		}
		if server := resp.Header.Get("Server"); strings.Contains(server, "/") {
			t.Errorf("nginx tells its version: %s", server)
		}
	}
	// A body that was changed on the way is still found out behind nginx.
	forged := h.sealed(t, "E2E-NGINX", wechatsim.SignTampered, nil)
	again, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+paymentPath, forged.Body)
	if err != nil {
		t.Fatal(err)
	}
	again.Header = forged.Header
	resp, err := client.Do(again)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a changed notice: %s", resp.Status)
	}
	h.audit(h.api, "E2E-NGINX")
}
