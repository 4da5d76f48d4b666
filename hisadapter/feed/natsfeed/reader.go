package natsfeed

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// fetchFor is how long one request waits for messages; the server says every
// five seconds that it is still there.
const fetchFor = 30 * time.Second

// reader reads one connection: fetch brings messages into held, and deliver
// takes them out, when they are acknowledged.
//
//	server ──fetch──► held (≤ Batch) ──Deliver──► acknowledged
//	   ▲                │ every third of ack_wait: still working on it
//	   └────────────────┘
type reader struct {
	settings Settings
	sink     feed.Sink
	pos      *position
	memory   *memory

	mu    sync.Mutex
	held  []*held       // received and not acknowledged, in order
	event chan struct{} // closed when held changes
}

// held is a message with its place.
type held struct {
	jetstream.Msg
	at *jetstream.MsgMetadata
}

func newReader(s Settings, sink feed.Sink, pos *position, m *memory) *reader {
	return &reader{settings: s, sink: sink, pos: pos, memory: m, event: make(chan struct{})}
}

// run reads until life ends, which is that of the connection, or something
// fails. Deliver gets ctx, the caller's.
func (r *reader) run(ctx, life context.Context) error {
	life, cancel := context.WithCancelCause(life)
	var fetching sync.WaitGroup
	fetching.Go(func() { cancel(r.fetch(life)) })
	err := r.deliver(ctx, life)
	cancel(err)
	fetching.Wait()
	return err
}

// fetch asks for messages whenever none are held.
func (r *reader) fetch(life context.Context) error {
	touch := time.NewTicker(r.pos.ackWait / 3)
	defer touch.Stop()
	for {
		if err := r.until(life, touch.C, func() bool { return len(r.held) == 0 }); err != nil {
			return err
		}
		if err := r.fetchOnce(life, touch.C); err != nil {
			return err
		}
	}
}

func (r *reader) fetchOnce(life context.Context, touch <-chan time.Time) error {
	ctx, cancel := context.WithTimeout(life, fetchFor)
	defer cancel()
	batch, err := r.pos.consumer.Fetch(r.sink.Batch, jetstream.FetchContext(ctx))
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	for {
		select {
		case m, ok := <-batch.Messages():
			if !ok {
				if err := batch.Error(); err != nil {
					return fmt.Errorf("fetch: %w", err)
				}
				return nil
			}
			if err := r.hold(m); err != nil {
				cancel()
				for range batch.Messages() { // until it has ended
				}
				return err
			}
		case <-touch:
			r.touch()
		}
	}
}

// hold takes in a message, if it is the next one.
func (r *reader) hold(m jetstream.Msg) error {
	at, err := m.Metadata()
	if err != nil {
		return err
	}
	if at.Sequence.Consumer != r.pos.next {
		return fmt.Errorf("the server counts delivery %d where %d is next: another reader of consumer %s has got messages; each hisgate needs a consumer of its own",
			at.Sequence.Consumer, r.pos.next, r.settings.Durable)
	}
	r.pos.next++
	r.change(func() { r.held = append(r.held, &held{m, at}) })
	return nil
}

// touch tells the server that what is held is being worked on. An error is one of
// the connection, which ends by itself.
func (r *reader) touch() {
	r.mu.Lock()
	held := append([]*held(nil), r.held...)
	r.mu.Unlock()
	for _, h := range held {
		_ = h.InProgress()
	}
}

func (r *reader) deliver(ctx, life context.Context) error {
	for {
		if err := r.until(life, nil, func() bool { return len(r.held) > 0 }); err != nil {
			return err
		}
		r.mu.Lock()
		batch := append([]*held(nil), r.held[:min(len(r.held), r.sink.Batch)]...)
		r.mu.Unlock()
		messages := make([]feed.Message, len(batch))
		for i, h := range batch {
			messages[i] = r.message(h)
		}
		last := batch[len(batch)-1]
		r.sink.Lag(int64(last.at.NumPending) + int64(len(batch)))
		if err := r.sink.Deliver(ctx, messages); err != nil {
			return err
		}
		r.memory.took(last.at.Timestamp)
		if err := r.acknowledge(life, batch); err != nil {
			return fmt.Errorf("acknowledge: %w", err)
		}
		r.change(func() { r.held = r.held[len(batch):] })
		r.sink.Lag(int64(last.at.NumPending))
	}
}

// acknowledge waits for the server's word on the last one, and so on all.
func (r *reader) acknowledge(life context.Context, batch []*held) error {
	last := len(batch) - 1
	for _, h := range batch[:last] {
		if err := h.Ack(); err != nil {
			return err
		}
	}
	// Also when the caller's context ended while Deliver took them: they are taken.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(life), r.settings.ConnectTimeout)
	defer cancel()
	return batch[last].DoubleAck(ctx)
}

func (r *reader) message(h *held) feed.Message {
	m := feed.Message{
		ID:         h.at.Stream + ":" + strconv.FormatUint(h.at.Sequence.Stream, 10),
		Body:       h.Data(),
		Attributes: map[string]string{"subject": h.Subject()},
		At:         h.at.Timestamp,
		Sequence:   r.memory.rising.Of(int64(h.at.Sequence.Stream)),
	}
	for name, values := range h.Headers() {
		if len(values) > 0 {
			m.Attributes["header."+name] = values[0]
		}
	}
	m.ContentType = h.Headers().Get("Content-Type")
	return m
}

// until waits for a state of what is held.
func (r *reader) until(life context.Context, touch <-chan time.Time, holds func() bool) error {
	for {
		r.mu.Lock()
		ok, event := holds(), r.event
		r.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-event:
		case <-touch:
			r.touch()
		case <-life.Done():
			return context.Cause(life)
		}
	}
}

func (r *reader) change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
	close(r.event)
	r.event = make(chan struct{})
}
