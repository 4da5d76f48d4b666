package server_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/gateway/server"
)

// event is one server-sent event.
type event struct {
	id, name, retry string
	data            map[string]any
	comment         bool // a heartbeat
}

// events follows a stream of events; next returns false at its end.
func events(t *testing.T, w *world, path string, header ...string) (next func() (event, bool)) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.rest.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := w.rest.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	h := res.Header
	if res.StatusCode != http.StatusOK || h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" ||
		h.Get("X-Accel-Buffering") != "no" || h.Get("X-Request-Id") == "" {
		t.Fatalf("%s: %d %v", path, res.StatusCode, h)
	}
	scan := bufio.NewScanner(res.Body)
	scan.Buffer(nil, 1<<20)
	return func() (e event, ok bool) {
		t.Helper()
		for scan.Scan() {
			name, value, _ := strings.Cut(scan.Text(), ": ")
			switch name {
			case "":
				if scan.Text() == "" {
					return e, true
				}
				e.comment = true
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "retry":
				e.retry = value
			case "data":
				if err := json.Unmarshal([]byte(value), &e.data); err != nil {
					t.Fatalf("%q: %v", value, err)
				}
			default:
				t.Fatalf("line %q", scan.Text())
			}
		}
		return event{}, false
	}
}

// mustEvent is the next event that is no heartbeat.
func mustEvent(t *testing.T, next func() (event, bool)) event {
	t.Helper()
	for {
		e, ok := next()
		if !ok {
			t.Fatal("the stream has ended")
		}
		if !e.comment {
			return e
		}
	}
}

func TestWatchStockAsEvents(t *testing.T) {
	w := newWorld(t, newFakePay())
	next := events(t, w, "/v1/stock:watch?pharmacy_id=HLWYF&drug_ids=00010041", "Accept", "application/json;q=0.1, text/event-stream; q=0.9")
	e := mustEvent(t, next)
	if e.id != "1" || e.name != "" || e.data["stock"].(map[string]any)["available"] != "1000" {
		t.Errorf("first: %+v", e)
	}
	w.mustCall(t, "POST", "/v1/locks", lockBody("R1", "00010041", 30))
	if e = mustEvent(t, next); e.id != "2" || e.data["stock"].(map[string]any)["held"] != "30" {
		t.Errorf("after the lock: %+v", e)
	}
	w.srv.Drain()
	if e = mustEvent(t, next); e.name != "failed" || e.retry == "" || reasonIn(e.data) != "SHUTTING_DOWN" {
		t.Errorf("at the drain: %+v", e)
	}
	if e, more := next(); more {
		t.Errorf("after the end: %+v", e)
	}
	code, header, out := w.call(t, "GET", "/v1/stock:watch?pharmacy_id=HLWYF&drug_ids=00010041", "", "Accept", "text/event-stream")
	if code != 503 || reasonIn(out) != "SHUTTING_DOWN" || header.Get("Retry-After") == "" || header.Get("Content-Type") != "application/json" {
		t.Errorf("while draining: %d %v %v", code, header, out)
	}
}

func TestWatchOrderAsEventsEndsWithTheOrder(t *testing.T) {
	w := newWorld(t, newFakePay())
	w.mustCall(t, "POST", "/v1/orders", orderBody("RX000001", "HOLD"))
	next := events(t, w, "/v1/orders/RX000001:watch")
	e := mustEvent(t, next)
	if e.data["status"] != "LOCKED" || e.id == "" || e.id != e.data["etag"] {
		t.Errorf("first: %+v", e)
	}
	w.mustCall(t, "POST", "/v1/orders/RX000001:cancel", "")
	last := e
	for e = mustEvent(t, next); e.name == ""; e = mustEvent(t, next) {
		last = e
	}
	if last.data["status"] != "CLOSED" || e.name != "end" || len(e.data) != 0 {
		t.Errorf("the order ended with %v, the stream with %+v", last.data["status"], e)
	}
	if e, more := next(); more {
		t.Errorf("after the end: %+v", e)
	}
}

// TestEventsFailAsCallsDo: what is wrong before the first event is answered with
// its status, and only what is watched is a stream of events.
func TestEventsFailAsCallsDo(t *testing.T) {
	w := newWorld(t, newFakePay(), func(o *server.Options) { o.Limits.Streams = 1 })
	w.mustCall(t, "POST", "/v1/orders", orderBody("RX000001", "HOLD"))
	held := events(t, w, "/v1/orders/RX000001:watch")
	mustEvent(t, held)
	for _, c := range []struct {
		path, accept, reason string
		code                 int
	}{
		{"/v1/orders/RX000001:watch", "text/event-stream", "RATE_LIMITED", 429},
		{"/v1/stock:watch?drug=1", "text/event-stream", "MALFORMED_REQUEST", 400},
		{"/v1/orders/RX000001", "text/event-stream", "", 200},
		{"/v1/orders/RX999999", "text/event-stream", "NOT_FOUND", 404},
	} {
		code, header, out := w.call(t, "GET", c.path, "", "Accept", c.accept)
		if code != c.code || reasonIn(out) != c.reason || header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %q %v", c.path, code, header.Get("Content-Type"), out)
		}
	}
	for _, c := range []struct {
		accept string
		events bool
	}{
		{"", false},
		{"*/*", false},
		{"text/event-stream;q=0", false},
		{"TEXT/Event-Stream", true},
	} {
		w := newWorld(t, nil)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.rest.URL+"/v1/stock:watch?pharmacy_id=HLWYF&drug_ids=BOX", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", c.accept)
		res, err := w.rest.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if got := res.Header.Get("Content-Type") == "text/event-stream"; got != c.events {
			t.Errorf("Accept %q: %s", c.accept, res.Header.Get("Content-Type"))
		}
	}
}

func TestSilentEventsBeat(t *testing.T) {
	w := newWorld(t, newFakePay(), func(o *server.Options) { o.Heartbeat = time.Millisecond })
	next := events(t, w, "/v1/stock:watch?pharmacy_id=HLWYF&drug_ids=BOX")
	mustEvent(t, next)
	for range 3 {
		if e, ok := next(); !ok || !e.comment {
			t.Fatalf("%+v, %v", e, ok)
		}
	}
}
