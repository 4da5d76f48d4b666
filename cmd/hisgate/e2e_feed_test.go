package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// openFed opens a house that a counter posts its sales to.
func openFed(t *testing.T, tune ...func(*Config, *settings)) (*house, *poster) {
	t.Helper()
	p, err := newPoster(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tune = append([]func(*Config, *settings){func(c *Config, _ *settings) { p.configure(c) }}, tune...)
	return openHouse(t, true, tune...), p
}

// A post is with the watchers of the drug when it is answered, feeds no lock, and
// is counted.
func TestAPostedChangeIsWatched(t *testing.T) {
	t.Parallel()
	h, p := openFed(t)
	h.shelve("D1", 10)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := h.stock.WatchStock(ctx, &hisgatev1.WatchStockRequest{PharmacyId: "HLWYF", DrugIds: []string{"D1"}})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := stream.Recv(); err != nil || first.GetStock().GetOnHand() != 10 {
		t.Fatalf("first %v, %v", first, err)
	}
	if err := p.send(ctx, h.program.HTTPAddr, "D1", 2); err != nil {
		t.Fatal(err)
	}
	s := &hisgatev1.Stock{}
	h.get("/v1/stock/D1?pharmacy_id=HLWYF").into(t, s)
	if s.GetOnHand() != 2 || s.GetSource() != hisgatev1.Stock_PUSHED {
		t.Errorf("when the post was answered a reader gets %v", s)
	}
	if next, err := stream.Recv(); err != nil || next.GetStock().GetOnHand() != 2 {
		t.Errorf("then %v, %v", next, err)
	}
	// The HIS has ten all the same, and it decides.
	h.post("/v1/locks", lockJSON("FED-1", "D1", 8, "60s")).into(t, &hisgatev1.Lock{})
	ops := api{t: t, base: "http://" + h.program.OpsAddr}
	metrics := string(ops.get("/metrics").body)
	for _, want := range []string{
		`hisgate_feed_messages_total{feed="counter",result="taken"} 1`, `hisgate_feed_changes_total{feed="counter",result="applied"} 1`,
		`hisgate_feed_down{feed="counter"} 0`, `hisgate_feed_delay_seconds_count{feed="counter"} 1`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

// A figure that has waited for long before it was sent is not shown: the HIS is
// asked.
func TestAnOldFigureIsNotShown(t *testing.T) {
	t.Parallel()
	mapping := filepath.Join(t.TempDir(), "feed.yaml")
	text := strings.Replace(feedMapping, "on_hand: kcsl}", `on_hand: kcsl, time: {at: gxsj, format: "yyyy-MM-dd HH:mm:ss"}}`, 1)
	if err := os.WriteFile(mapping, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h, p := openFed(t, func(c *Config, _ *settings) { c.Feeds[0].MappingFile = mapping })
	h.shelve("D1", 10)
	read := func() *hisgatev1.Stock {
		s := &hisgatev1.Stock{}
		h.get("/v1/stock/D1?pharmacy_id=HLWYF").into(t, s)
		return s
	}
	read()
	h.sell("D1", 3)
	eventually(t, "the second of the start is over", func() error {
		status, why, err := p.post(t.Context(), h.program.HTTPAddr, []byte(`{"yfdm":"HLWYF","ypdm":"D1","kcsl":9,"gxsj":"2026-01-02 09:00:00"}`))
		if err != nil {
			return err
		}
		return want(string(why), status, http.StatusNoContent)
	})
	if s := read(); s.GetOnHand() != 7 || s.GetSource() == hisgatev1.Stock_PUSHED {
		t.Errorf("got %v", s)
	}
}

// What a webhook cannot read is told, kept, and counted; nobody posts without the
// key, nor to a feed that is not there.
func TestPostsThatDoNotArrive(t *testing.T) {
	t.Parallel()
	h, p := openFed(t)
	status := http.StatusUnauthorized
	var why []byte
	eventually(t, "the second of the start is over", func() (err error) {
		if status, why, err = p.post(t.Context(), h.program.HTTPAddr, []byte("{]")); err != nil {
			return err
		}
		return want("status", status, http.StatusUnprocessableEntity)
	})
	if !strings.Contains(string(why), "not JSON") {
		t.Errorf("the answer says %s", why)
	}
	letters, err := os.ReadFile(filepath.Join(h.cfg.DataDir, "dead-letters.jsonl"))
	if err != nil || !strings.Contains(string(letters), `"body":"{]"`) {
		t.Errorf("dead letters: %s, %v", letters, err)
	}
	stranger := &poster{key: []byte("not the key that was agreed on")}
	if status, _, err := stranger.post(t.Context(), h.program.HTTPAddr, []byte(`{}`)); err != nil || status != http.StatusUnauthorized {
		t.Errorf("without the key: %d, %v", status, err)
	}
	if got := h.api.post("/v1/feeds/other/webhook", `{}`); got.status != http.StatusNotFound {
		t.Errorf("another feed: %d %s", got.status, got.body)
	}
}

// A feed's faults of configuration are named with their place.
func TestBadFeedsAreNamed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good, short := write("feed.yaml", feedMapping), write("short.key", "short\n")
	bad := write("bad.yaml", "message: {unwrap: [json], rows: /, fields: {drug: d}}\n")
	_, err := load(t, stockHalf+`
feeds:
  - {name: mq, driver: webhook, mapping_file: '`+good+`', webhook: {key_file: '`+short+`'}}
  - {name: mq, driver: pigeon, mapping_file: '`+bad+`', silent_after: -1s}
  - {name: Not Good, driver: webhook, mapping_file: /nowhere.yaml}
  - {name: a, driver: outbox, mapping_file: '`+good+`'}
  - {name: b, driver: outbox, mapping_file: '`+good+`', outbox: {position_file: '`+filepath.Join(dir, "data", "feed-a.position")+`'}}
data_dir: '`+filepath.Join(dir, "data")+`'
dead_letters: {max_bytes: 5}
`, nil, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"feeds[0].webhook.key_file: ", "at least 16 bytes", `c.yaml:6: feeds[1].name: "mq" stands twice`, "feeds[1].driver: \"pigeon\"", "bad.yaml:1",
		"feeds[1].silent_after", "feeds[2].name", "feeds[2].mapping_file", "feeds[2].webhook.key_file: must be set",
		"feeds[4].outbox.position_file: feed a keeps its position there", "dead_letters.max_bytes",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told in\n%v", want, err)
		}
	}
}

// Each driver opens by its shortest settings, connected to nothing.
func TestEveryFeedDriverOpens(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"feed.yaml": feedMapping, "secret": "a secret of more than 16 bytes\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settings := map[string]string{
		feedWebhook:  "webhook: {key_file: DIR/secret}",
		feedNATS:     "nats: {addresses: ['10.1.2.3:4222'], stream: HIS_STOCK, subjects: ['his.stock.>'], durable: hisgate-1}",
		feedRabbitMQ: "rabbitmq: {addresses: ['10.1.2.3:5672'], user: hisgate, password_file: DIR/secret, queue: hisgate-1.stock, exchange: his.events, routing_keys: ['stock.#']}",
		feedKafka:    "kafka: {addresses: ['10.1.2.3:9092'], topics: [stock], group: hisgate-1}",
		feedOutbox:   "outbox: {dialect: postgres, connection: {host: 10.1.2.3, database: his, user: hisgate, password_file: DIR/secret}, ordered: true}",
	}
	for driver, group := range settings {
		t.Run(driver, func(t *testing.T) {
			text := "feeds:\n  - {name: his, driver: " + driver + ", mapping_file: DIR/feed.yaml, " + group + "}\n"
			c, err := load(t, stockHalf+strings.ReplaceAll(text, "DIR", dir), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			d, err := c.Feeds[0].open(dir)
			if err != nil || (d == nil) != (driver == feedWebhook) {
				t.Errorf("opened %T, %v", d, err)
			}
			bad := strings.ReplaceAll(stockHalf+"feeds:\n  - {name: his, driver: "+driver+", mapping_file: DIR/feed.yaml}\n", "DIR", dir)
			if _, err := load(t, bad, nil, nil); err == nil || !strings.Contains(err.Error(), "feeds[0]") {
				t.Errorf("without its settings: %v", err)
			}
		})
	}
}
