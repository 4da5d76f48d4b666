package httphis_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

const loginTop = `
secrets: {password: {env: HIS_TEST_PASSWORD}}
session:
  LIFE
  request: {path: /login, body: {json: '{"p": {{ secret.password }}}'}}
  answer:
    unwrap: [json]
    code: /code
    outcome: [{code: "0", then: done}, {code: "5", then: busy}, {code: "6", then: refused other}]
    fields: {token: /token, expires_in: {at: /in, default: ""}}`

const loggedIn = `{unwrap: [json], code: /code, outcome: [{code: "0", then: done}, {code: "401", then: login_again}]}`

// gate is a HIS behind a login: it takes only the newest token.
type gate struct {
	mu       sync.Mutex
	logins   int
	orders   int
	ids      map[string]bool
	login    func(n int) string
	wait     time.Duration
	rejected int
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/api/login" && g.wait > 0 {
		time.Sleep(g.wait) // simulated time
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.URL.Path == "/api/login" {
		g.logins++
		return answer(g.login(g.logins)), nil
	}
	g.orders++
	id := r.Header.Get("X-Id")
	if g.ids[id] {
		return answer(`{"code":"again"}`), nil
	}
	g.ids[id] = true
	if r.Header.Get("X-Token") != fmt.Sprint("t", g.logins) {
		g.rejected++
		return answer(`{"code":"401"}`), nil
	}
	return answer(`{"code":"0"}`), nil
}

func answer(body string) *http.Response {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func behindLogin(t *testing.T, life string, g *gate, now func() time.Time) *httphis.Driver {
	t.Helper()
	t.Setenv("HIS_TEST_PASSWORD", "pw")
	g.ids = map[string]bool{}
	if g.login == nil {
		g.login = func(n int) string { return fmt.Sprintf(`{"code":"0","token":"t%d"}`, n) }
	}
	top := strings.Replace(loginTop, "LIFE", life, 1)
	return open(t, aboutOrder("headers: {X-Token: '{{ session.token }}', X-Id: '{{ message_id }}'}\n"+plainOrder, loggedIn, "TOP", top),
		httphis.Options{Transport: g, Now: now})
}

func TestOneLoginServesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{wait: time.Second}
		d := behindLogin(t, "life: 10m", g, time.Now)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := place(t.Context(), d); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if g.logins != 1 || g.rejected != 0 {
			t.Errorf("%d logins, %d rejected", g.logins, g.rejected)
		}
		time.Sleep(11 * time.Minute)
		wantOutcome(t, place(t.Context(), d), hisadapter.Done)
		if g.logins != 2 || g.rejected != 0 {
			t.Errorf("%d logins after its life, %d rejected", g.logins, g.rejected)
		}
	})
}

// A caller that gives up waiting does not take the login of the others with it.
func TestLoginOutlivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{wait: 2 * time.Second}
		d := behindLogin(t, "life: 10m", g, time.Now)
		first, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() {
			time.Sleep(500 * time.Millisecond)
			wantOutcome(t, place(t.Context(), d), hisadapter.Done)
		}()
		wantOutcome(t, place(first, d), hisadapter.NotSent)
		synctest.Wait()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if g.logins != 1 || g.orders != 1 {
			t.Errorf("%d logins, %d orders", g.logins, g.orders)
		}
	})
}

func TestLoginAgainOnceOnTheStatedAnswer(t *testing.T) {
	g := &gate{}
	d := behindLogin(t, "life: 10m", g, nil)
	wantOutcome(t, place(t.Context(), d), hisadapter.Done)
	g.logins++ // another client logged in: our token is void
	g.login = func(n int) string { return fmt.Sprintf(`{"code":"0","token":"t%d"}`, n) }
	wantOutcome(t, place(t.Context(), d), hisadapter.Done)
	if g.rejected != 1 || g.orders != 3 {
		t.Errorf("%d orders sent, %d rejected", g.orders, g.rejected)
	}
	// Tokens that never work are no reason to log in for ever.
	g.login = func(int) string { return `{"code":"0","token":"wrong"}` }
	g.logins++
	g.orders = 0
	wantOutcome(t, place(t.Context(), d), hisadapter.Misconfigured)
	if g.orders != 2 {
		t.Errorf("sent %d times", g.orders)
	}
}

