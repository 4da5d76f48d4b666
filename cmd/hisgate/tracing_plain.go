package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/hisgate/hisgate/internal/span"
)

// plainSpans is an exporter that sends of a span only what is known to name no
// patient and no secret: our own attributes and a few of the protocols. Texts of
// errors, events and the addresses of callers stay here, whichever library wrote
// them. It never fails; it says in the log, now and then, that spans are lost.
type plainSpans struct {
	sdktrace.SpanExporter
	log *slog.Logger

	mu     sync.Mutex
	lost   int
	warned time.Time
}

func newPlainSpans(e sdktrace.SpanExporter, log *slog.Logger) *plainSpans {
	return &plainSpans{SpanExporter: e, log: log}
}

// ExportSpans implements sdktrace.SpanExporter.
func (p *plainSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	out := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		out[i] = plainSpan{s}
	}
	if err := p.SpanExporter.ExportSpans(ctx, out); err != nil {
		p.missed(len(spans))
	}
	return nil
}

// missed warns at most once a minute. The error is not shown: it may hold the
// collector's words, or the headers of the request.
func (p *plainSpans) missed(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost += n
	if now := time.Now(); now.Sub(p.warned) >= time.Minute {
		p.log.Warn("spans are lost: the collector of tracing.endpoint does not take them", "lost", p.lost)
		p.warned, p.lost = now, 0
	}
}

type plainSpan struct{ sdktrace.ReadOnlySpan }

// Attributes are those that may leave.
func (s plainSpan) Attributes() []attribute.KeyValue {
	return slices.DeleteFunc(slices.Clone(s.ReadOnlySpan.Attributes()), func(a attribute.KeyValue) bool { return !mayLeave(string(a.Key)) })
}

// Status is without its text.
func (s plainSpan) Status() sdktrace.Status {
	return sdktrace.Status{Code: s.ReadOnlySpan.Status().Code}
}

// Events are none: libraries keep errors there.
func (s plainSpan) Events() []sdktrace.Event { return nil }

func mayLeave(key string) bool {
	switch key {
	case "rpc.system.name", "rpc.method", "rpc.response.status_code", "http.request.method", "http.route", "http.response.status_code", "error.type":
		return true
	}
	return strings.HasPrefix(key, span.Prefix)
}
