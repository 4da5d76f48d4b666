package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/credentials"
)

// tracing collects spans and sends them to a collector, in the background: a
// collector that is slow or away costs spans, never a call.
type tracing struct{ provider *sdktrace.TracerProvider }

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
	exporter, err := c.exporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	limits := sdktrace.NewSpanLimits()
	limits.AttributeValueLengthLimit, limits.AttributeCountLimit, limits.LinkCountLimit, limits.EventCountLimit = 256, 32, 32, 1
	return &tracing{sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.Sample))),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", c.ServiceName), attribute.String("service.version", version()))),
		sdktrace.WithRawSpanLimits(limits),
		sdktrace.WithBatcher(newPlainSpans(exporter, log),
			sdktrace.WithMaxQueueSize(spansWaiting), sdktrace.WithMaxExportBatchSize(spansAtOnce),
			sdktrace.WithBatchTimeout(spansEvery), sdktrace.WithExportTimeout(exportTimeout)),
	)}, nil
}

// tracer is what collects spans, or nil.
func (t *tracing) tracer() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider
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

func (c Tracing) exporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	u, err := c.collector()
	if err != nil {
		return nil, err
	}
	headers, err := c.headers()
	if err != nil {
		return nil, err
	}
	t, err := c.tls()
	if err != nil {
		return nil, err
	}
	if u.Scheme == "http" || u.Scheme == "https" {
		return overHTTP(ctx, u, headers, t)
	}
	o := []otlptracegrpc.Option{
		otlptracegrpc.WithEndpoint(u.Host), otlptracegrpc.WithHeaders(headers), otlptracegrpc.WithTimeout(exportTimeout),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{}), // the next batch comes soon enough
	}
	if u.Scheme == "grpc" {
		return otlptracegrpc.New(ctx, append(o, otlptracegrpc.WithInsecure())...)
	}
	return otlptracegrpc.New(ctx, append(o, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(t)))...)
}

func overHTTP(ctx context.Context, u *url.URL, headers map[string]string, t *tls.Config) (sdktrace.SpanExporter, error) {
	o := []otlptracehttp.Option{
		otlptracehttp.WithEndpoint(u.Host), otlptracehttp.WithHeaders(headers), otlptracehttp.WithTimeout(exportTimeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}),
	}
	if p := strings.TrimSuffix(u.Path, "/"); p != "" {
		o = append(o, otlptracehttp.WithURLPath(p+"/v1/traces"))
	}
	if u.Scheme == "http" {
		return otlptracehttp.New(ctx, append(o, otlptracehttp.WithInsecure())...)
	}
	return otlptracehttp.New(ctx, append(o, otlptracehttp.WithTLSClientConfig(t))...)
}

// headers reads the file of headers. Its errors do not show the values.
func (c Tracing) headers() (map[string]string, error) {
	if c.HeadersFile == "" {
		return nil, nil
	}
	b, err := os.ReadFile(c.HeadersFile)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for lines, n := bufio.NewScanner(bytes.NewReader(b)), 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" {
			return nil, fmt.Errorf("headers_file: line %d is not name: value", n)
		}
		out[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return out, nil
}

func (c Tracing) tls() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile == "" {
		return t, nil
	}
	b, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, err
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(b) {
		return nil, errors.New("ca_file: holds no certificate in PEM")
	}
	return t, nil
}
