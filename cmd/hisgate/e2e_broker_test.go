package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hisgate/hisgate/hisadapter/feed/natsfeed"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// startNATS runs a server in this process; port 0 picks a free one.
func startNATS(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the NATS server is not ready")
	}
	return s
}

// A broker's message is with the readers; the broker goes and comes back, health
// says so meanwhile, and nothing that was published then is lost.
func TestABrokersChangesSurviveTheBroker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broker := startNATS(t, dir, 0)
	address := broker.Addr().String()
	mapping := filepath.Join(t.TempDir(), "feed.yaml")
	text := strings.Replace(feedMapping, "  rows: /\n", "  rows: /\n  sequence: source\n", 1)
	if err := os.WriteFile(mapping, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h := openHouse(t, true, func(c *Config, _ *settings) {
		c.Feeds = []Feed{{Name: "his", Driver: feedNATS, MappingFile: mapping, NATS: natsfeed.Settings{
			Addresses: []string{address}, Stream: "HIS_STOCK", Subjects: []string{"his.stock.>"}, Durable: "e2e", Create: natsfeed.CreateStream, PingInterval: time.Second,
		}}}
	})
	h.shelve("D1", 10)
	ops := api{t: t, base: "http://" + h.program.OpsAddr}
	connected := func(down int) func() error {
		return func() error {
			line := fmt.Sprintf("hisgate_feed_down{feed=\"his\"} %d\n", down)
			return want(line, strings.Contains(string(ops.get("/metrics").body), line), true)
		}
	}
	eventually(t, "the feed is connected", connected(0))
	publish := func(s *server.Server, onHand int) {
		t.Helper()
		conn, err := nats.Connect(s.ClientURL())
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
		if _, err := js.Publish(ctx, "his.stock.D1", fmt.Appendf(nil, `{"yfdm":"HLWYF","ypdm":"D1","kcsl":%d}`, onHand)); err != nil {
			t.Fatal(err)
		}
	}
	shown := func(onHand int64) {
		t.Helper()
		eventually(t, fmt.Sprintf("readers are shown %d", onHand), func() error {
			s := &hisgatev1.Stock{}
			h.get("/v1/stock/D1?pharmacy_id=HLWYF").into(t, s)
			return want("on_hand", s.GetOnHand(), onHand)
		})
	}
	shown(10)
	h.sell("D1", 6)
	publish(broker, 4)
	shown(4)
	broker.Shutdown()
	broker.WaitForShutdown()
	eventually(t, "the feed is down", connected(1))
	if got := ops.get("/readyz"); !strings.Contains(string(got.body), "feed his") {
		t.Errorf("/readyz while the broker is away: %s", got.body)
	}
	_, port, _ := strings.Cut(address, ":")
	var n int
	if _, err := fmt.Sscan(port, &n); err != nil {
		t.Fatal(err)
	}
	broker = startNATS(t, dir, n)
	publish(broker, 3) // perhaps before hisgate is back
	eventually(t, "the feed is connected again", connected(0))
	eventually(t, "both messages took effect", func() error {
		line := `hisgate_feed_changes_total{feed="his",result="applied"} 2` + "\n"
		return want(line, strings.Contains(string(ops.get("/metrics").body), line), true)
	})
}
