package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// Apply takes changes of stock, in their order, and returns how many took effect
// and how many were dropped because a later one of the same key came before. Each
// says when it changed, where its row or its message does. It does not wait for the
// HIS. Its error is that of ctx, or says what is wrong with
// a change; then none of them took effect.
type Apply func(ctx context.Context, changes []httphis.StockChange) (applied, dropped int, err error)

// Options of a feed. Name, Mapping and Apply are required.
type Options struct {
	Name    string
	Mapping *httphis.ChangeMapping
	Apply   Apply
	Driver  Driver // nil = messages come to Take alone
	Batch   int    // the most messages that are fetched ahead; 0 = DefaultBatch
	// SilentAfter is how long a source may say nothing before that is a fault; 0 = for
	// ever.
	SilentAfter time.Duration
	Letters     *Letters         // where what cannot be read is kept; nil = nowhere
	Logger      *slog.Logger     // nil = silent
	Now         func() time.Time // nil = time.Now
	Random      func() float64   // in [0, 1), for the pauses; nil = math/rand/v2
}

// DefaultBatch is Options.Batch where it is not said.
const DefaultBatch = 256

// MaxMessage is the longest body that is read, in bytes. A longer one is a dead
// letter.
const MaxMessage = 1 << 20

// Feed is one source of stock changes. Run keeps it going.
type Feed struct {
	o     Options
	log   *slog.Logger
	state tracker
}

// New returns a feed that has not begun. It connects to nothing.
func New(o Options) (*Feed, error) {
	if o.Name == "" || o.Mapping == nil || o.Apply == nil {
		return nil, errors.New("feed: a name, a mapping and where changes go are needed")
	}
	if o.Batch <= 0 {
		o.Batch = DefaultBatch
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	f := &Feed{o: o, log: o.Logger.With("feed", o.Name)}
	f.state.open(&f.o)
	return f, nil
}

// Run keeps the driver running until ctx ends, with growing pauses while it
// fails, for ever; then it returns nil. A feed without a driver needs no Run.
func (f *Feed) Run(ctx context.Context) error {
	if f.o.Driver == nil {
		return nil
	}
	for failures := 0; ctx.Err() == nil; {
		f.state.connecting()
		err := f.once(ctx)
		if ctx.Err() != nil {
			break
		}
		if err == nil {
			err = errors.New("the driver ended without a reason")
		}
		if stood := f.state.lost(err); stood >= steady {
			failures = 0
		}
		failures++
		pause := backoff(failures, f.o.Random())
		f.log.Warn("the feed lost its source; the cache's age is the bound meanwhile", "error", err, "failures", failures, "next_in", pause)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
	f.state.ended()
	return nil
}

// steady is how long a connection must have stood for the next pause to be a
// short one again.
const steady = time.Minute

// backoff is the pause after so many failures in a row: a second, doubled up to
// half a minute, less up to half of it, so that many do not come back at once.
func backoff(failures int, random float64) time.Duration {
	const most = 30 * time.Second
	d := most
	if failures < 6 {
		d = time.Second << (failures - 1)
	}
	return time.Duration(float64(d) * (1 - random/2))
}

// once runs the driver; a panic of a library is an error like any other.
func (f *Feed) once(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f.o.Driver.Run(ctx, Sink{
		Deliver:   f.deliver,
		Batch:     f.o.Batch,
		Connected: func() { f.connected() },
		Disconnected: func(err error) {
			if f.state.disconnected(err) {
				f.log.Warn("the feed's connection is being mended; the cache's age is the bound meanwhile", "error", err)
			}
		},
		Lag: f.state.lag,
		Missed: func(what string) {
			f.state.missed()
			f.log.Warn("the source has lost changes; readers learn of them by the cache's age", "what", what)
		},
	})
}

func (f *Feed) connected() {
	if f.state.connected() {
		f.log.Info("the feed is connected")
	}
}

// deliver is what drivers call.
func (f *Feed) deliver(ctx context.Context, batch []Message) error {
	for i := range batch {
		if _, err := f.take(ctx, &batch[i]); err != nil {
			return err
		}
	}
	if err := f.o.Letters.Sync(); err != nil {
		f.log.Error("dead letters may not be on the disk", "error", err)
	}
	return nil
}

// Take takes one message that did not come by the driver, and returns when it
// took effect. It may be called by several goroutines at once.
//
// Errors: *UnreadableError, when it went to the dead letters; the error of ctx.
func (f *Feed) Take(ctx context.Context, m Message) error {
	reason, err := f.take(ctx, &m)
	if err != nil {
		return err
	}
	if err := f.o.Letters.Sync(); err != nil {
		f.log.Error("dead letters may not be on the disk", "error", err)
	}
	if reason != "" {
		return &UnreadableError{Reason: reason}
	}
	return nil
}

// take reads a message and lets it take effect, or buries it: then reason says
// why. An error is that of ctx.
func (f *Feed) take(ctx context.Context, m *Message) (reason string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	var said httphis.Changes
	var unreadable error
	switch {
	case m.Unreadable != "":
		unreadable = errors.New(m.Unreadable)
	case len(m.Body) > MaxMessage:
		unreadable = fmt.Errorf("it has %d bytes; at most %d are read", len(m.Body), MaxMessage)
	default:
		said, unreadable = f.read(m)
	}
	for i := range said.List {
		if c := &said.List[i]; c.At.IsZero() {
			c.At = m.At
		}
	}
	applied, dropped := 0, 0
	if len(said.List) > 0 {
		applied, dropped, err = f.o.Apply(ctx, said.List)
		if ctx.Err() != nil && err != nil {
			return "", ctx.Err()
		}
		unreadable = errors.Join(unreadable, err)
	}
	f.state.took(&said, applied, dropped)
	if unreadable == nil {
		return "", nil
	}
	f.bury(ctx, m, unreadable.Error())
	return unreadable.Error(), nil
}

// read is the mapping's; what makes it panic is a message that cannot be read.
func (f *Feed) read(m *Message) (said httphis.Changes, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading it failed: %v", p)
			f.log.Error("panic while reading a message", "id", m.ID, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	return f.o.Mapping.Read(httphis.Message{Body: m.Body, Attributes: m.Attributes, Sequence: m.Sequence}, f.o.Now())
}
