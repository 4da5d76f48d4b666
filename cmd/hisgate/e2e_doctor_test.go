package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hisgate/hisgate/hisadapter/feed/natsfeed"
	"github.com/hisgate/hisgate/internal/skew"
	"github.com/hisgate/hisgate/internal/testca"
)

// doctored runs hisgate doctor and gives its findings, the worst of each check.
func (w *world) doctored(wantCode int) map[string]finding {
	w.t.Helper()
	out, stderr, code := hisgate(w.t, "doctor", "-c", w.writeConfig(), "--json", "--lang", "en")
	keepsSecrets(w.t, "the doctor", out+stderr)
	found := map[string]finding{}
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		var f finding
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			w.t.Fatalf("%v: %s", err, lines.Text())
		}
		for _, v := range []verdict{fine, warned, red} {
			if f.Verdict == v.String() {
				f.verdict = v
			}
		}
		if before, ok := found[f.Check]; !ok || f.verdict >= before.verdict {
			found[f.Check] = f
		}
	}
	if code != wantCode {
		w.t.Errorf("status %d, want %d:\n%s%s", code, wantCode, out, stderr)
	}
	return found
}

func wantFinding(t *testing.T, found map[string]finding, check string, v verdict, says string) {
	t.Helper()
	f, ok := found[check]
	if !ok || f.Verdict != v.String() || !strings.Contains(f.Found, says) || (v > fine && f.Do == "") {
		t.Errorf("%s: %+v, want %s that says %q and what to do", check, f, v, says)
	}
}

// Where all is well the doctor says so, sends nothing that changes anything, and
// leaves nothing behind; the same beside a hisgate that runs.
func TestDoctorFindsAHealthyHouseWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	found := w.doctored(0)
	for _, check := range []string{"config", "his", "wechat", "wechat tls", "clock and wechat", "clock and his", "disk", "listen.grpc", "merchant certificate"} {
		wantFinding(t, found, check, fine, "")
	}
	if _, err := os.Stat(w.cfg.DataDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data folder: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(w.dir, ".hisgate-doctor-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q %v", left, err)
	}
	p := w.start()
	found = w.doctored(0)
	wantFinding(t, found, "data_dir", warned, "in use by another hisgate") // listen.ops is another one's
	w.cfg.Listen.Ops = strings.TrimPrefix(p.ops, "http://")
	found = w.doctored(0)
	wantFinding(t, found, "data_dir", fine, "the hisgate that runs uses it")
	wantFinding(t, found, "listen.ops", fine, "a hisgate is running")
	w.audit(p.api)
}

// What is wrong is red, with what to do, and the status says so.
func TestDoctorNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	his, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobodyHere := "http://" + his.Addr().String()
	if err := his.Close(); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	w.cfg.HIS.SimHIS.URL = nobodyHere
	w.cfg.Listen.GRPC = taken.Addr().String()
	w.cfg.TLS.CertFile, w.cfg.TLS.KeyFile = layCertificate(t, w.dir, "ended", -time.Hour)
	if err := os.Chmod(w.cfg.WeChat.APIv3KeyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	w.cfg.Storage.DiskReserve = 1 << 60
	w.cfg.WeChat.MerchantSerial = "0123456789ABCDEF0123456789ABCDEF01234567" // not that of the key
	found := w.doctored(1)
	wantFinding(t, found, "his", red, "refused")
	wantFinding(t, found, "listen.grpc", red, "in use")
	wantFinding(t, found, "tls", red, "ended")
	wantFinding(t, found, "secrets", warned, "apiv3.key")
	wantFinding(t, found, "disk", red, "reserve")
	wantFinding(t, found, "wechat", red, "")

	// A key that does not belong to the certificate, and a clock that is off.
	_, w.cfg.TLS.KeyFile = layCertificate(t, w.dir, "other", time.Hour)
	late := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Date", time.Now().Add(-5*time.Minute).UTC().Format(http.TimeFormat))
		w.sims.HIS.Handler().ServeHTTP(rw, r)
	}))
	defer late.Close()
	w.cfg.HIS.SimHIS.URL = late.URL
	found = w.doctored(1)
	wantFinding(t, found, "tls", red, "private key")
	wantFinding(t, found, "clock and his", red, "ahead")
	wantFinding(t, found, "his", fine, "")
}

