package feed_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

var (
	key      = []byte("a key of 16 bytes")
	otherKey = []byte("another, for the change")
)

// hook is a webhook with a clock of its own.
type hook struct {
	*feed.Webhook
	f     *feed.Feed
	shelf *shelf
	now   time.Time
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{shelf: new(shelf), now: time.Unix(1795309267, 500)}
	letters, _ := newLetters(t)
	h.f = newFeed(t, feed.Options{Apply: h.shelf.apply, Letters: letters, Now: func() time.Time { return h.now }})
	var err error
	if h.Webhook, err = feed.NewWebhook(h.f, key, otherKey); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(time.Hour) // long after the start
	return h
}

// signed is a post as it should be.
func (h *hook) signed(nonce, body string) *http.Request {
	return signedAt(h.now, key, nonce, body)
}

func signedAt(at time.Time, key []byte, nonce, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/feeds/mq/webhook", strings.NewReader(body))
	timestamp := strconv.FormatInt(at.Unix(), 10)
	r.Header.Set(feed.TimestampHeader, timestamp)
	r.Header.Set(feed.NonceHeader, nonce)
	r.Header.Set(feed.SignatureHeader, feed.Sign(key, timestamp, nonce, []byte(body)))
	return r
}

func (h *hook) post(r *http.Request) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

const someStock = `{"d": "A", "q": 4}`

func TestAPostTakesEffectBeforeItsAnswer(t *testing.T) {
	h := newHook(t)
	if code := h.post(h.signed("nonce-01", someStock)); code != http.StatusNoContent {
		t.Errorf("answered %d", code)
	}
	if n, ok := h.shelf.figure("A"); !ok || n != 4 {
		t.Errorf("A is %d, %v", n, ok)
	}
	if code := h.post(signedAt(h.now, otherKey, "nonce-02", someStock)); code != http.StatusNoContent {
		t.Errorf("signed by the other key: answered %d", code)
	}
}

func TestPostsThatAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		code int
		edit func(h *hook, r *http.Request) *http.Request
	}{
		{"another method", 405, func(_ *hook, r *http.Request) *http.Request { r.Method = http.MethodGet; return r }},
		{"no signature", 401, func(_ *hook, r *http.Request) *http.Request { r.Header.Del(feed.SignatureHeader); return r }},
		{"two signatures", 401, func(_ *hook, r *http.Request) *http.Request {
			r.Header.Add(feed.SignatureHeader, r.Header.Get(feed.SignatureHeader))
			return r
		}},
		{"a signature that is none", 401, func(_ *hook, r *http.Request) *http.Request {
			r.Header.Set(feed.SignatureHeader, "sha256=00")
			return r
		}},
		{"another key", 401, func(h *hook, _ *http.Request) *http.Request {
			return signedAt(h.now, []byte("not the key at all"), "nonce-01", someStock)
		}},
		{"another body", 401, func(_ *hook, r *http.Request) *http.Request {
			r.Body = http.NoBody
			return r
		}},
		{"another nonce", 401, func(_ *hook, r *http.Request) *http.Request { r.Header.Set(feed.NonceHeader, "nonce-99"); return r }},
		{"another time", 401, func(h *hook, r *http.Request) *http.Request {
			r.Header.Set(feed.TimestampHeader, strconv.FormatInt(h.now.Unix()+1, 10))
			return r
		}},
		{"a short nonce", 401, func(h *hook, _ *http.Request) *http.Request { return h.signed("1", someStock) }},
		// The signature would fit, of a body that nobody signed.
		{"a part of the body as nonce", 401, func(h *hook, _ *http.Request) *http.Request {
			whole := h.signed("nonce-01", "one."+someStock)
			r := h.signed("nonce-01.one", someStock)
			r.Header.Set(feed.SignatureHeader, whole.Header.Get(feed.SignatureHeader))
			return r
		}},
		{"no time", 401, func(_ *hook, r *http.Request) *http.Request { r.Header.Set(feed.TimestampHeader, "now"); return r }},
		{"too old", 401, func(h *hook, _ *http.Request) *http.Request {
			return signedAt(h.now.Add(-feed.Window-time.Second), key, "nonce-01", someStock)
		}},
		{"too far ahead", 401, func(h *hook, _ *http.Request) *http.Request {
			return signedAt(h.now.Add(feed.Window+2*time.Second), key, "nonce-01", someStock)
		}},
		{"too long", 413, func(h *hook, _ *http.Request) *http.Request {
			return h.signed("nonce-01", strings.Repeat(" ", feed.MaxMessage+1))
		}},
		{"unreadable", 422, func(h *hook, _ *http.Request) *http.Request { return h.signed("nonce-01", "{]") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHook(t)
			if code := h.post(tc.edit(h, h.signed("nonce-01", someStock))); code != tc.code {
				t.Errorf("answered %d, want %d", code, tc.code)
			}
			if _, ok := h.shelf.figure("A"); ok {
				t.Error("it took effect")
			}
			st := h.f.State()
			if wantDead := tc.code == 422; (st.Dead == 1) != wantDead || (st.Refused == 1) == wantDead {
				t.Errorf("got %+v", st)
			}
		})
	}
}

