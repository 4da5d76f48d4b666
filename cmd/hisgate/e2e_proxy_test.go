package main

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hisgate/hisgate/internal/testca"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// newForwardProxy is a forward proxy as hospitals have them, which lets those
// through who show name and password; let counts them.
func newForwardProxy(t *testing.T, account string) (addr string, let *atomic.Int64) {
	t.Helper()
	let = new(atomic.Int64)
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(account))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != want {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		there, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer there.Close()
		let.Add(1)
		w.WriteHeader(http.StatusOK)
		here, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer here.Close()
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(there, buffered); there.Close() })
		both.Go(func() { _, _ = io.Copy(here, there); here.Close() })
		both.Wait()
	}))
	t.Cleanup(s.Close)
	return s.URL, let
}

// An order is paid by way of a forward proxy that wants a password: over HTTPS,
// whatever the environment says of proxies. The doctor goes the same way, and the
// password stands nowhere.
func TestWeChatBehindAForwardProxy(t *testing.T) {
	t.Parallel()
	const account = "hisgate:pass-word-of-the-proxy"
	w := newWorld(t, true)
	w.shelve("D1", 10)
	ca := testca.New(t, "out there")
	far := httptest.NewUnstartedServer(w.sims.WeChat.Handler())
	far.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Pair("wechat", time.Hour)}}
	far.StartTLS()
	defer far.Close()
	proxy, let := newForwardProxy(t, account)
	w.cfg.WeChat.APIBaseURL = far.URL
	w.cfg.WeChat.ProxyURL, w.cfg.WeChat.ProxyAuthFile = proxy, w.put("proxy.auth", []byte(account+"\n"))
	environ := []string{"SSL_CERT_FILE=" + w.put("roots.pem", ca.PEM), "HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1"}

	cmd := command(t, quickName, "-c", w.writeConfig())
	cmd.Env = append(cmd.Env, environ...)
	p := w.run(cmd)
	p.create("E2E-PROXY", "RESERVE", "D1", 3)
	w.pay("E2E-PROXY")
	p.await("E2E-PROXY", hisgatev1.Order_FULFILLED)
	if let.Load() == 0 {
		t.Error("the proxy was not asked")
	}
	keepsSecrets(t, "the log", p.log.String(), "pass-word-of-the-proxy")
	w.audit(p.api)
	p.kill()

	doctor := command(t, "hisgate", "doctor", "-c", w.writeConfig(), "--lang", "en")
	doctor.Env = append(doctor.Env, environ...)
	out, err := doctor.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "by way of http://") || strings.Contains(string(out), "pass-word-of-the-proxy") {
		t.Errorf("the doctor: %v\n%s", err, out)
	}

	// With a wrong password hisgate starts, says what is the matter, and has not
	// sent a thing.
	w.put("proxy.auth", []byte("hisgate:wrong"))
	before := let.Load()
	cmd = command(t, quickName, "-c", w.writeConfig())
	cmd.Env = append(cmd.Env, environ...)
	p = w.run(cmd)
	eventually(t, "the reason", func() error {
		body := string(api{t: t, base: p.ops}.get("/readyz").body)
		if !strings.Contains(body, "the forward proxy answers 407") {
			return errors.New(body)
		}
		return nil
	})
	if let.Load() != before {
		t.Error("the proxy let it through")
	}
}

// An address of a proxy is shown, so that a password in it is refused; what is
// not one is refused too.
func TestProxySettings(t *testing.T) {
	w := newWorld(t, true)
	for set, says := range map[string]string{
		"http://li:secret-word@10.0.0.1:3128": "wechat.proxy_auth_file",
		"10.0.0.1:3128":                       "wechat.proxy_url",
		"ftp://10.0.0.1":                      "wechat.proxy_url",
		"http://10.0.0.1:3128/path":           "wechat.proxy_url",
		"http://10.0.0.1:3128":                "",
		"socks5://10.0.0.1:1080":              "",
		"direct":                              "",
	} {
		w.cfg.WeChat.ProxyURL = set
		err := w.cfg.Validate(nil)
		if (err == nil) != (says == "") || err != nil && (!strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret-word")) {
			t.Errorf("%s: %v", set, err)
		}
	}
	w.cfg.WeChat.ProxyURL, w.cfg.WeChat.ProxyAuthFile = "http://10.0.0.1:3128", w.put("auth", []byte("no colon"))
	if _, err := w.cfg.WeChat.proxy(); err == nil || strings.Contains(err.Error(), "no colon") {
		t.Errorf("%v", err)
	}
	w.cfg.WeChat.ProxyURL = noProxy
	way, err := w.cfg.WeChat.proxy()
	if err != nil {
		t.Fatal(err)
	}
	if u, err := way(&http.Request{URL: &url.URL{Scheme: "https", Host: "api.mch.weixin.qq.com"}}); u != nil || err != nil {
		t.Errorf("direct goes by %v, %v", u, err)
	}
}
