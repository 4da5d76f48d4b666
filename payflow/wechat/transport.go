package wechat

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxAnswer bounds an API answer, in bytes. WeChat's are a few kilobytes.
const maxAnswer = 1 << 20

var errAnswerTooLong = fmt.Errorf("the answer is longer than %d bytes", maxAnswer)

// transport goes between the SDK and the network: it directs requests to the base URL, bounds answers and reads them
// whole, so that a cut answer is no answer.
type transport struct{ rebase }

// newHTTPClient returns a client that never follows a redirect: a signed request must not travel to another host, and a
// 3xx is an answer that nobody signed.
func newHTTPClient(rt http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// newNetwork is the default way out. Each connection carries one call at a time (HTTP/1.1), so that a connection that
// hangs holds up one call only. net/http repeats a POST only when not one byte of it was written, which is no repeat.
// Idle connections are given up before WeChat's side does, lest a call meet a connection that is just being closed.
func newNetwork(proxy func(*http.Request) (*url.URL, error)) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  proxy,
		OnProxyConnectResponse: proxyAnswered,
		DialContext:            (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    3 * time.Second,
		Protocols:              &protocols,
		MaxIdleConns:           16,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // what is signed is what was sent
	}
}

// proxyAnswered says that a forward proxy did not let us through, as an error that proves that WeChat got nothing.
func proxyAnswered(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &net.OpError{Op: "proxyconnect", Net: "tcp", Err: fmt.Errorf("the forward proxy answers %s", answer.Status)}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.rebase.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	return bounded(resp)
}

// rebase directs the requests of the SDK, whose API host is a constant, to the base URL.
type rebase struct {
	next http.RoundTripper
	base *url.URL // nil: as the SDK addressed it
}

// RoundTrip implements http.RoundTripper.
func (t *rebase) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.base != nil {
		req = req.Clone(req.Context())
		req.URL.Scheme, req.URL.Host, req.Host = t.base.Scheme, t.base.Host, t.base.Host
		if req.URL.RawPath != "" {
			req.URL.RawPath = t.base.EscapedPath() + req.URL.RawPath
		}
		req.URL.Path = t.base.Path + req.URL.Path
	}
	return t.next.RoundTrip(req)
}

// bounded reads an answer whole, up to maxAnswer.
func bounded(resp *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err == nil && len(body) > maxAnswer {
		err = errAnswerTooLong
	}
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

// nothingSent reports whether err proves that no byte of a request left this process: no connection came about. A
// deadline that ran out while connecting is no proof.
func nothingSent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted), errors.As(err, &dns):
		return true
	case errors.As(err, &op):
		return op.Op == "dial" || op.Op == "proxyconnect"
	}
	return false
}

// networkCause strips the URL, which names order and merchant, off an error of net/http.
func networkCause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}