func TestWhatAFailedLoginMeans(t *testing.T) {
	for body, want := range map[string]hisadapter.Outcome{
		`{"code":"5"}`:                        hisadapter.Busy,
		`{"code":"6"}`:                        hisadapter.Misconfigured,
		`<html>`:                              hisadapter.NotSent,
		`{"code":"0"}`:                        hisadapter.NotSent,
		`{"code":"0","token":"t1","in":"no"}`: hisadapter.NotSent,
	} {
		g := &gate{login: func(int) string { return body }}
		d := behindLogin(t, "life: 10m", g, nil)
		wantOutcome(t, place(t.Context(), d), want)
		if g.orders != 0 {
			t.Errorf("%s: an order was sent", body)
		}
	}
}

func TestTheHISNamesTheLifeOfALogin(t *testing.T) {
	now := noon
	g := &gate{login: func(n int) string { return fmt.Sprintf(`{"code":"0","token":"t%d","in":"100"}`, n) }}
	d := behindLogin(t, "life: 10m", g, func() time.Time { return now })
	wantOutcome(t, place(t.Context(), d), hisadapter.Done)
	now = now.Add(89 * time.Second)
	wantOutcome(t, place(t.Context(), d), hisadapter.Done)
	if g.logins != 1 {
		t.Errorf("%d logins within its life", g.logins)
	}
	now = now.Add(2 * time.Second)
	wantOutcome(t, place(t.Context(), d), hisadapter.Done)
	if g.logins != 2 {
		t.Errorf("%d logins after it", g.logins)
	}
}

// What is recorded has neither password nor token in it.
func TestRecordedExchangesHideTheirSecrets(t *testing.T) {
	t.Setenv("HIS_TEST_PASSWORD", "hunter2")
	g := &gate{ids: map[string]bool{}, login: func(n int) string { return fmt.Sprintf(`{"code":"0","token":"t%d","echo":"hunter2"}`, n) }}
	var seen []httphis.Exchange
	top := strings.Replace(loginTop, "LIFE", "life: 10m", 1)
	d := open(t, aboutOrder("headers: {X-Token: '{{ session.token }}'}\n"+plainOrder, loggedIn, "TOP", top),
		httphis.Options{Transport: g, Record: func(x httphis.Exchange) { seen = append(seen, x) }})
	wantOutcome(t, place(t.Context(), d), hisadapter.Done)
	if len(seen) != 2 || seen[0].Op != httphis.OpLogin || seen[1].Rule.Then != "done" || seen[1].Status != 200 {
		t.Fatalf("recorded %+v", seen)
	}
	for _, x := range seen {
		if s := fmt.Sprintf("%+v %s %s", x, x.Body, x.Request.Body); strings.Contains(s, "hunter2") || strings.Contains(s, "t1") {
			t.Errorf("recorded %s", s)
		}
	}
}

// A saved answer to a login is shown without what it brought.
func TestParsedLoginsHideTheirTokens(t *testing.T) {
	d := behindLogin(t, "life: 10m", &gate{}, nil)
	p, err := d.Parse(httphis.OpLogin, httphis.Input{}, httphis.Answer{Body: []byte(`{"code":"0","token":"T0KEN","in":"60"}`)})
	if err != nil || p.Err != nil || fmt.Sprint(p.Result) == "" || strings.Contains(fmt.Sprintf("%+v", p), "T0KEN") {
		t.Errorf("%+v, %v", p, err)
	}
}

// A rule of an outer layer may ask for the login too.
func TestLoginAgainFromAnOuterLayer(t *testing.T) {
	g := &gate{}
	t.Setenv("HIS_TEST_PASSWORD", "pw")
	g.ids = map[string]bool{}
	g.login = func(n int) string { return fmt.Sprintf(`{"code":"0","token":"t%d"}`, n) }
	outer := `{unwrap: [json, outcome: [{at: /code, is: "401", then: login_again}]], code: /code, outcome: [{code: "0", then: done}]}`
	d := open(t, aboutOrder("headers: {X-Token: '{{ session.token }}', X-Id: '{{ message_id }}'}\n"+plainOrder, outer,
		"TOP", strings.Replace(loginTop, "LIFE", "life: 10m", 1)), httphis.Options{Transport: g})
	wantOutcome(t, place(t.Context(), d), hisadapter.Done)
	g.logins++
	wantOutcome(t, place(t.Context(), d), hisadapter.Done)
	if g.rejected != 1 {
		t.Errorf("%d rejected", g.rejected)
	}
}

