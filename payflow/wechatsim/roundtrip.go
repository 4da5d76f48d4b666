package wechatsim

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
)

// errDropped is what a client sees when the simulator drops its connection in process.
var errDropped = errors.New("wechatsim: connection reset by peer")

// RoundTripper serves requests in process, in the goroutine of the caller, whatever their host: an http.Client with it
// talks to this simulator without a network, also inside testing/synctest. A dropped connection is an error; a call that
// hangs ends with the error of the request's context. Only /v3/ is served.
//
// In a bubble give the request's context a deadline rather than the http.Client a Timeout: for a transport that is not
// net/http's own, Timeout starts a goroutine that lives until the body is closed, which the SDK does not do.
func (s *Sim) RoundTripper() http.RoundTripper { return inProcess{s} }

type inProcess struct{ sim *Sim }

func (p inProcess) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	var body []byte
	if r.Body != nil {
		body, err = io.ReadAll(r.Body)
		if closeErr := r.Body.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return nil, err
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(r.URL.Path, "/v3/") {
		return nil, errors.New("wechatsim: no WeChat Pay path: " + r.URL.Path)
	}
	served := r.Clone(r.Context())
	served.Body = io.NopCloser(bytes.NewReader(body))
	served.RequestURI = r.URL.RequestURI()
	served.Host = r.URL.Host

	rec := &recorder{header: http.Header{}}
	defer func() {
		if v := recover(); v == http.ErrAbortHandler {
			if resp, err = nil, r.Context().Err(); err == nil {
				err = errDropped
			}
		} else if v != nil {
			panic(v)
		}
	}()
	p.sim.handler.ServeHTTP(rec, served)
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	return &http.Response{
		Status:     http.StatusText(rec.status),
		StatusCode: rec.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        rec.header,
		Body:          io.NopCloser(bytes.NewReader(rec.body.Bytes())),
		ContentLength: int64(rec.body.Len()),
		Request:       r,
	}, nil
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (c *recorder) Header() http.Header { return c.header }

func (c *recorder) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
}

func (c *recorder) Write(b []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	return c.body.Write(b)
}