// The sources of feeds are found without reading them, the hosts of webhooks without
// telling anybody, the collector without a span; and what is wrong with each is red
// (with the collector a warning), with what to do.
func TestDoctorLooksAtFeedsWebhooksAndCollector(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	broker := startNATS(t, t.TempDir(), 0)
	conn, err := nats.Connect(broker.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "STOCK", Subjects: []string{"his.stock.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateConsumer(ctx, "STOCK", jetstream.ConsumerConfig{Durable: "here", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: -1}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := js.Publish(ctx, "his.stock.D1", []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	var asked sync.Map // what a robot was asked
	robot := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked.Store(r.Method+" "+r.URL.String(), true) }))
	defer robot.Close()
	to := newOTLP(t, nil)
	mapping := w.put("feed.yaml", []byte(feedMapping))
	source := func(name, stream, create string) Feed {
		s := natsfeed.Settings{Addresses: []string{broker.Addr().String()}, Stream: stream, Durable: "here", Create: create}
		if create != natsfeed.CreateNothing {
			s.Subjects = []string{"his.other.>"}
		}
		return Feed{Name: name, Driver: feedNATS, MappingFile: mapping, NATS: s}
	}
	w.cfg.Feeds = []Feed{
		source("there", "STOCK", natsfeed.CreateNothing),
		source("made", "OTHER", natsfeed.CreateStream),
		{Name: "posted", Driver: feedWebhook, MappingFile: mapping, Webhook: FeedWebhook{KeyFile: w.put("feed.key", []byte("0123456789abcdef0123"))}},
	}
	w.cfg.Alerts.Webhooks = []AlertWebhook{{Kind: "wecom", URLFile: w.put("robot", []byte(robot.URL+"/send?key=robot-key-693a"))}}
	w.cfg.Tracing = Tracing{Endpoint: "grpc://" + to.addr, Sample: 1, ServiceName: "hisgate", HeadersFile: w.put("headers", []byte("x-collector-token: tok-1\n"))}
	found := w.doctored(0)
	wantFinding(t, found, "feed there", fine, "3 messages wait")
	wantFinding(t, found, "feed made", fine, "is not there yet")
	wantFinding(t, found, "feed posted", fine, "/v1/feeds/posted/webhook")
	wantFinding(t, found, "alerts.webhooks[0]", fine, "no message was sent")
	wantFinding(t, found, "tracing", fine, "takes spans")
	asked.Range(func(what, _ any) bool {
		if what != "HEAD /" {
			t.Errorf("the robot was asked %v", what)
		}
		return true
	})
	if got := to.paths(""); len(got) > 0 {
		t.Errorf("the collector has spans %q", got)
	}
	if _, err := js.Stream(ctx, "OTHER"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("looking has made the stream: %v", err)
	}
	c, err := js.Consumer(ctx, "STOCK", "here")
	if err != nil || c.CachedInfo().NumPending != 3 || c.CachedInfo().Delivered.Consumer != 0 {
		t.Errorf("looking has read: %+v, %v", c.CachedInfo(), err)
	}

	w.cfg.Feeds = []Feed{source("there", "NONE", natsfeed.CreateNothing), source("away", "STOCK", natsfeed.CreateNothing)}
	w.cfg.Feeds[1].NATS.Addresses = []string{"127.0.0.1:9"}
	w.cfg.Alerts.Webhooks[0].URLFile = w.put("robot", []byte("http://127.0.0.1:9/send?key=robot-key-693a"))
	to.refuse.Store(true)
	found = w.doctored(1)
	wantFinding(t, found, "feed there", red, "stream not found")
	wantFinding(t, found, "feed away", red, "connect")
	wantFinding(t, found, "alerts.webhooks[0]", red, "127.0.0.1:9: ")
	wantFinding(t, found, "tracing", warned, "nobody knows [redacted]")
	for check, f := range found {
		keepsSecrets(t, check, f.Found, "robot-key-693a", "tok-1")
	}
}

// The bounds of the clock are those that WeChat gives reason for.
func TestDoctorJudgesTheClock(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		ahead time.Duration
		want  verdict
	}{{0, fine}, {29 * time.Second, fine}, {31 * time.Second, warned}, {-31 * time.Second, warned}, {241 * time.Second, red}, {-time.Hour, red}} {
		h := http.Header{"Date": {at.Format(http.TimeFormat)}}
		sent := at.Add(c.ahead)
		if c.ahead > 0 {
			sent = sent.Add(time.Second) // Date counts whole seconds
		}
		ahead, ok := skew.OfDate(h, sent, sent)
		d := &doctor{}
		d.clock("clock", ahead)
		if !ok || ahead != c.ahead || d.worst() != c.want {
			t.Errorf("%s: measured %s %v, judged %s, want %s", c.ahead, ahead, ok, d.worst(), c.want)
		}
	}
}

