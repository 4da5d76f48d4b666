package main

import (
	"context"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/hisgate/hisgate/internal/span"
)

// plainSpans is an exporter that sends of a span only what is known to name no
// patient and no secret: our own attributes and a few of the protocols. Texts of
// errors, events and the addresses of callers stay here, whichever library wrote
// them. It never fails: what becomes of the spans is counted.
type plainSpans struct {
	sdktrace.SpanExporter
	count *spanCount
}

// ExportSpans implements sdktrace.SpanExporter.
func (p *plainSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	out := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		out[i] = plainSpan{s}
	}
	p.count.exported(len(spans), p.SpanExporter.ExportSpans(ctx, out))
	return nil
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
