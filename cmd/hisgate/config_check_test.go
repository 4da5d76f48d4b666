package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// config check says beforehand what keeps a start from succeeding, by the setting,
// also when it stands in a file; it leaves nothing behind, and shows no key.
func TestConfigCheckReadsTheFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	good := w.cfg
	mustRun(t, "config", "check", "-c", w.writeConfig())
	other := layCertificateOnly(t, w.dir)
	for name, tt := range map[string]struct {
		spoil func(*Config)
		says  string
	}{
		"callers":         {func(c *Config) { c.Auth.CallersFile = w.put("c1.yaml", []byte("- {name: shop, roles: [boss]}\n")) }, "auth: callers: "},
		"no list":         {func(c *Config) { c.Auth.CallersFile = w.put("c2.yaml", []byte("shop")) }, "not a list of callers"},
		"certificate":     {func(c *Config) { c.TLS.CertFile, c.TLS.KeyFile = other, other }, "tls: certificate: "},
		"merchant's key":  {func(c *Config) { c.WeChat.MerchantKeyFile = w.put("bad.pem", []byte("no-key-at-all")) }, "wechat.merchant_key_file: "},
		"APIv3 key":       {func(c *Config) { c.WeChat.APIv3KeyFile = w.put("short", []byte("no-key-at-all")) }, "wechat.api_v3_key_file: "},
		"encryption key":  {func(c *Config) { c.Storage.EncryptionKeyFile = w.put("enc", []byte("no-key-at-all")) }, "has 13 bytes"},
		"audit in a file": {func(c *Config) { c.Log.Audit = filepath.Join(w.dir, "bad.pem", "audit.jsonl") }, "log.audit_file: "},
		"audit's folder":  {func(c *Config) { c.Log.Audit = filepath.Join(w.dir, "none", "audit.jsonl") }, "log.audit_file: "},
		"log is a folder": {func(c *Config) { c.Log.File = w.dir }, "log.file: "},
	} {
		w.cfg = good
		tt.spoil(&w.cfg)
		stdout, stderr, code := hisgate(t, "config", "check", "-c", w.writeConfig())
		if code != exitNo || stdout != "" || !strings.Contains(stderr, tt.says) || strings.Contains(stderr, "no-key-at-all") {
			t.Errorf("%s: %d %s%s, want %q", name, code, stdout, stderr, tt.says)
		}
		keepsSecrets(t, name, stderr)
	}
	w.cfg = good
	w.cfg.Log.Audit, w.cfg.Log.File = filepath.Join(w.dir, "audit.jsonl"), w.put("hisgate.log", []byte("as before\n"))
	mustRun(t, "config", "check", "-c", w.writeConfig())
	if _, err := os.Stat(w.cfg.Log.Audit); err == nil {
		t.Error("an audit file was made")
	}
	if b, err := os.ReadFile(w.cfg.Log.File); err != nil || string(b) != "as before\n" {
		t.Errorf("the log was changed: %q %v", b, err)
	}
	if left, err := filepath.Glob(filepath.Join(w.dir, ".hisgate-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func layCertificateOnly(t *testing.T, dir string) string {
	t.Helper()
	cert, _ := layCertificate(t, dir, "alone", time.Hour)
	return cert
}

// A service called hisgate, or hisgate-something, puts its addresses into the
// environment of every container of Kubernetes: these are no settings. A slip in
// the name of a setting is one still.
func TestEnvironmentOfKubernetesIsNoSetting(t *testing.T) {
	c := Default()
	settings := settingsOf(reflect.TypeFor[Config](), "")
	links := []string{
		"HISGATE_SERVICE_HOST=10.0.0.1", "HISGATE_SERVICE_PORT=8081", "HISGATE_SERVICE_PORT_WEBHOOK=8081", "HISGATE_PORT=tcp://10.0.0.1:8081",
		"HISGATE_PORT_8081_TCP=tcp://10.0.0.1:8081", "HISGATE_PORT_8081_TCP_PROTO=tcp", "HISGATE_PORT_8081_TCP_PORT=8081", "HISGATE_PORT_8081_TCP_ADDR=10.0.0.1",
		"HISGATE_WEBHOOK_SERVICE_HOST=10.0.0.2", "HISGATE_WEBHOOK_PORT_443_TCP=tcp://10.0.0.2:443",
	}
	if err := fromEnviron(&c, settings, links, map[string]string{}); err != nil {
		t.Error(err)
	}
	for _, s := range settings {
		if serviceLink.MatchString(s.Env) {
			t.Errorf("%s is a setting, and would never be read", s.Env)
		}
	}
	for _, slip := range []string{"HISGATE_LISTEN_PORTS=1", "HISGATE_PORTS=1", "HISGATE_SERVICE=1"} {
		if err := fromEnviron(&c, settings, []string{slip}, map[string]string{}); err == nil {
			t.Errorf("%s is taken", slip)
		}
	}
}