// A bundle holds what helps, and nothing by which a patient or a key is known,
// whatever stood in the log.
func TestSupportBundleKeepsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.shelve("D1", 10)
	p := w.start()
	apiKey, err := os.ReadFile(w.cfg.WeChat.APIv3KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	canaries := []string{
		"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "13812345678", "138-1234-5678", "11010519491231002X", "110105194912310021",
		"hg_abcdefghijklmnop", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "张三丰", "李四", "王小明", "hunter2", "s3cr3t!",
		strings.TrimSpace(string(apiKey)),
	}
	log := filepath.Join(w.dir, "hisgate.log")
	lines := []string{
		`cut away`,
		`{"msg":"pay","order_no":"RX20261122001","payer_openid":"` + canaries[0] + `","phone":"13812345678"}`,
		`电话13812345678,138-1234-5678;13812345678 13812345678`,
		`证件 11010519491231002X，110105194912310021`,
		`authorization: Bearer hg_abcdefghijklmnop and hg_abcdefghijklmnop, eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln`,
		`{"patient_name":"张三丰","his":"{\"xm\":\"李四\"}"} 患者姓名：王小明`,
		`postgres://his:hunter2@10.0.0.1/his password=s3cr3t!`,
		`key ` + canaries[len(canaries)-1],
	}
	if err := os.WriteFile(log, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(w.dir, "bundle.zip")
	w.cfg.Listen.Ops = strings.TrimPrefix(p.ops, "http://")
	w.cfg.Listen.GRPC = p.grpc
	args := []string{"support-bundle", "-c", w.writeConfig(), "-o", out, "--log", log, "--lines", "7", "--lang", "en"}
	mustRun(t, args...)
	pages := unzipped(t, out)
	for name, text := range pages {
		keepsSecrets(t, name, text)
		for _, c := range canaries {
			if strings.Contains(text, c) {
				t.Errorf("%s has %q:\n%s", name, c, text)
			}
		}
	}
	for name, says := range map[string]string{
		"version.txt": "hisgate ", "config.txt": "wechat.api_v3_key_file: ", "doctor.txt": "clock and wechat",
		"readyz.json": `"status"`, "metrics.txt": "hisgate_payflow_proof_broken", "guard.json": "breaker", "log.txt": "RX20261122001",
	} {
		if !strings.Contains(pages[name], says) || strings.Contains(pages[name], "not to be had") {
			t.Errorf("%s does not say %q:\n%s", name, says, pages[name])
		}
	}
	if strings.Contains(pages["log.txt"], "cut away") {
		t.Error("more lines than were asked for")
	}
	if _, _, code := hisgate(t, args...); code != exitNobody {
		t.Errorf("a second run over the first ended with %d", code)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	w.audit(p.api)
}

// unzipped are the files of an archive.
func unzipped(t *testing.T, file string) map[string]string {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	pages := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		pages[f.Name] = string(b)
	}
	return pages
}

// The secrets that a mapping file or a proxy's file names are taken out of a bundle
// like the merchant's, also short ones, and the key of a robot without its address.
func TestSupportBundleTakesOutTheSecretsOfTheHIS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.put("his.yaml", []byte(`connection: {url: 'http://127.0.0.1:9'}
secrets: {key: {file: his.key}}
operations:
  query_stock:
    request: {headers: {X-Key: '{{ secret.key }}'}, body: {json: '[{{ each keys "," }}{{ key.drug_id }}{{ end }}]'}}
    answer: {unwrap: [json], code: /code, outcome: [{code: "0", then: done}], rows: /rows/item, fields: {drug_id: dm, on_hand: sl}}
  place_order:
    request: {body: {json: '[{{ each lines "," }}{{ line.drug_id }}{{ end }}]'}}
    answer: {unwrap: [json], code: /code, outcome: [{code: "0", then: done}]}
`))
	w.put("his.key", []byte("his-secret\n"))
	c := w.cfg
	c.HIS.Driver, c.HIS.MappingFile = driverHTTP, filepath.Join(w.dir, "his.yaml")
	c.WeChat.ProxyAuthFile = w.put("proxy.auth", []byte("hisgate:proxy-word\r\n"))
	c.Alerts.Webhooks = []AlertWebhook{{Kind: "wecom", URLFile: w.put("robot", []byte("https://robot.example/send?key=robot-key-693a\n"))}}
	log := "sent his-secret, by proxy-word, to robot-key-693a"
	b, err := bundled([]page{{"log.txt", func() ([]byte, error) { return []byte(log), nil }}}, keysOf(c))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); err != nil || string(got) != "sent [key], by [key], to [key]" {
		t.Errorf("%s, %v", got, err)
	}
}

// layCertificate writes a certificate that ends after life, and its key.
func layCertificate(t *testing.T, dir, name string, life time.Duration) (cert, key string) {
	t.Helper()
	c, k := testca.New(t, "hospital").Issue(name, life)
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	if err := errors.Join(os.WriteFile(cert, c, 0o600), os.WriteFile(key, k, 0o600)); err != nil {
		t.Fatal(err)
	}
	return cert, key
}
