package engine

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"
)

// CommitterOptions tune a [Committer]; the zero value is right for the engines
// that take [MaxWrites] and [MaxBytes].
type CommitterOptions struct {
	// Limits of one batch, and so of one Append. Zero fields become MaxWrites
	// and MaxBytes; larger figures than these are cut to them.
	Limits Limits
	// Observe, when set, is called after each Apply by the committing
	// goroutine; the next batch waits until it returns.
	Observe func(Commit)
}

// Commit says how one batch went, for metrics.
type Commit struct {
	// Appends, Writes and Bytes say how much company the batch had.
	Appends, Writes, Bytes int
	// Took is the time that Apply needed.
	Took time.Duration
	// Err is nil when the batch is durable.
	Err error
}

// Committer makes the writes of many callers durable together, in the order in
// which they were appended. Its methods may be called by several goroutines.
// See the package comment for the life of a batch.
//
// Memory: the committer holds what was appended and is not durable yet, nothing
// else. It does not push back; whoever bounds the requests in flight bounds it.
type Committer struct {
	engine  Engine
	limits  Limits
	observe func(Commit)

	wake    chan struct{} // holds one token when there is something to look at
	stopped chan struct{} // closed when the committing goroutine has ended
	failed  chan struct{} // closed when err is set

	mu       sync.Mutex
	queue    []*batch // closed batches and, at the end, the open one
	applying *batch   // the batch at the disk, nil when the disk is idle
	spare    []Write  // the emptied slice of an earlier batch
	err      error    // final
	closed   bool
}

// NewCommitter starts a group commit over e. From here on the committer alone
// may write to e; Close ends its goroutine but leaves e open.
func NewCommitter(e Engine, opts CommitterOptions) *Committer {
	limits := opts.Limits
	if limits.Writes <= 0 || limits.Writes > MaxWrites {
		limits.Writes = MaxWrites
	}
	if limits.Bytes <= 0 || limits.Bytes > MaxBytes {
		limits.Bytes = MaxBytes
	}
	c := &Committer{
		engine:  e,
		limits:  limits,
		observe: opts.Observe,
		wake:    make(chan struct{}, 1),
		stopped: make(chan struct{}),
		failed:  make(chan struct{}),
	}
	go c.run()
	return c
}

// Engine returns the engine below, for reads.
func (c *Committer) Engine() Engine { return c.engine }

// Limits returns the bounds of one Append. Ask Limits().Check before judging a
// command whose writes might be too large.
func (c *Committer) Limits() Limits { return c.limits }

// Append hands over writes which become durable all together or not at all,
// after everything appended before and before everything appended later. It
// never waits for the disk. Keys and values must stay untouched until the
// ticket is resolved; the slice of writes itself is not kept.
//
// Writes beyond the limits are refused whole: the ticket answers
// [*InvalidWriteError] at once, nothing is queued, and the committer lives on.
// Without writes Append is a Barrier.
func (c *Committer) Append(writes ...Write) Ticket {
	if len(writes) == 0 {
		return c.Barrier()
	}
	if err := c.limits.Check(writes); err != nil {
		return resolved(err)
	}
	size := Size(writes)

	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return resolved(c.err)
	case c.closed:
		return resolved(ErrClosed)
	}
	b := c.open(len(writes), size)
	b.writes = append(b.writes, writes...)
	b.appends++
	b.bytes += size
	c.signal()
	return Ticket{b: b}
}

// Barrier returns a ticket for everything appended before: an answer that was
// judged from memory at this moment may leave when the ticket says nil [B2].
// When nothing is on its way to the disk the ticket is resolved already.
func (c *Committer) Barrier() Ticket {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return resolved(c.err)
	case len(c.queue) > 0:
		return Ticket{b: c.queue[len(c.queue)-1]}
	default:
		return Ticket{b: c.applying}
	}
}

// Failed is closed when a commit failed. That is final: the owner should exit.
func (c *Committer) Failed() <-chan struct{} { return c.failed }

// Err returns nil, or the error, an [ErrOutcomeUnknown], that ended the committer.
func (c *Committer) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close refuses further Appends with [ErrClosed], waits until what was appended
// before is durable or failed, and ends the committing goroutine. It returns
// Err. A second Close waits likewise. The engine stays open.
func (c *Committer) Close() error {
	c.mu.Lock()
	c.closed = true
	c.signal()
	c.mu.Unlock()
	<-c.stopped
	return c.Err()
}

// open returns the batch that takes so much more, under mu.
func (c *Committer) open(writes, size int) *batch {
	if n := len(c.queue); n > 0 && c.queue[n-1].fits(c.limits, writes, size) {
		return c.queue[n-1]
	}
	b := newBatch(c.spare)
	c.spare = nil
	c.queue = append(c.queue, b)
	return b
}

func (c *Committer) signal() {
	select {
	case c.wake <- struct{}{}:
	default: // the token that is there already will do
	}
}

// run is the committing goroutine: one batch after the other, as fast as the
// disk takes them.
func (c *Committer) run() {
	defer close(c.stopped)
	for {
		b, ok := c.next()
		if !ok {
			return
		}
		start := time.Now()
		err := c.engine.Apply(b.writes)
		if c.observe != nil {
			c.observe(Commit{
				Appends: b.appends, Writes: len(b.writes), Bytes: b.bytes,
				Took: time.Since(start), Err: err,
			})
		}
		c.finish(b, err)
	}
}

// next closes the oldest batch and returns it, waiting until there is one. It
// returns false when the committer is closed and drained, or has failed.
func (c *Committer) next() (*batch, bool) {
	for {
		// The callers that the last batch woke are about to append again: let
		// them in first, at the price of a turn of the scheduler.
		runtime.Gosched()
		c.mu.Lock()
		if len(c.queue) > 0 {
			b := c.queue[0]
			c.queue = slices.Delete(c.queue, 0, 1)
			c.applying = b
			c.mu.Unlock()
			return b, true
		}
		over := c.closed || c.err != nil
		c.mu.Unlock()
		if over {
			return nil, false
		}
		<-c.wake
	}
}

// finish answers the tickets of a batch that came back from the engine.
func (c *Committer) finish(b *batch, err error) {
	writes := b.writes
	b.writes = nil
	clear(writes)

	c.mu.Lock()
	c.applying = nil
	c.spare = writes[:0]
	if err == nil {
		c.mu.Unlock()
		b.resolve(nil)
		return
	}
	c.err = asUnknown(err)
	queued := c.queue
	c.queue = nil
	c.mu.Unlock()

	close(c.failed)
	b.resolve(c.err)
	for _, q := range queued {
		q.writes = nil
		q.resolve(c.err)
	}
}

// asUnknown makes any error of an Apply final. A refusal by the engine counts
// too: the owner has already judged on top of these writes, so what it holds in
// memory and what the disk holds have parted.
func asUnknown(err error) error {
	if errors.Is(err, ErrOutcomeUnknown) {
		return err
	}
	return &UnknownOutcomeError{Cause: err}
}
