package server_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// signed are the headers that WeChat signs with.
func signed() []string {
	return []string{"Wechatpay-Timestamp", "1", "Wechatpay-Nonce", "n", "Wechatpay-Signature", "s", "Wechatpay-Serial", "PUB_KEY_ID_1"}
}

func TestCallbacks(t *testing.T) {
	w := newWorld(t, newFakePay())
	twice := append(signed(), "Wechatpay-Serial", "other")
	tests := []struct {
		name, method, path, body string
		header                   []string
		code                     int
	}{
		{"good", "POST", "/wechat/v1/payment", "good", signed(), 200},
		{"good again", "POST", "/wechat/v1/payment", "good", signed(), 200},
		{"signature", "POST", "/wechat/v1/payment", "SIGNATURE", signed(), 401},
		{"stale", "POST", "/wechat/v1/payment", "STALE", signed(), 401},
		{"probe", "POST", "/wechat/v1/payment", "PROBE", signed(), 401},
		{"malformed", "POST", "/wechat/v1/payment", "MALFORMED", signed(), 400},
		{"merchant", "POST", "/wechat/v1/payment", "MERCHANT", signed(), 400},
		{"no keys", "POST", "/wechat/v1/payment", "KEYS_UNAVAILABLE", signed(), 503},
		{"fault", "POST", "/wechat/v1/payment", "broken", signed(), 500},
		{"panic", "POST", "/wechat/v1/payment", "panic", signed(), 500},
		{"refund", "POST", "/wechat/v1/refund", "x", signed(), 401},
		{"a header twice", "POST", "/wechat/v1/payment", "good", twice, 400},
		{"a header missing", "POST", "/wechat/v1/payment", "good", signed()[2:], 400},
		{"too large", "POST", "/wechat/v1/payment", strings.Repeat("x", 64<<10+1), signed(), 413},
		{"64 KiB", "POST", "/wechat/v1/payment", strings.Repeat("x", 64<<10), signed(), 400},
		{"GET", "GET", "/wechat/v1/payment", "", signed(), 405},
		{"elsewhere", "POST", "/wechat/v1/other", "", signed(), 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, _, out := w.call(t, tt.method, tt.path, tt.body, tt.header...)
			if code != tt.code || (out["code"] == "FAIL") != (code != 200) {
				t.Errorf("%d %v, want %d", code, out, tt.code)
			}
			if strings.Contains(out["message"].(string), "secret") {
				t.Errorf("the cause leaks: %v", out)
			}
		})
	}
	w.pay.mu.Lock()
	last := w.pay.last
	w.pay.mu.Unlock()
	if last.Timestamp != "1" || last.Nonce != "n" || last.Signature != "s" || last.Serial != "PUB_KEY_ID_1" || last.ReceivedAt.IsZero() {
		t.Errorf("payflow was handed %+v", last)
	}
}

func TestACallbackThatTakesTooLongComesAgain(t *testing.T) {
	pay := newFakePay()
	pay.hang = true
	w := newWorld(t, pay)
	if code, _, out := w.call(t, "POST", "/wechat/v1/payment", "good", signed()...); code != http.StatusServiceUnavailable {
		t.Errorf("%d %v", code, out)
	}
}

// A caller that sends its callback byte by byte is cut off in time, and keeps
// nobody else waiting meanwhile.
func TestASlowCallbackIsCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakePay())
	conn, err := net.Dial("tcp", w.rest.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil { // only a failure takes it
		t.Fatal(err)
	}
	head := "POST /wechat/v1/payment HTTP/1.1\r\nHost: hisgate\r\nContent-Length: 1000\r\n"
	for i, h := 0, signed(); i < len(h); i += 2 {
		head += h[i] + ": " + h[i+1] + "\r\n"
	}
	if _, err := conn.Write([]byte(head + "\r\n{")); err != nil {
		t.Fatal(err)
	}
	if code, _, out := w.call(t, "POST", "/wechat/v1/payment", "good", signed()...); code != http.StatusOK {
		t.Errorf("beside it a callback was answered %d %v", code, out)
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	answered := make(chan struct{})
	defer close(answered)
	go func() {
		for {
			select {
			case <-tick.C:
				if _, err := conn.Write([]byte(" ")); err != nil {
					return
				}
			case <-answered:
				return
			}
		}
	}()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "FAIL") || !res.Close {
		t.Errorf("it was answered %s, close %t: %s", res.Status, res.Close, body)
	}
}

// Anybody can send a callback, so that refusals have a few lines of the log a
// minute; one that was taken always has its line.
func TestAFloodOfCallbacksDoesNotFloodTheLog(t *testing.T) {
	w := newWorld(t, newFakePay())
	for range 200 {
		if code, _, _ := w.call(t, "POST", "/wechat/v1/payment", "SIGNATURE", signed()...); code != 401 {
			t.Fatalf("%d", code)
		}
	}
	w.call(t, "POST", "/wechat/v1/payment", "good", signed()...)
	w.call(t, "POST", "/wechat/v1/payment", "KEYS_UNAVAILABLE", signed()...)
	for says, want := range map[string][2]int{
		`"status":401`: {60, 120}, // two, where a minute ends in between
		`"status":200`: {1, 1}, `"status":503`: {1, 1},
	} {
		if n := strings.Count(w.log.String(), says); n < want[0] || n > want[1] {
			t.Errorf("%d lines with %s", n, says)
		}
	}
}
