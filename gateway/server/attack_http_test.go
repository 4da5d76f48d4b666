package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/hisgate/hisgate/gateway/server/access"
)

// raw sends bytes as they are, then a request that is the last, and returns the
// answers that come back before its own.
func (w *world) raw(t *testing.T, request string) (answers []*http.Response, bodies []string) {
	t.Helper()
	c, err := net.Dial("tcp", w.rest.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil { // only a failure takes it
		t.Fatal(err)
	}
	const last = "GET /last HTTP/1.1\r\nHost: h\r\nX-Request-Id: the-last\r\nConnection: close\r\n\r\n"
	if _, err := io.WriteString(c, request+last); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.Header.Get("X-Request-Id") == "the-last" {
			return answers, bodies
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		answers, bodies = append(answers, resp), append(bodies, string(body))
	}
}

// Requests that a proxy and hisgate might read differently are refused, and nothing
// that hides in them is taken for a request of its own.
func TestRequestsWithinRequestsAreRefused(t *testing.T) {
	w := newWorld(t, newFakePay())
	hidden := "POST /v1/locks HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
	body := lockBody("SMUGGLED", "00010041", 1)
	inner := fmt.Sprintf(hidden, len(body), body)
	for name, request := range map[string]string{
		"length and chunks":       fmt.Sprintf("POST /v1/stock:batchGet HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", len(inner)+5) + inner,
		"two lengths":             fmt.Sprintf("POST /v1/stock:batchGet HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: %d\r\n\r\n", len(inner)) + inner,
		"chunks, written oddly":   "POST /v1/stock:batchGet HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inner,
		"chunks twice":            "POST /v1/stock:batchGet HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + inner,
		"a length with a sign":    fmt.Sprintf("POST /v1/stock:batchGet HTTP/1.1\r\nHost: h\r\nContent-Length: +%d\r\n\r\n", len(inner)) + inner,
		"a space before a colon":  "POST /v1/stock:batchGet HTTP/1.1\r\nHost: h\r\nContent-Length : 0\r\n\r\n" + inner,
		"a folded header":         "POST /v1/stock:batchGet HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + inner,
		"a bare carriage return":  "POST /v1/stock:batchGet HTTP/1.1\r\nHost: h\rContent-Length: 0\r\n\r\n" + inner,
		"a null in a header":      "GET /v1/locks HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n" + inner,
		"no host":                 "GET /v1/locks HTTP/1.1\r\n\r\n" + inner,
		"two hosts":               "GET /v1/locks HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + inner,
		"a host that is a path":   "GET /v1/locks HTTP/1.1\r\nHost: a/b?c\r\n\r\n" + inner,
		"no such version":         "GET /v1/locks HTTP/9.9\r\nHost: h\r\n\r\n" + inner,
		"a method with a newline": "GET\n/v1/locks HTTP/1.1\r\nHost: h\r\n\r\n" + inner,
	} {
		t.Run(name, func(t *testing.T) {
			answers, bodies := w.raw(t, request)
			for i, a := range answers {
				if a.StatusCode < 400 || i > 0 {
					t.Errorf("answer %d is %s: %s", i, a.Status, bodies[i])
				}
			}
		})
	}
	if code, _, out := w.call(t, "GET", "/v1/locks/SMUGGLED", ""); code != http.StatusNotFound {
		t.Errorf("what was hidden was done: %d %v", code, out)
	}
}

// Without a token no path leads anywhere, however it is written; and nothing sends
// a client elsewhere.
func TestPathTricksReachNothing(t *testing.T) {
	w, tokens := guardedWorld(t, newFakePay())
	lock := func(path string) string {
		body := lockBody("TRICK", "00010041", 1)
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Original-URL: /openapi.json\r\nX-Rewrite-URL: /openapi.json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	}
	get := func(path string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Prefix: /evil\r\nX-Forwarded-Proto: https\r\n\r\n"
	}
	for _, path := range []string{
		"/v1/locks", "//v1/locks", "/v1//locks", "/v1/locks/", "/./v1/locks", "/v1/./locks", "/v1/../v1/locks", "/x/../v1/locks",
		"/openapi.json/../v1/locks", "/openapi.json/..;/v1/locks", "/openapi.json;/v1/locks", "/openapi.json%2f..%2fv1/locks", "/openapi.json%00/v1/locks",
		"/wechat/../v1/locks", "/wechat/..%2fv1/locks", "/wechat/%2e%2e/v1/locks", "/wechat/v1/payment/../../../v1/locks", "/wechat/..;/v1/locks", "/wechat//v1/locks",
		"/v1/locks;a=b", "/v1/locks%3b", "/v1/locks%20", "/v1/locks%09", "/v1/locks%00", "/v1/locks#x", "/V1/LOCKS", "/v1/loc%6bs", "/%76%31/locks", "/v1%2flocks", "/v1%5clocks",
		"/v1\\locks", "/v1/locks%252f", "/v1/locks?", "/v1/locks?/openapi.json", "http://evil.example/v1/locks", "http://evil.example//v1/locks", "*",
		"/hisgate.v1.LockService/Lock", "/hisgate.v1.LockService/ListLocks", "/grpc.health.v1.Health/../hisgate.v1.LockService/Lock", "/metrics", "/livez", "/debug/pprof/",
	} {
		for _, request := range []string{get(path), lock(path)} {
			answers, bodies := w.raw(t, request)
			if len(answers) != 1 {
				t.Errorf("%.40q: %d answers", request, len(answers))
				continue
			}
			a := answers[0]
			if a.StatusCode < 400 || a.StatusCode >= 500 {
				t.Errorf("%.60q: %s, to %q: %.200s", request, a.Status, a.Header.Get("Location"), bodies[0])
			}
			if said := fmt.Sprint(a.Header, bodies[0]); strings.Contains(said, "evil") {
				t.Errorf("%.60q: what the client says of itself comes back: %s", request, said)
			}
		}
	}
	if out := w.as(t, tokens[access.Admin], "/v1/locks"); !strings.Contains(out, `"locks":[]`) {
		t.Errorf("a trick made a lock: %s", out)
	}
}

// as reads a path with a token, and returns the body without spaces.
func (w *world) as(t *testing.T, token, path string) string {
	t.Helper()
	_, bodies := w.raw(t, "GET "+path+" HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer "+token+"\r\n\r\n")
	if len(bodies) != 1 {
		t.Fatalf("%d answers", len(bodies))
	}
	return strings.ReplaceAll(bodies[0], " ", "")
}

// Over REST the same roles are asked for as over gRPC, by every route.
func TestEveryRouteNeedsItsRole(t *testing.T) {
	w, tokens := guardedWorld(t, newFakePay())
	seen := 0
	for _, full := range methods(w) {
		if !strings.HasPrefix(full, "/hisgate.v1.") {
			continue
		}
		service, name, _ := strings.Cut(strings.TrimPrefix(full, "/"), "/")
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + name))
		if err != nil {
			t.Fatal(err)
		}
		rule, _ := proto.GetExtension(d.Options(), annotations.E_Http).(*annotations.HttpRule)
		verb, path, body := http.MethodPost, rule.GetPost(), "{}"
		if path == "" {
			verb, path, body = http.MethodGet, rule.GetGet(), ""
		}
		for strings.Contains(path, "{") {
			at, end := strings.IndexByte(path, '{'), strings.IndexByte(path, '}')
			path = path[:at] + "NONE-001" + path[end+1:]
		}
		ask := func(token string) int {
			r, err := http.NewRequestWithContext(t.Context(), verb, w.rest.URL+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			resp, err := w.rest.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp.StatusCode
		}
		seen++
		if code := ask(""); code != http.StatusUnauthorized {
			t.Errorf("%s %s without a token: %d", verb, path, code)
		}
		for r, token := range tokens {
			if code := ask(token); (code == http.StatusForbidden) == mayCall(r, full) || code == http.StatusUnauthorized {
				t.Errorf("%s %s as %s: %d", verb, path, r, code)
			}
		}
	}
	if seen < 34 {
		t.Fatalf("only %d routes", seen)
	}
}
