package simhis_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

func serve(t *testing.T, h *simhis.HIS) (d hisadapter.Driver, url string) {
	t.Helper()
	srv := httptest.NewServer(h.Handler())
	t.Cleanup(srv.Close)
	return simhis.Dial(srv.URL, srv.Client(), h.Capabilities()), srv.URL
}

// Both doors say the same of the same shelf.
func TestBothDoorsSayTheSame(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: able()})
	local := h.Driver()
	remote, _ := serve(t, h)
	ctx := t.Context()

	req := freezing("R1", line(drugA, 30))
	req.Attributes = map[string]string{"rx_no": "CF1"}
	f := must[hisadapter.Freeze](t)(remote.Freeze(ctx, req))
	if got := wantState(t, remote, "R1", hisadapter.Frozen); !got.Freeze.Expires.Equal(f.Expires) || got.Freeze.LockID != f.LockID {
		t.Errorf("found %+v, want %+v", got.Freeze, f)
	}
	keys := []hisadapter.Key{keyA, {PharmacyID: pharmacy, DrugID: bigID}, {PharmacyID: pharmacy, DrugID: "nothing"}}
	a := must[[]hisadapter.Reading](t)(local.QueryStock(ctx, keys))
	b := must[[]hisadapter.Reading](t)(remote.QueryStock(ctx, keys))
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("readings differ: %s", d)
	}
	place := placing("R1", line(drugA, 30))
	place.LockID, place.DrugsFen, place.TransactionID = f.LockID, 100, "4200"
	o := must[hisadapter.HISOrder](t)(remote.PlaceOrder(ctx, place))
	l1 := must[[]hisadapter.HISOrder](t)(local.ListOrders(ctx, time.Now()))
	l2 := must[[]hisadapter.HISOrder](t)(remote.ListOrders(ctx, time.Now()))
	if d := cmp.Diff(l1, l2); d != "" || len(l1) != 1 || cmp.Diff(l1[0], o) != "" {
		t.Errorf("lists differ: %s; %+v", d, l1)
	}
	_, err1 := local.PlaceOrder(ctx, placing("R2", line(drugA, 5000)))
	_, err2 := remote.PlaceOrder(ctx, placing("R2", line(drugA, 5000)))
	e1, _ := errors.AsType[*hisadapter.Error](err1)
	e2, _ := errors.AsType[*hisadapter.Error](err2)
	if d := cmp.Diff(e1, e2); d != "" {
		t.Errorf("refusals differ: %s", d)
	}
	if err := remote.CancelOrder(ctx, "R1", o.OrderNo); err != nil {
		t.Error(err)
	}
	wantState(t, remote, "R1", hisadapter.Released)
	wantOutcome(t, remote.Unfreeze(ctx, hisadapter.UnfreezeRequest{HisNo: "none"}), hisadapter.Find)
}

func TestQuantitiesBeyond2to53StayExact(t *testing.T) {
	const huge = 1<<53 + 1
	h := open(t, simhis.Config{Capabilities: able()})
	remote, url := serve(t, h)
	control(t, "POST", url+"/sim/stock", fmt.Sprintf(`{"pharmacy_id":"HLWYF","drug_id":"00010041","on_hand":%d}`, huge), `{}`)
	if got := onHand(t, remote, keyA); got != huge {
		t.Errorf("on hand %d, want %d", got, huge)
	}
}

// What comes over the wire is read honestly, whatever it is.
func TestDialReadsAnswersHonestly(t *testing.T) {
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Location", "/his/place_order")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		want    hisadapter.Outcome
	}{
		{"done", answer(200, "application/json", `{"code":"0","order":{"his_no":"R1","order_no":"CF1","lines":[]}}`), hisadapter.Done},
		{"done, for another", answer(200, "application/json", `{"code":"0","order":{"his_no":"R2","order_no":"CF1"}}`), hisadapter.Unknown},
		{"done, without an order", answer(200, "application/json", `{"code":"0","message":"成功"}`), hisadapter.Unknown},
		{"no code", answer(200, "application/json", `{}`), hisadapter.Unknown},
		{"unknown code", answer(200, "application/json", `{"code":"777"}`), hisadapter.Unknown},
		{"code of another type", answer(200, "application/json", `{"code":0}`), hisadapter.Unknown},
		{"duplicate", answer(200, "application/json", `{"code":"2001"}`), hisadapter.Find},
		{"busy", answer(200, "application/json", `{"code":"3001"}`), hisadapter.Busy},
		{"signature", answer(200, "application/json", `{"code":"4001"}`), hisadapter.Misconfigured},
		{"refused", answer(200, "application/json", `{"code":"1004"}`), hisadapter.Refused},
		{"junk after", answer(200, "application/json", `{"code":"1004"}{}`), hisadapter.Unknown},
		{"html", answer(200, "text/html", `<html>`), hisadapter.Unknown},
		{"empty", answer(200, "application/json", ``), hisadapter.Unknown},
		{"endless", answer(200, "application/json", `{"code":"0","message":"`+strings.Repeat("x", 2<<20)+`"}`), hisadapter.Unknown},
		{"redirect", answer(307, "text/html", ``), hisadapter.Unknown},
		{"redirect to a GET", answer(302, "text/html", ``), hisadapter.Unknown},
		{"502", answer(502, "text/html", ``), hisadapter.Unknown},
		{"503", answer(503, "text/html", ``), hisadapter.Unknown},
		{"429", answer(429, "text/html", ``), hisadapter.Busy},
		{"404", answer(404, "text/html", ``), hisadapter.Misconfigured},
		{"cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, hisadapter.Unknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var calls atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				tc.handler(w, r)
			}))
			defer srv.Close()
			_, err := simhis.Dial(srv.URL, nil, able()).PlaceOrder(t.Context(), placing("R1", line(drugA, 1)))
			wantOutcome(t, err, tc.want)
			if calls.Load() != 1 {
				t.Errorf("[C2] the write was sent %d times", calls.Load())
			}
			if e, ok := errors.AsType[*hisadapter.Error](err); tc.name == "429" && (!ok || e.RetryAfter != 7*time.Second) {
				t.Errorf("retry after %v", e.RetryAfter)
			}
		})
	}
}

