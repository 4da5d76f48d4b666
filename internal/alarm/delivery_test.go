package alarm_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"github.com/hisgate/hisgate/internal/alarm"
)

// nothing is a gatherer of a process without metrics.
var nothing = gatherer(func() []*dto.MetricFamily { return nil })

// overdue is an event about a case, as payflow tells it.
func overdue(now time.Time) alarm.Message {
	return alarm.Message{
		Name: "HisgateCase", Severity: alarm.P0,
		Title: alarm.Words{ZH: "新的紧急事件", EN: "A new urgent case"},
		What:  alarm.Words{ZH: "已付款但超时未完成。", EN: "Paid and not finished in time."},
		Do:    alarm.Words{ZH: "hisgate case show RX0001.1", EN: "hisgate case show RX0001.1"},
		Fen:   123456, OrderNo: "RX0001", CaseID: "RX0001.1", Until: now.Add(30 * time.Minute),
	}
}

// TestFormats: what each robot gets, to the byte; testdata has it.
func TestFormats(t *testing.T) {
	for _, f := range []alarm.Format{alarm.WeCom, alarm.DingTalk, alarm.JSON} {
		t.Run(string(f), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				secret := ""
				if f != alarm.WeCom {
					secret = "SEC0123456789"
				}
				robot := newRobot(t, f, secret)
				o := alarm.Options{Gatherer: nothing, HTTP: robot, Host: "hisgate@yf1", Webhooks: []alarm.Webhook{robot.hook}}
				a, err := alarm.New(o)
				if err != nil {
					t.Fatal(err)
				}
				a.Tell("RX0001.1", overdue(time.Now()))
				ctx, cancel := context.WithCancel(t.Context())
				go func() { _ = a.Run(ctx) }()
				time.Sleep(time.Minute)
				cancel()
				synctest.Wait()
				if n := len(robot.said()); n != 1 {
					t.Fatalf("%d messages", n)
				}
				var pretty bytes.Buffer
				if err := json.Indent(&pretty, robot.said()[0], "", "  "); err != nil {
					t.Fatal(err)
				}
				pretty.WriteByte('\n')
				golden, err := os.ReadFile(filepath.Join("testdata", string(f)+".json"))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(golden), pretty.String()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				checkSigned(t, f, robot.calls[0], robot.said()[0], secret)
			})
		})
	}
}

func checkSigned(t *testing.T, f alarm.Format, r *http.Request, body []byte, secret string) {
	mac := hmac.New(sha256.New, []byte(secret))
	switch f {
	case alarm.DingTalk:
		stamp := r.URL.Query().Get("timestamp")
		fmt.Fprintf(mac, "%s\n%s", stamp, secret)
		want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
		if got := r.URL.Query().Get("sign"); got != want || stamp != "946684800000" {
			t.Errorf("timestamp %s, sign %s, want %s", stamp, got, want)
		}
		if !strings.Contains(r.URL.RawQuery, "sign="+url.QueryEscape(want)) {
			t.Errorf("the signature is not escaped: %s", r.URL.RawQuery)
		}
	case alarm.JSON:
		fmt.Fprintf(mac, "%s.%s", r.Header.Get("X-Hisgate-Timestamp"), body)
		if got, want := r.Header.Get("X-Hisgate-Signature"), fmt.Sprintf("sha256=%x", mac.Sum(nil)); got != want {
			t.Errorf("signature %s, want %s", got, want)
		}
	}
	if r.URL.Query().Get("key") != robotKey {
		t.Errorf("the key is not in the address")
	}
}

// TestBeginsRepeatsEnds: one message when an alert begins, one each Repeat, one
// when it is over.
func TestBeginsRepeatsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		robot := newRobot(t, alarm.JSON, "")
		var broken atomic.Int64
		end := run(t, alarm.Options{
			Gatherer: gatherer(func() []*dto.MetricFamily {
				return []*dto.MetricFamily{{Name: new("hisgate_payflow_proof_broken"), Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: new(float64(broken.Load()))}}}}}
			}),
			HTTP: robot, Webhooks: []alarm.Webhook{robot.hook}, Repeat: time.Hour,
		})
		defer end()
		time.Sleep(time.Hour)
		broken.Store(1)
		time.Sleep(150 * time.Minute)
		broken.Store(0)
		time.Sleep(3 * time.Minute)
		broken.Store(1) // within Keep: the same alert
		time.Sleep(10 * time.Minute)
		broken.Store(0)
		time.Sleep(time.Hour)
		want := []string{"firing HisgateProofBroken", "repeated HisgateProofBroken", "repeated HisgateProofBroken", "resolved HisgateProofBroken"}
		if diff := cmp.Diff(want, robot.alerts()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestEventsAreToldOnce within Repeat, by their key.
func TestEventsAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		robot := newRobot(t, alarm.JSON, "")
		a, err := alarm.New(alarm.Options{Gatherer: nothing, HTTP: robot, Webhooks: []alarm.Webhook{robot.hook}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = a.Run(ctx) }()
		for range 100 {
			a.Tell("one", overdue(time.Now()))
		}
		a.Tell("other", overdue(time.Now()))
		time.Sleep(3*time.Hour + 59*time.Minute)
		a.Tell("one", overdue(time.Now()))
		time.Sleep(2 * time.Minute)
		if n := len(robot.alerts()); n != 2 {
			t.Errorf("%d messages, want 2", n)
		}
		a.Tell("one", overdue(time.Now()))
		time.Sleep(time.Minute)
		if n := len(robot.alerts()); n != 3 {
			t.Errorf("%d messages, want 3", n)
		}
	})
}

