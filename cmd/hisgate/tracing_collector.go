package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// client is the way to the collector. What the environment says of exporters
// (OTEL_EXPORTER_…) changes neither where spans go nor how they are protected.
func (c Tracing) client() (otlptrace.Client, error) {
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
		return overHTTP(u, headers, t), nil
	}
	protection := insecure.NewCredentials()
	if u.Scheme == "grpcs" {
		protection = credentials.NewTLS(t)
	}
	return otlptracegrpc.NewClient(
		otlptracegrpc.WithEndpoint(u.Host), otlptracegrpc.WithHeaders(headers), otlptracegrpc.WithTimeout(exportTimeout),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{}), // the next batch comes soon enough
		otlptracegrpc.WithDialOption(grpc.WithTransportCredentials(protection)),
	), nil
}

// overHTTP sends to /v1/traces below the endpoint's path.
func overHTTP(u *url.URL, headers map[string]string, t *tls.Config) otlptrace.Client {
	way := http.DefaultTransport.(*http.Transport).Clone() // with the proxy of the environment
	way.TLSClientConfig, way.MaxIdleConns = t, 2
	return otlptracehttp.NewClient(
		otlptracehttp.WithEndpointURL(u.JoinPath("v1/traces").String()), otlptracehttp.WithHeaders(headers),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}), otlptracehttp.WithTLSClientConfig(nil), // that of way counts
		otlptracehttp.WithHTTPClient(&http.Client{
			Transport: way, Timeout: exportTimeout,
			// A redirect would carry the headers to somebody else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
	)
}

// tryCollector sends the collector a message without spans, within exportTimeout.
// Its error holds none of the headers' values.
func (c Tracing) tryCollector(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	if err := client.Start(ctx); err != nil {
		return err
	}
	err = client.UploadTraces(ctx, nil)
	_ = client.Stop(ctx)
	if err == nil {
		return nil
	}
	said := err.Error()
	headers, _ := c.headers() // they could be read a moment ago
	for _, value := range headers {
		if len(value) >= leastKey {
			said = strings.ReplaceAll(said, value, "[redacted]")
		}
	}
	return errors.New(said)
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
