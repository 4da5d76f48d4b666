package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/internal/alarm"
	"github.com/hisgate/hisgate/internal/privateserver"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// chat is a group of WeCom with a robot in it.
type chat struct {
	*httptest.Server
	mu    sync.Mutex
	texts []string
}

const chatKey = "d8c1f5a0-chat-key"

func newChat(t *testing.T) *chat {
	c := &chat{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			Type string `json:"msgtype"`
			Text struct{ Content string }
		}
		body, err := io.ReadAll(r.Body)
		if err := errors.Join(err, json.Unmarshal(body, &m)); err != nil || m.Type != "text" || r.URL.Query().Get("key") != chatKey {
			fmt.Fprintf(w, `{"errcode":93000,"errmsg":"invalid webhook url %s"}`, r.URL)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.texts = append(c.texts, m.Text.Content)
		fmt.Fprint(w, `{"errcode":0,"errmsg":"ok"}`)
	}))
	t.Cleanup(c.Close)
	return c
}

// webhook is the setting that leads to the group, with this key.
func (c *chat) webhook(t *testing.T, key string) AlertWebhook {
	t.Helper()
	file := filepath.Join(t.TempDir(), "robot.url")
	if err := os.WriteFile(file, []byte(c.URL+"/cgi-bin/webhook/send?key="+key), 0o600); err != nil {
		t.Fatal(err)
	}
	return AlertWebhook{Kind: "wecom", URLFile: file}
}

// await waits for a message that has all of the words.
func (c *chat) await(t *testing.T, words ...string) string {
	t.Helper()
	found := ""
	eventually(t, "a message with "+strings.Join(words, ", "), func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, text := range c.texts {
			missing := false
			for _, w := range words {
				missing = missing || !strings.Contains(text, w)
			}
			if !missing {
				found = text
				return nil
			}
		}
		return fmt.Errorf("%d messages: %q", len(c.texts), c.texts)
	})
	return found
}

// alarmed lets a house look for alerts all the time, and tell the group.
func alarmed(t *testing.T, c *chat) func(*Config, *settings) {
	return func(cfg *Config, s *settings) {
		cfg.Alerts.Webhooks = []AlertWebhook{c.webhook(t, chatKey)}
		s.alarm = cfg.alarmSettings()
		s.alarm.Every, s.alarm.Pace = 50*time.Millisecond, time.Millisecond
		s.alarm.Rules = alarm.Rules()
		for i := range s.alarm.Rules {
			s.alarm.Rules[i].For, s.alarm.Rules[i].Keep = 0, 0
		}
		s.orders.ProofGrace = 300 * time.Millisecond
	}
}

// A patient pays while the HIS is away: the group hears of the order, how much
// money it is, until when somebody must act and what to do; it hears again when
// it is over. No patient is named.
func TestPaidAndHISDownReachesTheGroup(t *testing.T) {
	t.Parallel()
	group := newChat(t)
	h := openHouse(t, true, alarmed(t, group))
	h.shelve("D1", 10)
	h.create("E2E-ALERT", "RESERVE", "D1", 3)
	h.sims.HIS.SetDown(true)
	h.pay("E2E-ALERT")
	got := group.await(t, "新的紧急事件", "E2E-ALERT", "涉及金额：37.50 元", "处理时限：", "hisgate case show E2E-ALERT.1", "Money: 37.50 yuan")
	keepsSecrets(t, "the message", got)
	group.await(t, "有紧急事件待人工处理", "37.50 元", "数值：1 (> 0)")
	h.sims.HIS.SetDown(false)
	h.await("E2E-ALERT", hisgatev1.Order_FULFILLED)
	group.await(t, "【已恢复】", "有紧急事件待人工处理")
	if log := h.log.String(); strings.Contains(log, chatKey) {
		t.Error("the log has the key of the robot")
	}
	ops := api{t: t, base: "http://" + h.program.OpsAddr}
	if m := string(ops.get("/metrics").body); !strings.Contains(m, `hisgate_alert_messages_total{result="sent"}`) || strings.Contains(m, chatKey) {
		t.Error("the metrics do not count messages, or have the key")
	}
	h.audit(h.api)
}

// The last word of a hisgate that cannot go on reaches the group before it is gone.
func TestTheGroupHearsThatHisgateEnds(t *testing.T) {
	t.Parallel()
	group := newChat(t)
	h := openHouse(t, true, alarmed(t, group))
	h.program.tellEnd()
	group.mu.Lock()
	defer group.mu.Unlock()
	if len(group.texts) == 0 || !strings.Contains(group.texts[len(group.texts)-1], "hisgate 无法继续") {
		t.Errorf("the group has heard %q", group.texts)
	}
}