// A HIS that says in its words what it was sent, down to the text that was
// signed, gives nothing away to our logs.
func TestErrorsHideWhatTheHISSaysBack(t *testing.T) {
	t.Setenv("HIS_TEST_PASSWORD", "hunter2")
	for _, body := range []string{
		`{"code":"9","msg":"签名错误: no=RX1&key=hunter2 T0KEN"}`, `{"code":"hunter2","msg":"T0KEN"}`, `{"code":"0","no":"T0KEN hunter2"}`,
		`{"code":"401","msg":"T0KEN hunter2"}`, `T0KEN`, `{"code":T0KEN}`,
	} {
		g := &gate{ids: map[string]bool{}, login: func(int) string { return `{"code":"0","token":"T0KEN"}` }}
		network := roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/api/login" {
				return g.RoundTrip(r)
			}
			return answer(body), nil
		})
		talks := `{unwrap: [lenient_json], code: /code, message: /msg, fields: {his_no: /no}, outcome: [{code: "0", then: done}, {code: "9", then: misconfigured}, {code: "401", then: login_again}]}`
		d := open(t, aboutOrder("headers: {X-Token: '{{ session.token }}', X-Sign: '{{ secret.password | md5 }}'}\n"+plainOrder, talks,
			"TOP", strings.Replace(loginTop, "LIFE", "life: 10m", 1)), httphis.Options{Transport: network})
		err := place(t.Context(), d)
		if e := err.Error(); strings.Contains(e, "hunter2") || strings.Contains(e, "T0KEN") {
			t.Errorf("%s: %s", body, e)
		}
	}
}

// A password that the HIS does not take is not tried with every call: it would
// shut the account. Nor is a login that helps nothing.
func TestNoStormOfLogins(t *testing.T) {
	for name, login := range map[string]func(int) string{
		"refused":   func(int) string { return `{"code":"6"}` },
		"of no use": func(int) string { return `{"code":"0","token":"wrong"}` },
	} {
		t.Run(name, func(t *testing.T) {
			now := noon
			g := &gate{login: login}
			d := behindLogin(t, "life: 10m", g, func() time.Time { return now })
			for range 50 {
				wantOutcome(t, place(t.Context(), d), hisadapter.Misconfigured)
				now = now.Add(time.Second)
			}
			if g.logins > 2 {
				t.Errorf("%d logins in 50 s", g.logins)
			}
			g.login = func(n int) string { return fmt.Sprintf(`{"code":"0","token":"t%d"}`, n) }
			now = now.Add(time.Minute)
			wantOutcome(t, place(t.Context(), d), hisadapter.Done)
		})
	}
}

// A digest of the password alone serves as well as the password, and is masked.
func TestDigestsOfASecretAloneAreMasked(t *testing.T) {
	t.Setenv("HIS_TEST_PASSWORD", "hunter2")
	d := open(t, aboutOrder("headers: {X-Proof: '{{ secret.password | md5 | upper }}', X-Sign: '{{ part.signed | md5 }}'}\nparts: {signed: {text: 'a{{ secret.password }}'}}\n"+plainOrder, "",
		"TOP", "secrets: {password: {env: HIS_TEST_PASSWORD}}"), httphis.Options{})
	shown, err := d.Render(httphis.OpPlaceOrder, order(nil))
	if err != nil {
		t.Fatal(err)
	}
	h := shown[0].Request.Header
	if got := h.Get("X-Proof"); got != "***" {
		t.Errorf("the digest of the password is shown: %s", got)
	}
	if got := h.Get("X-Sign"); len(got) != 32 {
		t.Errorf("a signature is not shown, which whoever fits a mapping must see: %s", got)
	}
}
