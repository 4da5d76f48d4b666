package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// tracing collects spans and sends them to a collector, in the background: a
// collector that is slow or away costs spans, never a call.
type tracing struct {
	provider *sdktrace.TracerProvider
	spans    *spanCount
}

const (
	spansWaiting  = 4096 // the next ones are dropped
	spansAtOnce   = 512
	spansEvery    = 5 * time.Second
	exportTimeout = 5 * time.Second
	// flushTime is for the last spans when hisgate ends.
	flushTime = 2 * time.Second
)

// openTracing returns nil where nothing is to be traced. It connects to nothing
// yet, so the collector may be away.
func openTracing(ctx context.Context, c Tracing, log *slog.Logger) (*tracing, error) {
	if c.Endpoint == "" {
		return nil, nil
	}
	client, err := c.client()
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	limits := sdktrace.NewSpanLimits()
	limits.AttributeValueLengthLimit, limits.AttributeCountLimit, limits.LinkCountLimit, limits.EventCountLimit = 256, 32, 32, 1
	count := &spanCount{log: log}
	batches := sdktrace.NewBatchSpanProcessor(&plainSpans{exporter, count},
		sdktrace.WithMaxQueueSize(spansWaiting), sdktrace.WithMaxExportBatchSize(spansAtOnce),
		sdktrace.WithBatchTimeout(spansEvery), sdktrace.WithExportTimeout(exportTimeout))
	return &tracing{spans: count, provider: sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.Sample))),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", c.ServiceName), attribute.String("service.version", version()))),
		sdktrace.WithRawSpanLimits(limits),
		sdktrace.WithSpanProcessor(&boundedSpans{batches, count}),
	)}, nil
}

// tracer is what collects spans, or nil.
func (t *tracing) tracer() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider
}

// figures are how many spans the collector took and refused, and how many were
// dropped before it was asked.
func (t *tracing) figures() (sent, refused, dropped uint64) {
	if t == nil {
		return 0, 0, 0
	}
	return t.spans.sent.Load(), t.spans.refused.Load(), t.spans.dropped.Load()
}

// close sends what is left, for a short time.
func (t *tracing) close(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // spans that the collector does not take are lost
}

// header adds the trace of a call to the headers of its request to the HIS; nil
// where that is not wanted.
func (c Tracing) header() func(context.Context, http.Header) {
	if !c.ToHIS {
		return nil
	}
	return func(ctx context.Context, h http.Header) {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
	}
}