func TestAlertTestSaysWhatEachWebhookAnswered(t *testing.T) {
	group := newChat(t)
	c := Default()
	c.Alerts.Webhooks = []AlertWebhook{group.webhook(t, chatKey), group.webhook(t, "wrong-key"), group.webhook(t, "gone")}
	if err := os.WriteFile(c.Alerts.Webhooks[2].URLFile, []byte("http://127.0.0.1:1/send?key=gone"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := tryWebhooks(t.Context(), c, &out)
	if err == nil || err.Error() != "2 of 3 webhooks did not take the message" {
		t.Errorf("error %v", err)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 4 || !strings.HasSuffix(lines[0], ": HTTP 200, errcode 0 ok") || !strings.Contains(lines[1], "FAILED: refused: HTTP 200, errcode 93000") ||
		!strings.Contains(lines[2], "FAILED: ") {
		t.Errorf("%s", out.String())
	}
	for _, key := range []string{chatKey, "wrong-key", "gone"} {
		if strings.Contains(out.String(), "key="+key) {
			t.Errorf("the key is shown: %s", out.String())
		}
	}
	group.await(t, "【测试】", "hisgate 告警测试", "[TEST]")
	if err := tryWebhooks(t.Context(), Default(), &out); err == nil {
		t.Error("no webhook, and no complaint")
	}
}

// The rules in deploy, over a real Prometheus that reads a real hisgate.
func TestPrometheusFires(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true, func(_ *Config, s *settings) { s.orders.ProofGrace = 300 * time.Millisecond })
	above, err := os.MkdirTemp("", "hisgate-prometheus-") // not t.TempDir, which the server's own user may not pass
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(above) })
	dir := filepath.Join(above, "p")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	// For is a minute; here a moment has to do.
	short := strings.ReplaceAll(string(rules), "for: 1m\n", "for: 1s\n")
	if err := os.WriteFile(filepath.Join(dir, "alerts.yml"), []byte(short), 0o644); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [alerts.yml]
scrape_configs: [{job_name: hisgate, static_configs: [{targets: [%q]}]}]
`, h.program.OpsAddr)
	server, port, err := privateserver.StartPrometheus(dir, config)
	started(t, server, err)
	type alert struct {
		Labels      map[string]string
		Annotations map[string]string
		State       string
	}
	alerts := func() (map[string]alert, error) {
		res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/api/v1/alerts", port))
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		var doc struct{ Data struct{ Alerts []alert } }
		if err := json.NewDecoder(res.Body).Decode(&doc); err != nil {
			return nil, err
		}
		firing := map[string]alert{}
		for _, a := range doc.Data.Alerts {
			if a.State == "firing" {
				firing[a.Labels["alertname"]] = a
			}
		}
		return firing, nil
	}
	h.shelve("D1", 10)
	h.create("E2E-PROM", "RESERVE", "D1", 3)
	h.sims.HIS.SetDown(true)
	h.pay("E2E-PROM")
	eventually(t, "the alert of Prometheus", func() error {
		firing, err := alerts()
		if err != nil {
			return err
		}
		a, fires := firing["HisgateUrgentCases"]
		if !fires || a.Annotations["money_yuan"] != "37.50" || a.Labels["severity"] != "P0" {
			return fmt.Errorf("%+v", firing)
		}
		for _, calm := range []string{"HisgateDown", "HisgateProofBroken", "HisgateDiskLow", "HisgateFaults"} {
			if a, fires := firing[calm]; fires {
				t.Errorf("%s fires: %+v", calm, a)
			}
		}
		return nil
	})
	h.sims.HIS.SetDown(false)
	h.await("E2E-PROM", hisgatev1.Order_FULFILLED)
	// Times show nothing as long as they are 0: whether a day was compared depends on
	// the hour at which this runs.
	variables := strings.NewReplacer("$job", ".*", "$instance", ".*", "$__rate_interval", "1m", ") > 0)", "))")
	for _, p := range dashboard(t) {
		for _, q := range p.Targets {
			if strings.Contains(q.Expr, "hisgate_feed_") || strings.Contains(q.Expr, "hisgate_trace_") {
				continue // nothing to show: no feed and no collector is configured here
			}
			eventually(t, "panel "+p.Title, func() error { // a rate needs two looks
				res, err := http.PostForm(fmt.Sprintf("http://127.0.0.1:%d/api/v1/query", port), url.Values{"query": {variables.Replace(q.Expr)}})
				if err != nil {
					return err
				}
				defer res.Body.Close()
				answer, err := io.ReadAll(res.Body)
				if err == nil && (res.StatusCode != http.StatusOK || bytes.Contains(answer, []byte(`"result":[]`))) {
					err = fmt.Errorf("%d %s", res.StatusCode, answer)
				}
				return err
			})
		}
	}
}
