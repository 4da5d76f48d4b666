package engine

import "context"

// Ticket stands for a moment in the order of Appends and tells when everything
// up to it is durable. Copies are equal; any number of goroutines may wait, as
// often as they like. The zero Ticket is already durable.
type Ticket struct {
	b *batch
}

// batch is a set of writes which are made durable together. Until it is closed
// it belongs to Committer.mu, then to the committing goroutine; err is written
// before done is closed and read after.
type batch struct {
	writes  []Write
	appends int
	bytes   int
	done    chan struct{}
	err     error
}

func newBatch(writes []Write) *batch {
	return &batch{writes: writes, done: make(chan struct{})}
}

func (b *batch) fits(l Limits, writes, bytes int) bool {
	return len(b.writes)+writes <= l.Writes && b.bytes+bytes <= l.Bytes
}

func (b *batch) resolve(err error) {
	b.err = err
	close(b.done)
}

// resolved is a ticket whose answer is known from the beginning.
func resolved(err error) Ticket {
	if err == nil {
		return Ticket{}
	}
	b := newBatch(nil)
	b.resolve(err)
	return Ticket{b: b}
}

// Wait blocks until everything up to the ticket is durable (nil), or the commit
// failed.
//
// Errors: [ErrOutcomeUnknown] (an [*UnknownOutcomeError], for the cause) when the
// commit failed; [*InvalidWriteError] when the Append was refused, and [ErrClosed] when
// it came after Close: of these nothing was or will be written; the error of ctx
// when the caller leaves first, which does not take the write back.
func (t Ticket) Wait(ctx context.Context) error {
	if t.b == nil {
		return nil
	}
	// A known answer wins over a context that is over as well.
	select {
	case <-t.b.done:
		return t.b.err
	default:
	}
	select {
	case <-t.b.done:
		return t.b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Done is closed when the answer of the ticket is known: Wait will not block
// from then on. A ticket that is already durable returns a closed channel.
func (t Ticket) Done() <-chan struct{} {
	if t.b == nil {
		return closedChannel()
	}
	return t.b.done
}

func closedChannel() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
