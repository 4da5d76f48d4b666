package feed

import (
	"context"
	"time"
)

// Message is one message of a source, as the source gave it. It is one stock
// change, or many, or none (a heartbeat): the mapping tells.
type Message struct {
	// ID is what the source calls the message (stream and sequence, topic,
	// partition and offset, table and id), for logs and dead letters. It is the
	// same in every delivery where the source has such a name.
	ID string
	// Body is not changed by the feed, nor kept after Deliver has returned.
	Body []byte
	// Unreadable says why the source, or its library, could not give the body; for
	// people. The message is a dead letter for that reason, whatever else it says.
	// Empty as a rule.
	Unreadable string
	// ContentType as the source says it; empty where it says nothing. The mapping
	// decides how a body is read, whatever stands here.
	ContentType string
	// Attributes are what the source says beside the body, for mappings that need
	// it: "subject", "routing_key", "key", "topic", "table", and "header.NAME" with
	// NAME as sent. Nil where there is nothing.
	Attributes map[string]string
	// At is when the change was committed at the source (the broker's time of
	// publishing, where it knows no better); zero where the source does not say. A
	// figure that is older than the cache keeps any is not shown, but read again.
	At time.Time
	// Sequence is the source's own order: of two messages about the same stock key,
	// the later change has the greater number, also when they are delivered again
	// or out of order. 0 where the source cannot promise that. It is used only by a
	// mapping that says `sequence: source`.
	Sequence int64
}

// Deliver takes messages in the source's order and blocks until every one of
// them took effect, or was buried because it cannot be read. It does not wait for
// the HIS; mostly it returns within milliseconds, but a driver bears a minute:
// that is the back-pressure.
//
// Nil: acknowledge them all. Any error (the context's, as a rule): acknowledge
// none of them and return from Run; the source gives them again, and what took
// effect twice does no harm.
//
// A batch has at least one message and at most Sink.Batch.
type Deliver func(ctx context.Context, batch []Message) error

// Sink is where a driver brings its messages. Every field is set. Connected,
// Disconnected, Lag and Missed may be called from any goroutine and do not block.
type Sink struct {
	// Deliver is called from one goroutine at a time.
	Deliver Deliver
	// Batch is the largest number of messages that Deliver takes at once, and the
	// most that a driver fetches ahead.
	Batch int
	// Connected says that messages can arrive from now on. A driver calls it once in
	// each Run, and again after Disconnected.
	Connected func()
	// Disconnected says that the connection was lost where the driver, or its
	// library, mends it without returning from Run. The error is for people.
	Disconnected func(err error)
	// Lag says how many messages wait at the source, those under way included; a
	// driver whose source does not say never calls it.
	Lag func(messages int64)
	// Missed says that the source may have had changes that it has no more and that
	// were never delivered: it does not keep them so long, or was made anew. The
	// words are for people. A driver whose source does not tell never calls it.
	Missed func(what string)
}

// Driver is one source of messages.
type Driver interface {
	// Run connects, brings messages to the sink in the source's order, and
	// acknowledges a message only after Deliver returned nil for it. It returns nil
	// when ctx ended, and otherwise the error that ended it: no connection, no such
	// stream, no right to read it. The feed then calls it again after a pause, for
	// ever, so Run neither waits nor retries by itself before it returns. When it
	// has returned, nothing of it is left: no goroutine, no connection.
	//
	// What was not acknowledged is delivered again by the source, in this Run or
	// the next one.
	Run(ctx context.Context, s Sink) error
}

// Burier is a Driver whose source has a place for dead letters (a subject, a
// queue, a topic, a table). Where a driver is none, has no such place in its
// settings, or fails to bury, the letter goes to the feed's local file.
type Burier interface {
	Driver
	// Bury puts a message that cannot be read into the source's dead letter place,
	// with the reason and Message.ID beside the body (as headers where there are
	// any), and returns nil only when the source has confirmed that it keeps it. It
	// is called from within Deliver, on Deliver's goroutine, with a deadline of a few
	// seconds. The message is acknowledged afterwards as any other: Bury does not.
	// ErrNoBurial: the settings name no place.
	Bury(ctx context.Context, m Message, reason string) error
}

// Sight is what a driver found of its source.
type Sight struct {
	Place   string // in the source's own words: "queue stock", "stream S, consumer C"
	Absent  bool   // it is not there yet; the settings have Run make it
	Waiting int64  // messages that wait there; -1 = the source does not say
}

// Looker is a Driver whose source can be looked at without an effect: nothing is
// acknowledged, no position moves, nothing is left behind there, and nobody who runs
// the same feed meanwhile is disturbed. What Run brings, here or in another process,
// is the same afterwards. All drivers here are.
type Looker interface {
	Driver
	// Find connects as Run does and finds what Run would read: with the rights that Run
	// needs and no others, making nothing and taking no message. It blocks until that is
	// done, ctx ends, or the driver's own time for a connection is over. Its error is the
	// one with which Run would end; when it has returned, nothing of it is left.
	Find(ctx context.Context) (Sight, error)
	// Look brings the messages that Run would bring next and those that come, until ctx
	// ends (nil) or Deliver fails (its error). Errors besides: as Run; or why this source
	// cannot be looked at so.
	Look(ctx context.Context, s Sink) error
}
