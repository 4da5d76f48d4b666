package server_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestOpenAPIIsServedWithAnETag(t *testing.T) {
	w := newWorld(t, newFakePay())
	code, header, out := w.call(t, "GET", "/openapi.json", "")
	if code != 200 || out["swagger"] != "2.0" || header.Get("ETag") == "" {
		t.Fatalf("%d, ETag %q", code, header.Get("ETag"))
	}
	if code, _, _ := w.call(t, "GET", "/openapi.json", "", "If-None-Match", header.Get("ETag")); code != http.StatusNotModified {
		t.Errorf("asked again: %d", code)
	}
	if code, _, _ := w.call(t, "POST", "/openapi.json", ""); code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", code)
	}
}

// TestThePageNeedsNothingFromOutside: it is served whole, under a policy that
// lets it load nothing else, and its files name no other place.
func TestThePageNeedsNothingFromOutside(t *testing.T) {
	w := newWorld(t, nil)
	c := *w.rest.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	get := func(path string) (*http.Response, string) {
		t.Helper()
		res, err := c.Get(w.rest.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(b)
	}
	if res, _ := get("/docs"); res.StatusCode != http.StatusFound || res.Header.Get("Location") != "docs/" {
		t.Errorf("/docs: %d %q", res.StatusCode, res.Header.Get("Location"))
	}
	elsewhere := regexp.MustCompile(`(?i)\b(https?:)?//[a-z0-9]|\bstyle=|\bon[a-z]+=|javascript:|data:|innerHTML|\beval\b`)
	for path, kind := range map[string]string{"/docs/": "text/html", "/docs/page.js": "text/javascript", "/docs/page.css": "text/css"} {
		res, body := get(path)
		if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), kind+";") {
			t.Errorf("%s: %d %s", path, res.StatusCode, res.Header.Get("Content-Type"))
		}
		policy := res.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if found := elsewhere.FindString(body); found != "" {
			t.Errorf("%s has %q", path, found)
		}
		for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(body, -1) {
			if m[1] != "page.css" && m[1] != "page.js" && m[1] != "../openapi.json" {
				t.Errorf("%s names %s", path, m[1])
			}
		}
	}
	if res, _ := get("/docs/secret"); res.StatusCode != http.StatusNotFound {
		t.Errorf("/docs/secret: %d", res.StatusCode)
	}
}