// A post is taken once, for as long as its timestamp would be good.
func TestReplaysAreRefused(t *testing.T) {
	h := newHook(t)
	at := h.now.Add(feed.Window) // a sender whose clock is as far ahead as may be
	again := func() *http.Request { return signedAt(at, key, "nonce-01", someStock) }
	if code := h.post(again()); code != http.StatusNoContent {
		t.Fatalf("answered %d", code)
	}
	for i := range 60 {
		h.now = h.now.Add(11 * time.Second)
		if code := h.post(again()); code != http.StatusConflict && code != http.StatusUnauthorized {
			t.Fatalf("a replay after %v was answered %d", time.Duration(i+1)*11*time.Second, code)
		}
		if code := h.post(h.signed("other-"+strconv.Itoa(i+100), someStock)); code != http.StatusNoContent {
			t.Fatalf("another post was answered %d", code)
		}
	}
	if st := h.f.State(); st.Applied != 61 {
		t.Errorf("%d were applied", st.Applied)
	}
}

// After a start nobody remembers the posts before it.
func TestPostsFromBeforeTheStartAreRefused(t *testing.T) {
	h := newHook(t)
	fresh, err := feed.NewWebhook(h.f, key)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	fresh.ServeHTTP(w, signedAt(h.now, key, "nonce-01", someStock))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("of the second of the start: answered %d", w.Code)
	}
	h.now = h.now.Add(2 * time.Second)
	w = httptest.NewRecorder()
	fresh.ServeHTTP(w, signedAt(h.now, key, "nonce-01", someStock))
	if w.Code != http.StatusNoContent {
		t.Errorf("a later one: answered %d", w.Code)
	}
}

// A post that did not take effect may come again as it is.
func TestAPostThatWasNotTakenMayComeAgain(t *testing.T) {
	h := newHook(t)
	h.shelf.gate = make(chan struct{})
	r := h.signed("nonce-01", someStock)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if code := h.post(r.WithContext(ctx)); code != http.StatusServiceUnavailable {
		t.Errorf("answered %d", code)
	}
	close(h.shelf.gate)
	if code := h.post(h.signed("nonce-01", someStock)); code != http.StatusNoContent {
		t.Errorf("the second time: answered %d", code)
	}
}

