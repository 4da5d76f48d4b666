package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/gateway/server/access"
	"github.com/hisgate/hisgate/internal/testca"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// Every secret that hisgate is given is planted, an order is paid and refused,
// each command is run over it, and none of them tells a secret: not on its
// output, not in an error, not in the log, the audit file or a bundle.
func TestNoCommandTellsASecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.shelve("D1", 10)
	ca := testca.New(t, "hospital")
	cert, key := ca.Issue("hisgate", time.Hour)
	token, sum := access.NewToken()
	robot := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(rw, `{"errcode":93000,"errmsg":"no such robot %s"}`, r.URL) // and tells what it was asked
	}))
	defer robot.Close()
	w.cfg.TLS = TLS{CertFile: w.put("tls.crt", cert), KeyFile: w.put("tls.key", key), Min: "1.2", ClientCert: "optional"}
	w.cfg.Auth.CallersFile = w.put("callers.yaml", fmt.Appendf(nil, "- {name: desk, token_sha256: %s, roles: [admin]}\n", sum))
	w.cfg.Storage.EncryptionKeyFile = w.put("folder.key", []byte("canary-folder-key-0123456789abcd"))
	w.cfg.Alerts.Webhooks = []AlertWebhook{{Kind: "dingtalk", URLFile: w.put("robot.url", []byte(robot.URL+"/send?access_token=canary-robot-key")), SecretFile: w.put("robot.secret", []byte("canary-robot-secret"))}}
	collector := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(rw, "nobody knows %s", r.Header) // which is what it was shown
	}))
	defer collector.Close()
	w.cfg.Tracing = Tracing{Endpoint: collector.URL, Sample: 1, ServiceName: "hisgate", HeadersFile: w.put("headers", []byte("x-collector-token: canary-collector-token\n"))}
	w.put("feed.secret", []byte("canary-feed-secret"))
	w.cfg.Feeds = []Feed{{
		Name: "his", Driver: feedWebhook, MappingFile: w.put("feed.yaml", []byte("secrets: {key: {file: "+filepath.Join(w.dir, "feed.secret")+"}}\n"+feedMapping)),
		Webhook: FeedWebhook{KeyFile: w.put("feed.key", []byte("canary-feed-key-0123456789"))},
	}}
	w.cfg.Log.Audit = filepath.Join(w.dir, "audit.jsonl")
	file := w.writeConfig()
	canaries := []string{
		token, strings.TrimPrefix(token, "hg_"), "canary-folder-key-0123456789abcd", "canary-robot-key", "canary-robot-secret",
		"canary-collector-token", "canary-feed-secret", "canary-feed-key-0123456789",
		strings.Split(string(key), "\n")[1],
	}
	clean := func(where, text string) {
		t.Helper()
		keepsSecrets(t, where, text, canaries...)
	}
	h := w.open()
	tokenFile := w.put("token", []byte(token+"\n"))
	authorized := func(method, path, body string) answer {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "https://"+h.program.HTTPAddr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: ca.Trusts()}}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer{status: resp.StatusCode, body: b}
	}
	authorized(http.MethodPost, "/v1/orders", orderJSON("E2E-CANARY", "RESERVE", "D1", 3)).order(t)
	w.pay("E2E-CANARY")
	eventually(t, "the order", func() error {
		return want("its state", authorized(http.MethodGet, "/v1/orders/E2E-CANARY", "").order(t).GetStatus(), hisgatev1.Order_FULFILLED)
	})

	at := []string{"--server", h.program.GRPCAddr, "--ca-file", w.put("ca.pem", ca.PEM), "--token-file", tokenFile}
	bad := w.put("bad.yaml", append([]byte("cahce: {max_age: 1s}\n"), mustRead(t, file)...))
	ran := 0
	for _, args := range [][]string{
		{"version"},
		{"config", "check", "-c", file},
		{"config", "check", "-c", bad},
		{"config", "show", "-c", file},
		{"config", "show", "-c", bad},
		{"serve", "-c", file},
		{"serve", "-c", bad},
		{"serve", "-c", file, "--set", "wechat.api_v3_key_file=" + w.cfg.WeChat.MerchantKeyFile},
		{"doctor", "-c", file, "--lang", "en"},
		{"doctor", "-c", file, "--json"},
		{"health", "-c", file, "--set", "listen.ops=" + h.program.OpsAddr},
		{"alert", "test", "-c", file},
		{"service", "install", "-c", file, "--dry-run"},
		{"service", "status", "--name", "no-such-hisgate"},
		append([]string{"case", "list", "--all"}, at...),
		append([]string{"explain", "E2E-CANARY"}, at...),
		append([]string{"explain", "E2E-CANARY", "--json"}, at...),
		append([]string{"ledger", "verify"}, at...),
		append([]string{"ledger", "export", "--ended"}, at...),
		append([]string{"ledger", "export", "--ended", "--format", "table"}, at...),
		append([]string{"reconcile", "--show"}, at...),
		{"case", "list", "--server", h.program.GRPCAddr, "--ca-file", filepath.Join(w.dir, "ca.pem"), "--token-file", w.put("wrong", []byte(token+"x"))},
	} {
		out, errs, _ := hisgate(t, args...)
		clean("hisgate "+strings.Join(args[:min(2, len(args))], " "), out+errs)
		ran += len(out + errs)
	}
	if ran < 5000 {
		t.Errorf("the commands said %d bytes altogether", ran)
	}
	bundle := filepath.Join(w.dir, "bundle.zip")
	log := w.put("some.log", []byte("a line with "+strings.Join(canaries, " and ")+"\n"))
	out, errs, code := hisgate(t, append([]string{"support-bundle", "-c", file, "-o", bundle, "--log", log}, at...)...)
	if clean("hisgate support-bundle", out+errs); code != 0 {
		t.Fatalf("%d %s", code, errs)
	}
	for name, text := range unzipped(t, bundle) {
		clean("the bundle's "+name, text)
	}
	clean("the audit file", string(mustRead(t, w.cfg.Log.Audit)))
	clean("the log", h.log.String())
	clean("the metrics", string(api{t: t, base: "http://" + h.program.OpsAddr}.get("/metrics").body))
}

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