// [C2] A server that closes a kept connection just as a write comes makes
// net/http repeat what it may repeat. A write it may not.
func TestWritesAreNeverResentOnStaleConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var requests, reused atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				// The first answer invites to keep the connection; then the
				// connection is cut as soon as anything more arrives on it.
				buf := make([]byte, 64<<10)
				c.Read(buf)
				requests.Add(1)
				body := `{"code":"0","found":{"state":"none"}}`
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				if n, _ := c.Read(buf); n > 0 {
					requests.Add(1)
					reused.Add(1)
				}
				c.Close()
			}()
		}
	}()
	d := simhis.Dial("http://"+l.Addr().String(), nil, able())
	if _, err := d.FindOrder(t.Context(), "R1"); err != nil {
		t.Fatal(err)
	}
	before := requests.Load()
	for _, no := range []string{"R1", "R2"} {
		_, err = d.PlaceOrder(t.Context(), placing(no, line(drugA, 1)))
		wantOutcome(t, err, hisadapter.Unknown)
	}
	if got := requests.Load() - before; got != 2 {
		t.Errorf("two writes reached the HIS %d times", got)
	}
	if reused.Load() != 0 {
		t.Error("the write went out on a connection that may be stale")
	}
}

func TestRefusedConnectionIsNotSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	d := simhis.Dial("http://"+l.Addr().String(), nil, able())
	_, err = d.PlaceOrder(t.Context(), placing("R1", line(drugA, 1)))
	wantOutcome(t, err, hisadapter.NotSent)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = d.FindOrder(ctx, "R1")
	wantOutcome(t, err, hisadapter.NotSent)
}

func TestDoorRefusesBadRequests(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: hisadapter.Capabilities{Find: true}})
	srv := httptest.NewServer(h.Handler())
	defer srv.Close()
	for _, tc := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/his/find_order", `{"his_no":1}`, 200, "4002"},
		{"/his/find_order", `{"his":"R1"}`, 200, "4002"},
		{"/his/find_order", `{"his_no":"R1"} x`, 200, "4002"},
		{"/his/place_order", `{"his_no":"R1","lines":[{"drug_id":10041,"quantity":1}]}`, 200, "4002"},
		{"/his/place_order", `{"his_no":"R1","lines":[{"drug_id":"00010041","quantity":1.5}]}`, 200, "4002"},
		{"/his/freeze", `{}`, 200, "4003"},
		{"/his/find_order", strings.Repeat(" ", 2<<20), 413, "too large"},
		{"/sim/stock", `{"pharmacy_id":"HLWYF","drug_id":"nothing","on_hand":1}`, 422, "nothing"},
		{"/sim/stock", `{"pharmacy_id":"HLWYF","drug_id":"00010041","on_hand":"1"}`, 400, "on_hand"},
		{"/sim/sell", `{"pharmacy_id":"HLWYF","drug_id":"00010041","quantity":0}`, 422, "quantity"},
		{"/sim/faults", `{"what":"flood"}`, 422, "flood"},
		{"/sim/pace", `{"limit":-3}`, 422, "limit"},
		{"/sim/nothing", `{}`, 404, `{"error":"no such control call: POST /sim/nothing"}`},
		{"/sim/books", `{}`, 404, "POST /sim/books"},
		{"/sim/faults", `{"what":"slow","after":"soon"}`, 400, "soon"},
		{"/sim/faults", `{"what":"refuse","kind":"no"}`, 400, "kind of refusal"},
	} {
		resp, err := http.Post(srv.URL+tc.path, "application/json", strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := resp.Write(&b); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tc.status || !strings.Contains(b.String(), tc.want) {
			t.Errorf("%s %.60s: %s", tc.path, tc.body, b.String())
		}
	}
}
