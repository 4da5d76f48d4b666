package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/gateway/server"
)

// Posts to feeds and callbacks have a number as everything else over HTTP, the
// sender's or one of their own, also when they are refused.
func TestEveryAnswerOverHTTPHasANumber(t *testing.T) {
	var seen string
	w := newWorld(t, newFakePay(), func(o *server.Options) {
		o.Feeds = map[string]http.Handler{"counter": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = r.Header.Get("X-Request-Id")
			w.WriteHeader(http.StatusUnauthorized)
		})}
	})
	for _, path := range []string{"/v1/feeds/counter/webhook", "/v1/feeds/none/webhook", "/wechat/v1/payment", "/wechat/v1/nothing", "/docs/", "/openapi.json", "/nothing"} {
		for given, keep := range map[string]bool{"": false, "the-sender-s-1": true, "two words": false} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.rest.URL+path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			if given != "" {
				r.Header.Set("X-Request-Id", given)
			}
			resp, err := w.rest.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			id := resp.Header.Values("X-Request-Id")
			if len(id) != 1 || id[0] == "" || (id[0] == given) != keep {
				t.Errorf("POST %s with %q: %d, X-Request-Id %q", path, given, resp.StatusCode, id)
			}
			if path == "/v1/feeds/counter/webhook" && seen != id[0] {
				t.Errorf("the feed knows it as %q, the sender as %q", seen, id)
			}
		}
	}
}

// Browsers are told to speak TLS alone to this host where the setting says so, and
// only over TLS: without it anybody on the way could have said it.
func TestStrictTransportSecurity(t *testing.T) {
	for name, tt := range map[string]struct {
		life time.Duration
		tls  bool
		want string
	}{
		"not set":     {0, true, ""},
		"without TLS": {time.Hour, false, ""},
		"over TLS":    {365 * 24 * time.Hour, true, "max-age=31536000"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newFakePay(), func(o *server.Options) {
				o.HSTS = tt.life
				o.Feeds = map[string]http.Handler{"counter": http.NotFoundHandler()}
			})
			srv := httptest.NewUnstartedServer(w.srv.Public(true))
			if tt.tls {
				srv.StartTLS()
			} else {
				srv.Start()
			}
			defer srv.Close()
			for _, path := range []string{stockPath, "/docs/", "/nothing", "/v1/feeds/counter/webhook", "/wechat/v1/payment"} {
				resp, err := srv.Client().Get(srv.URL + path)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if got := resp.Header.Get("Strict-Transport-Security"); got != tt.want {
					t.Errorf("%s: %q, want %q", path, got, tt.want)
				}
			}
		})
	}
}