// TestAFailingWebhookIsTriedAgain: with growing pauses, and every way to fail
// ends in the same: the message comes when the webhook works. Nothing that is
// written names the address, its key or the secret.
func TestAFailingWebhookIsTriedAgain(t *testing.T) {
	for name, fail := range map[string]func(*http.Request) (int, string, error){
		"errcode in a 200": func(*http.Request) (int, string, error) {
			return 200, `{"errcode":310000,"errmsg":"sign not match, key=` + robotKey + ` secret=SEC0123456789"}`, nil
		},
		"an error page": func(r *http.Request) (int, string, error) { return 502, "<html>" + r.URL.String(), nil },
		"no errcode":    func(*http.Request) (int, string, error) { return 200, "{}", nil },
		"no JSON":       func(*http.Request) (int, string, error) { return 200, "ok", nil },
		"a redirect":    func(*http.Request) (int, string, error) { return 302, "", nil },
		"the network":   func(*http.Request) (int, string, error) { return 0, "", errors.New("connection refused") },
		"silence": func(r *http.Request) (int, string, error) {
			<-r.Context().Done()
			return 0, "", r.Context().Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				robot, other := newRobot(t, alarm.DingTalk, "SEC0123456789"), newRobot(t, alarm.WeCom, "")
				other.hook.URLFile = robot.hook.URLFile // both go through the same transport
				var tries atomic.Int64
				var well atomic.Bool
				robot.answer = func(r *http.Request) (int, string, error) {
					if r.URL.Query().Get("sign") == "" || well.Load() {
						return 200, `{"errcode":0,"errmsg":"ok"}`, nil
					}
					tries.Add(1)
					return fail(r)
				}
				var log bytes.Buffer
				a, err := alarm.New(alarm.Options{
					Gatherer: nothing, HTTP: robot, Webhooks: []alarm.Webhook{robot.hook, other.hook},
					Logger: slog.New(slog.NewJSONHandler(&log, nil)),
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				go func() { _ = a.Run(ctx) }()
				a.Tell("one", overdue(time.Now()))
				time.Sleep(5 * time.Second)
				if f := a.Figures(); f.Sent != 1 {
					t.Errorf("the webhook that works had to wait for the other: %+v", f)
				}
				time.Sleep(10 * time.Minute)
				if f, n := a.Figures(), tries.Load(); f.Sent != 1 || int64(f.Failed) < n-1 || n < 8 || n > 20 {
					t.Errorf("%d tries in ten minutes, %+v", n, f)
				}
				health := strings.Join(a.Health(), "\n")
				if !strings.Contains(health, "webhook 0 (dingtalk)") || strings.Contains(health, "webhook 1") {
					t.Errorf("health %q", health)
				}
				well.Store(true)
				time.Sleep(2 * time.Minute)
				if f := a.Figures(); f.Sent != 2 || f.Dropped != 0 || len(a.Health()) != 0 {
					t.Errorf("%+v %v", f, a.Health())
				}
				cancel()
				synctest.Wait()
				for _, secret := range []string{robotKey, "SEC0123456789", "robot.example/cgi-bin"} {
					if strings.Contains(log.String()+health, secret) {
						t.Errorf("%s was written: %s\n%s", secret, health, log.String())
					}
				}
				if !strings.Contains(log.String(), "does not take alerts") {
					t.Error("the log does not say that nobody hears of alerts")
				}
			})
		})
	}
}

// TestAFloodBlocksNobodyAndKeepsTheUrgent: a webhook that hangs for hours, and
// thousands of alerts.
func TestAFloodBlocksNobodyAndKeepsTheUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		robot := newRobot(t, alarm.JSON, "")
		var well atomic.Bool
		robot.answer = func(r *http.Request) (int, string, error) {
			if !well.Load() {
				<-r.Context().Done()
				return 0, "", r.Context().Err()
			}
			return 200, "", nil
		}
		a, err := alarm.New(alarm.Options{Gatherer: nothing, HTTP: robot, Webhooks: []alarm.Webhook{robot.hook}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = a.Run(ctx) }()
		before := time.Now()
		for i := range 5000 {
			m := overdue(before)
			if i >= 10 {
				m.Severity, m.Name = alarm.P2, "Later"
			}
			a.Tell(fmt.Sprint(i), m)
		}
		if d := time.Since(before); d != 0 {
			t.Errorf("telling took %s", d)
		}
		time.Sleep(time.Hour)
		robot.mu.Lock()
		robot.calls, robot.bodies = nil, nil // of tries that came to nothing
		robot.mu.Unlock()
		well.Store(true)
		time.Sleep(30 * time.Minute)
		urgent := 0
		got := robot.alerts()
		for _, s := range got {
			if s == "happened HisgateCase" {
				urgent++
			}
		}
		if urgent != 10 || len(got) != 200 || a.Figures().Dropped != 4800 {
			t.Errorf("%d of 10 urgent ones among %d, %+v", urgent, len(got), a.Figures())
		}
		if n := len(robot.said()); n > 60 {
			t.Errorf("%d calls for 200 messages", n)
		}
	})
}

