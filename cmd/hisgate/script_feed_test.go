package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"
)

// feedCmds give a script a message broker of its own: broker CONFIG FILE… starts
// it, keeps a stream HIS_STOCK with each file as a message, and writes its address
// into the configuration, in the place of BROKER.
func feedCmds() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){"broker": serveBroker}
}

func serveBroker(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: broker CONFIG FILE…")
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: filepath.Join(ts.Getenv("WORK"), "broker"), NoSigs: true, NoLog: true,
	})
	ts.Check(err)
	s.Start()
	ts.Defer(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		ts.Fatalf("the broker is not ready")
	}
	conn, err := nats.Connect(s.ClientURL())
	ts.Check(err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "HIS_STOCK", Subjects: []string{"his.stock.>"}})
	ts.Check(err)
	for _, file := range args[1:] {
		_, err := js.Publish(ctx, "his.stock.HLWYF", []byte(ts.ReadFile(file)))
		ts.Check(err)
	}
	config := strings.ReplaceAll(ts.ReadFile(args[0]), "BROKER", s.Addr().String())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(config), 0o600))
}
