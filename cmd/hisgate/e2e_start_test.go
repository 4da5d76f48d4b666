package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/payflow/wechatsim"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// What keeps hisgate from starting is said in a line that names the setting, and
// no key is in it.
func TestServeRefusesToStartAndNamesTheSetting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	file := w.writeConfig()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { busy.Close() })
	put := func(name, content string) string {
		path := filepath.Join(w.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := os.ReadFile(w.cfg.WeChat.MerchantKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	middle := strings.Split(string(key), "\n")[3]
	cut := put("cut.pem", string(key[:len(key)/2]))
	put("junk/MANIFEST", "no manifest of Badger's")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		set  string
		says []string
	}{
		"busy port":               {"listen.http=" + busy.Addr().String(), []string{"listen.http", "address already in use"}},
		"open to the network":     {"listen.grpc=0.0.0.0:0", []string{"listen.grpc", "loopback"}},
		"no port":                 {"listen.ops=127.0.0.1", []string{"listen.ops", "host:port"}},
		"data folder is a file":   {"data_dir=" + file, []string{"data_dir", file}},
		"data folder unusable":    {"data_dir=/proc/hisgate", []string{"data_dir", "/proc/hisgate"}},
		"data folder is junk":     {"data_dir=" + filepath.Join(w.dir, "junk"), []string{"data_dir", "junk"}},
		"unknown setting":         {"listen.htp=127.0.0.1:0", []string{"listen.htp", "no such setting"}},
		"bad duration":            {"cache.max_age=soon", []string{"cache.max_age", "soon"}},
		"bad choice":              {"payment.strategy=GUESS", []string{"payment.strategy", "GUESS", "RESERVE"}},
		"missing secret file":     {"wechat.merchant_key_file=" + filepath.Join(w.dir, "none.pem"), []string{"wechat.merchant_key_file", "none.pem"}},
		"secret file is a folder": {"wechat.api_v3_key_file=" + w.dir, []string{"wechat.api_v3_key_file", w.dir}},
		"not a key":               {"wechat.merchant_key_file=" + put("bad.pem", "no key at all"), []string{"wechat.merchant_key_file"}},
		"half a key":              {"wechat.merchant_key_file=" + cut, []string{"wechat.merchant_key_file"}},
		"short APIv3 key":         {"wechat.api_v3_key_file=" + put("short.key", "only-a-few-bytes"), []string{"wechat.api_v3_key_file", "32"}},
		"not a public key":        {"wechat.public_key_file=" + put("pub.pem", "nothing"), []string{"wechat.public_key_file"}},
		"empty encryption key":    {"storage.encryption_key_file=" + put("empty.key", ""), []string{"storage.encryption_key_file", "empty"}},
		"encryption key's length": {"storage.encryption_key_file=" + put("enc.key", "seven b"), []string{"storage.encryption_key_file", "16, 24 or 32"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, self, "serve", "-c", file, "--set", "data_dir="+t.TempDir(), "--set", tc.set)
			cmd.Args[0] = "hisgate"
			out, err := cmd.CombinedOutput()
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Fatalf("it ended with %v:\n%s", err, out)
			}
			for _, says := range append(tc.says, "hisgate: ") {
				if !strings.Contains(lastLine(out), says) {
					t.Errorf("%q does not say %q", lastLine(out), says)
				}
			}
			for what, secret := range map[string]string{"key": middle, "short key": "only-a-few-bytes", "encryption key": "seven b", "bad key": "no key at all"} {
				if strings.Contains(string(out), secret) {
					t.Errorf("the %s is told: %s", what, out)
				}
			}
		})
	}
}

// health is the answer of /readyz.
type health struct {
	Status  string
	Reasons []string
}

func (h *house) ready(t *testing.T) (got health) {
	t.Helper()
	a := api{t: t, base: "http://" + h.program.OpsAddr}.get("/readyz")
	if err := json.Unmarshal(a.body, &got); err != nil || a.status != http.StatusOK {
		t.Fatalf("/readyz: %d %s", a.status, a.body)
	}
	return got
}

// HIS and WeChat Pay away at the start: hisgate starts, says so, and goes on by
// itself when they come.
func TestStartsWhileNothingAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.shelve("D1", 10)
	w.sims.HIS.SetDown(true)
	w.wechatFault(wechatsim.Fault{Kind: wechatsim.KindResetBefore, Times: -1})
	h := w.open()
	eventually(t, "degraded", func() error {
		got := h.ready(t)
		all := strings.ToLower(strings.Join(got.Reasons, "; "))
		if got.Status != "degraded" || !strings.Contains(all, "his") || !strings.Contains(all, "wechat") {
			return errors.New(got.Status + ": " + all)
		}
		return nil
	})
	h.post("/v1/locks", lockJSON("AWAY-1", "D1", 3, "60s")).refused(t, http.StatusServiceUnavailable, hisgatev1.Reason_HIS_UNAVAILABLE)
	h.get("/v1/stock/D1?pharmacy_id=HLWYF").refused(t, http.StatusServiceUnavailable, hisgatev1.Reason_HIS_UNAVAILABLE)
	if all := strings.Join(h.ready(t).Reasons, "; "); strings.Contains(all, "not reached") {
		t.Errorf("that the HIS is away is said twice: %s", all)
	}
	h.sims.HIS.SetDown(false)
	eventually(t, "the HIS", func() error {
		return want("status", h.get("/v1/stock/D1?pharmacy_id=HLWYF").status, http.StatusOK)
	})
	h.post("/v1/orders", orderJSON("E2E-AWAY", "RESERVE", "D1", 3)) // held; the prepay has to wait
	w.sims.WeChat.ClearFaults()
	eventually(t, "the prepay", func() error {
		return want("next", h.get("/v1/orders/E2E-AWAY").order(t).GetNext(), hisgatev1.Order_PAY)
	})
	h.pay("E2E-AWAY")
	h.await("E2E-AWAY", hisgatev1.Order_FULFILLED)
	eventually(t, "health", func() error { return want("status", h.ready(t).Status, "ok") })
	h.audit(h.api)
}

// Nobody listens where the HIS should be, nor where WeChat Pay should.
func TestStartsWithNobodyListening(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true, func(c *Config, _ *settings) {
		c.HIS.SimHIS.URL, c.WeChat.APIBaseURL = "http://127.0.0.1:1", "http://127.0.0.1:1"
	})
	eventually(t, "degraded", func() error { return want("status", h.ready(t).Status, "degraded") })
	h.post("/v1/locks", lockJSON("AWAY-1", "D1", 3, "60s")).refused(t, http.StatusServiceUnavailable, hisgatev1.Reason_HIS_UNAVAILABLE)
}

// hisgate health says with its status whether requests are taken; degraded is well.
func TestHealthCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	_, stderr, code := hisgate(t, "health", "-c", w.writeConfig(), "--set", "listen.ops=127.0.0.1:1")
	if code != exitNobody || !strings.Contains(stderr, "no hisgate answers") {
		t.Errorf("nobody there: %d %s", code, stderr)
	}
	h := w.open()
	out, stderr, code := hisgate(t, "health", "-c", w.writeConfig(), "--set", "listen.ops="+h.program.OpsAddr)
	if code != 0 || !strings.Contains(out, `"status"`) {
		t.Errorf("%d %s%s", code, out, stderr)
	}
	h.program.edge.Drain()
	if out, _, code = hisgate(t, "health", "-c", w.writeConfig(), "--set", "listen.ops="+h.program.OpsAddr); code != exitNo || !strings.Contains(out, "shutting down") {
		t.Errorf("draining: %d %s", code, out)
	}
}