// While a post is under way nobody can say yet that it is done.
func TestAPostThatIsUnderWayIsNotDone(t *testing.T) {
	h := newHook(t)
	h.shelf.gate = make(chan struct{})
	h.shelf.waiting = make(chan struct{}, 1)
	first := make(chan int)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { first <- h.post(h.signed("nonce-01", someStock).WithContext(ctx)) }()
	<-h.shelf.waiting
	if code := h.post(h.signed("nonce-01", someStock)); code != http.StatusServiceUnavailable {
		t.Errorf("meanwhile: answered %d", code)
	}
	cancel()
	if code := <-first; code != http.StatusServiceUnavailable {
		t.Errorf("the first: answered %d", code)
	}
	close(h.shelf.gate)
	for _, want := range []int{http.StatusNoContent, http.StatusConflict} {
		if code := h.post(h.signed("nonce-01", someStock)); code != want {
			t.Errorf("afterwards: answered %d, want %d", code, want)
		}
	}
	if n, ok := h.shelf.figure("A"); !ok || n != 4 {
		t.Errorf("A is %d, %v", n, ok)
	}
}

func TestKeysAreNotShort(t *testing.T) {
	f := newFeed(t, feed.Options{})
	for _, keys := range [][][]byte{nil, {[]byte("short")}, {key, []byte("short")}} {
		if _, err := feed.NewWebhook(f, keys...); err == nil {
			t.Errorf("%d keys were taken", len(keys))
		}
	}
}

// serve serves the webhook to senders whose addresses are what they say.
func (h *hook) serve(t *testing.T) (addr string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = r.Header.Get("X-From")
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// begin sends the header of a post and a part of its body.
func begin(t *testing.T, addr, from string, r *http.Request, part string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil { // only a failure takes it
		t.Fatal(err)
	}
	var head strings.Builder
	fmt.Fprintf(&head, "POST / HTTP/1.1\r\nHost: h\r\nX-From: %s\r\nContent-Length: %d\r\n", from, len(someStock))
	_ = r.Header.Write(&head) // to memory
	if _, err := io.WriteString(c, head.String()+"\r\n"+part); err != nil {
		t.Fatal(err)
	}
	return c
}

// Who has not the key may begin as many posts as he likes, with headers that look
// well, and never send their bodies: whoever has it is served, also when he comes
// from the same address.
func TestStrangersDoNotKeepTheSenderOut(t *testing.T) {
	const sender = "192.0.2.1:1"
	for name, from := range map[string]func(i int) string{
		"from one address":      func(int) string { return "198.51.100.1:1" },
		"from one network":      func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i) },
		"from very many":        func(i int) string { return fmt.Sprintf("198.51.%d.%d:1", i/200, i%200) },
		"from the sender's own": func(int) string { return sender },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHook(t)
			addr := h.serve(t)
			for i := range 300 {
				begin(t, addr, from(i), signedAt(h.now, []byte("not the key at all"), "nonce-01", someStock), someStock[:1])
				if i%10 != 9 {
					continue
				}
				c := begin(t, addr, sender, h.signed(fmt.Sprintf("nonce-%d", 100+i), someStock), someStock)
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusNoContent {
					t.Fatalf("after %d strangers the sender was answered %s", i+1, resp.Status)
				}
			}
		})
	}
}

// A body that is cut off for others is told to come again, and at once.
func TestABodyThatMakesRoomIsTold(t *testing.T) {
	h := newHook(t)
	addr := h.serve(t)
	first := begin(t, addr, "192.0.2.1:1", h.signed("nonce-first", someStock), "")
	for i := range 100 {
		begin(t, addr, "192.0.2.1:1", h.signed(fmt.Sprintf("nonce-%d", 1000+i), someStock), "")
	}
	resp, err := http.ReadResponse(bufio.NewReader(first), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" || !resp.Close {
		t.Errorf("it was answered %s %v, close %t", resp.Status, resp.Header, resp.Close)
	}
}

// A sender whose body takes its time is not cut off for a stranger who floods.
func TestASlowSenderOutlivesAFlood(t *testing.T) {
	h := newHook(t)
	addr := h.serve(t)
	c := begin(t, addr, "192.0.2.1:1", h.signed("nonce-slow", someStock), someStock[:1])
	for range 100 {
		begin(t, addr, "198.51.100.1:1", signedAt(h.now, []byte("not the key at all"), "nonce-01", someStock), someStock[:1])
	}
	if _, err := io.WriteString(c, someStock[1:]); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Errorf("it was answered %s", resp.Status)
	}
}
