package server_test

import (
	"net/http"
	"testing"

	"github.com/hisgate/hisgate/gateway/server"
)

const shop = "https://shop.example.cn"

func TestPagesOfElsewhereAreRefused(t *testing.T) {
	w := newWorld(t, newFakePay())
	for _, c := range []struct {
		name, method, path string
		header             []string
		code               int
	}{
		{"a form of elsewhere", "POST", "/v1/locks", []string{"Origin", shop, "Content-Type", "application/x-www-form-urlencoded"}, 403},
		{"the same, as new browsers say it", "POST", "/v1/locks", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a page without an origin", "POST", "/v1/locks", []string{"Origin", "null"}, 403},
		{"a preflight", "OPTIONS", "/v1/locks", []string{"Origin", shop, "Access-Control-Request-Method", "POST"}, 405},
		{"its own page", "POST", "/v1/locks", []string{"Sec-Fetch-Site", "same-origin", "Origin", w.rest.URL}, 200},
		{"no browser", "POST", "/v1/locks", nil, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, header, out := w.call(t, c.method, c.path, lockBody("R1", "00010041", 1), c.header...)
			if code != c.code {
				t.Errorf("%d %v, want %d", code, out, c.code)
			}
			if c.code == 403 && reasonIn(out) != "PERMISSION_DENIED" {
				t.Errorf("refused with %v", out)
			}
			for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Vary"} {
				if header.Get(name) != "" {
					t.Errorf("%s: %s", name, header.Get(name))
				}
			}
		})
	}
}

func TestPagesOfANamedOriginMayCall(t *testing.T) {
	w := newWorld(t, newFakePay(), func(o *server.Options) { o.Origins = []string{shop} })
	code, header, out := w.call(t, "OPTIONS", "/v1/locks", "", "Origin", shop, "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "authorization,content-type")
	if code != 204 || out != nil || header.Get("Access-Control-Allow-Origin") != shop || header.Get("Access-Control-Allow-Methods") != "GET, POST" ||
		header.Get("Access-Control-Allow-Headers") == "" || header.Get("Vary") != "Origin" || header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("preflight: %d %v", code, header)
	}
	code, header, out = w.call(t, "POST", "/v1/locks", lockBody("R1", "00010041", 1), "Origin", shop, "Sec-Fetch-Site", "cross-site")
	if code != 200 || header.Get("Access-Control-Allow-Origin") != shop || header.Get("Access-Control-Expose-Headers") == "" {
		t.Errorf("call: %d %v %v", code, header, out)
	}
	code, header, _ = w.call(t, "POST", "/v1/locks", lockBody("R2", "00010041", 1), "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	if code != 403 || header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another page: %d %v", code, header)
	}
}

func TestAnswersAreSafeForBrowsers(t *testing.T) {
	w := newWorld(t, newFakePay(), func(o *server.Options) {
		o.Feeds = map[string]http.Handler{"counter": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
		})}
	})
	for _, path := range []string{"/v1/guard", "/nothing", "/openapi.json", "/wechat/v1/payment", "/v1/feeds/counter/webhook"} {
		_, header, _ := w.call(t, "GET", path, "")
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if header.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, header.Get(name))
			}
		}
	}
}
