package natsfeed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

type driver struct {
	settings Settings
	memory   memory

	mu sync.Mutex
	js jetstream.JetStream // of the Run under way; nil without one
}

var _ feed.Burier = (*driver)(nil)

// Run is described by feed.Driver.
func (d *driver) Run(ctx context.Context, sink feed.Sink) error {
	err := d.run(ctx, sink)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("nats: %w", err)
}

func (d *driver) run(ctx context.Context, sink feed.Sink) error {
	conn, err := d.settings.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.close()
	js, err := jetstream.New(conn.Conn, jetstream.WithDefaultTimeout(d.settings.ConnectTimeout))
	if err != nil {
		return err
	}
	pos, err := d.settings.position(conn.ctx, js, sink.Batch, d.memory.since)
	if err != nil {
		return causeOf(conn.ctx, err)
	}
	if d.memory.found(d.settings, pos.made) {
		sink.Missed(fmt.Sprintf("consumer %s of stream %s was deleted and made again; it goes on with what the stream has", d.settings.Durable, d.settings.Stream))
	}
	d.use(js)
	defer d.use(nil)
	sink.Connected()
	sink.Lag(int64(pos.waiting))
	return causeOf(conn.ctx, newReader(d.settings, sink, pos, &d.memory).run(ctx, conn.ctx))
}

// causeOf prefers the reason for which a connection was lost to what followed
// from it.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w; %w", cause, err)
	}
	return err
}

func (d *driver) use(js jetstream.JetStream) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.js = js
}

// Bury is described by feed.Burier.
func (d *driver) Bury(ctx context.Context, m feed.Message, reason string) error {
	if d.settings.DeadLetterSubject == "" {
		return feed.ErrNoBurial
	}
	d.mu.Lock()
	js := d.js
	d.mu.Unlock()
	if js == nil {
		return fmt.Errorf("nats: bury: %w", nats.ErrConnectionClosed)
	}
	letter := nats.NewMsg(d.settings.DeadLetterSubject)
	letter.Data = m.Body
	letter.Header.Set("Hisgate-Message-Id", m.ID)
	letter.Header.Set("Hisgate-Reason", reason)
	letter.Header.Set("Hisgate-Subject", m.Attributes["subject"])
	if m.ContentType != "" {
		letter.Header.Set("Content-Type", m.ContentType)
	}
	if _, err := js.PublishMsg(ctx, letter, jetstream.WithMsgID(letterID(&m))); err != nil {
		return fmt.Errorf("nats: bury: %w", err)
	}
	return nil
}

// letterID is the same for a letter that is buried twice, and for no other: a stream
// that was made anew gives its messages the names of those that were.
func letterID(m *feed.Message) string {
	sum := sha256.Sum256(m.Body)
	return m.ID + "#" + hex.EncodeToString(sum[:12])
}
