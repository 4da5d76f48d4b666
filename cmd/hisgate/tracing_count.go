package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// spanCount knows what became of the spans, and says in the log that some are
// lost: at most once a minute, and once that it is over.
type spanCount struct {
	log *slog.Logger

	waiting                atomic.Int64 // in the queue, or on their way
	sent, refused, dropped atomic.Uint64

	mu     sync.Mutex
	lost   uint64 // since the log said so last
	warned time.Time
	bad    bool // the last batch was not taken
}

// boundedSpans is what ended spans come to first: it passes as many to the queue
// as there is room for, and counts the others, which the queue would drop without a
// word.
type boundedSpans struct {
	sdktrace.SpanProcessor
	count *spanCount
}

// OnEnd implements sdktrace.SpanProcessor.
func (b *boundedSpans) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if b.count.waiting.Add(1) > spansWaiting {
		b.count.waiting.Add(-1)
		b.count.dropped.Add(1)
		b.count.miss(1, "the queue is full")
		return
	}
	b.SpanProcessor.OnEnd(s)
}

// exported notes what became of a batch.
func (c *spanCount) exported(n int, err error) {
	c.waiting.Add(-int64(n))
	if err != nil {
		c.refused.Add(uint64(n))
		c.miss(n, whyRefused(err))
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bad = true
		return
	}
	c.sent.Add(uint64(n))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bad {
		c.bad = false
		c.log.Info("the collector of tracing.endpoint takes spans again", "lost", c.lost)
		c.lost = 0
	}
}

// miss warns at most once a minute.
func (c *spanCount) miss(n int, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost += uint64(n)
	if now := time.Now(); now.Sub(c.warned) >= time.Minute {
		c.log.Warn("spans are lost: the collector of tracing.endpoint does not take them; hisgate doctor asks it", "lost", c.lost, "why", why)
		c.warned, c.lost = now, 0
	}
}

// whyRefused tells an error in words of ours: its own may be the collector's, or
// hold the headers of the request.
func whyRefused(err error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is not one of tracing.ca_file"
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return "no connection"
	}
	if s, ok := status.FromError(err); ok && s.Code() != codes.Unknown {
		return s.Code().String()
	}
	return "refused"
}
