package main

import (
	"errors"
	"fmt"
	"net/url"
)

// Tracing is where the spans of calls are sent.
type Tracing struct {
	Endpoint    string  `yaml:"endpoint" doc:"The OTLP collector: grpc://host:4317 or grpcs://host:4317, http://host:4318 or https://host:4318. Empty = nothing is recorded or sent; a caller's trace_id stands in the log all the same."`
	Sample      float64 `yaml:"sample" doc:"The part of the calls that is recorded, 0 to 1. Where the caller sends traceparent, its own decision counts."`
	HeadersFile string  `yaml:"headers_file" doc:"A file with headers for the collector, such as its token: name: value, one a line."`
	CAFile      string  `yaml:"ca_file" doc:"The authorities (PEM) that the collector's certificate is held against; empty = those of the system."`
	ServiceName string  `yaml:"service_name" doc:"Under which name the collector knows this hisgate."`
	ToHIS       bool    `yaml:"to_his" doc:"Send traceparent to the HIS, with his.driver: http. Its signatures do not cover it."`
}

// defaultTracing records nothing until an endpoint is named.
func defaultTracing() Tracing { return Tracing{Sample: 0.1, ServiceName: "hisgate"} }

func (c Tracing) validate(k *checker) {
	k.want(c.Sample >= 0 && c.Sample <= 1, "tracing.sample", "%v does not lie between 0 and 1", c.Sample)
	k.want(c.ServiceName != "", "tracing.service_name", "must be set")
	if c.Endpoint != "" {
		_, err := c.collector()
		k.want(err == nil, "tracing.endpoint", "%v", err)
	}
	for _, f := range []struct{ file, path string }{{c.HeadersFile, "tracing.headers_file"}, {c.CAFile, "tracing.ca_file"}} {
		if f.file != "" {
			k.readable(f.file, f.path)
		}
	}
}

// collector reads the endpoint.
func (c Tracing) collector() (*url.URL, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, errors.New("is not an address")
	}
	switch u.Scheme {
	case "grpc", "grpcs", "http", "https":
	default:
		return nil, fmt.Errorf("want grpc, grpcs, http or https, not %q", u.Scheme)
	}
	if u.Host == "" || u.Port() == "" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("want scheme://host:port")
	}
	if (u.Scheme == "grpc" || u.Scheme == "grpcs") && u.Path != "" {
		return nil, errors.New("a collector over gRPC has no path")
	}
	return u, nil
}
