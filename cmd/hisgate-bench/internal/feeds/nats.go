package feeds

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hisgate/hisgate/hisadapter/feed/natsfeed"
)

// openNATS runs a server in this process, with its files in dir.
func openNATS(_ context.Context, dir string) (*source, error) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	if err != nil {
		return nil, err
	}
	s.Start()
	stop := func() error { s.Shutdown(); s.WaitForShutdown(); return nil }
	if !s.ReadyForConnections(30 * time.Second) {
		return nil, errors.Join(errors.New("the NATS server is not ready after 30 s"), stop())
	}
	conn, err := nats.Connect(s.ClientURL())
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	driver, err := natsfeed.New(natsfeed.Settings{
		Addresses: []string{s.Addr().String()}, Stream: "HIS_STOCK", Subjects: []string{"his.stock.>"}, Durable: "bench", Create: natsfeed.CreateStream,
	})
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return &source{
		driver: driver,
		commit: func(ctx context.Context, drug string, onHand int64) error {
			if _, err := js.Publish(ctx, "his.stock."+drug, bodyOf(drug, onHand)); err != nil {
				return fmt.Errorf("publish: %w", err)
			}
			return nil
		},
		close: func() error { conn.Close(); return stop() },
	}, nil
}