// TestTooOldToMatter: what could not be delivered for half a day is given up.
func TestTooOldToMatter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		robot := newRobot(t, alarm.JSON, "")
		robot.answer = func(*http.Request) (int, string, error) { return 0, "", errors.New("no route to host") }
		a, err := alarm.New(alarm.Options{Gatherer: nothing, HTTP: robot, Webhooks: []alarm.Webhook{robot.hook}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = a.Run(ctx) }()
		a.Tell("one", overdue(time.Now()))
		time.Sleep(13 * time.Hour)
		if f := a.Figures(); f.Dropped != 1 || f.Sent != 0 {
			t.Errorf("%+v", f)
		}
	})
}

// TestLongTextsFit: no robot gets more than it takes, and no character is cut.
func TestLongTextsFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		robot := newRobot(t, alarm.WeCom, "")
		a, err := alarm.New(alarm.Options{Gatherer: nothing, HTTP: robot, Webhooks: []alarm.Webhook{robot.hook}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for i := range 20 {
			m := overdue(time.Now())
			m.What.ZH = strings.Repeat("药", 10*i*i)
			a.Tell(fmt.Sprint(i), m)
		}
		go func() { _ = a.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		if f := a.Figures(); f.Sent != 20 {
			t.Errorf("%+v", f)
		}
		for _, b := range robot.said() {
			var doc struct{ Text struct{ Content string } }
			if err := json.Unmarshal(b, &doc); err != nil {
				t.Fatal(err)
			}
			if c := doc.Text.Content; len(c) > 2048 || strings.Contains(c, "\uFFFD") {
				t.Errorf("%d bytes: %q", len(c), c)
			}
		}
	})
}

// TestWebhookFiles: what cannot be used is said without saying what is in it.
func TestWebhookFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"empty": "", "plain": "http://robot.example/send?key=" + robotKey, "word": robotKey, "odd": "https://%zz" + robotKey,
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := alarm.Webhook{Format: alarm.WeCom, URLFile: file}.Check()
		if err == nil || strings.Contains(err.Error(), robotKey) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := newRobot(t, alarm.DingTalk, "s").hook
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	good.SecretFile = filepath.Join(dir, "empty")
	if good.Check() == nil {
		t.Error("an empty secret was taken")
	}
}

// TestTry: each webhook answers for itself.
func TestTry(t *testing.T) {
	good, bad := newRobot(t, alarm.WeCom, ""), newRobot(t, alarm.WeCom, "")
	bad.hook.URLFile += ".none"
	var got []string
	alarm.Try(t.Context(), alarm.Options{HTTP: good, Webhooks: []alarm.Webhook{good.hook, bad.hook}},
		func(i int, _ alarm.Webhook, answer string, err error) {
			got = append(got, fmt.Sprint(i, " ", answer, " ", err != nil))
		})
	if diff := cmp.Diff([]string{"0 HTTP 200, errcode 0 ok false", "1  true"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(string(good.said()[0]), "【测试】") {
		t.Errorf("%s", good.said()[0])
	}
}

// roundTrip is a way to webhooks.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestLookTellsNobody: the host is asked for its root, and the key stays here.
func TestLookTellsNobody(t *testing.T) {
	robot := newRobot(t, alarm.DingTalk, "SEC0123456789")
	missing := robot.hook
	missing.URLFile += ".none"
	var asked []string
	way := roundTrip(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.Method+" "+r.URL.String())
		if len(asked) > 1 {
			return nil, errors.New("refused")
		}
		return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody}, nil
	})
	var got []string
	alarm.Look(t.Context(), alarm.Options{HTTP: way, Webhooks: []alarm.Webhook{robot.hook, missing, robot.hook}},
		func(i int, _ alarm.Webhook, host string, status int, err error) {
			got = append(got, fmt.Sprint(i, " ", host, " ", status, " ", err != nil))
			if err != nil && strings.Contains(err.Error(), robotKey) {
				t.Errorf("the key stands in %v", err)
			}
		})
	if diff := cmp.Diff([]string{"0 robot.example 404 false", "1  0 true", "2 robot.example 0 true"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"HEAD https://robot.example/", "HEAD https://robot.example/"}, asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
