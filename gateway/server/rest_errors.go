package server

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hisgate/hisgate/internal/span"
	"github.com/hisgate/hisgate/internal/sparse"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// restErrors writes errors over HTTP: google.rpc.Status as JSON, with the same
// details as over gRPC.
type restErrors struct {
	json   *strictJSON
	log    *slog.Logger
	now    func() time.Time
	routes routes

	refusals sparse.Lines
}

// handle writes the error of a call, or of the decoding before it.
func (e *restErrors) handle(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	code := 0
	if h, ok := errors.AsType[*runtime.HTTPStatusError](err); ok {
		code, err = h.HTTPStatus, status.Error(codes.InvalidArgument, h.Err.Error())
	}
	s := detailed(status.Convert(err))
	if code == 0 {
		code = runtime.HTTPStatusFromCode(s.Code())
	}
	e.write(w, r, code, s)
}

// streamed is the last line of a stream that failed after it began.
func (e *restErrors) streamed(_ context.Context, err error) *status.Status {
	return detailed(status.Convert(err))
}

// routing writes the error of a request that no method takes.
func (e *restErrors) routing(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	switch code {
	case http.StatusNotFound:
		e.fail(w, r, code, codes.NotFound, hisgatev1.Reason_NO_SUCH_METHOD, "there is nothing at this path", "没有这个路径")
	case http.StatusMethodNotAllowed:
		e.notAllowed(w, r, e.routes.allow(r.URL.Path))
	default:
		e.refuse(w, r, code, "the request cannot be read", "请求无法解析")
	}
}

// notAllowed writes that the path takes other methods.
func (e *restErrors) notAllowed(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	e.fail(w, r, http.StatusMethodNotAllowed, codes.Unimplemented, hisgatev1.Reason_NO_SUCH_METHOD, "this path takes "+allow+", not "+r.Method, "该路径只支持 "+allow)
}

// refuse writes that a request could not be read.
func (e *restErrors) refuse(w http.ResponseWriter, r *http.Request, code int, message, zh string) {
	e.fail(w, r, code, codes.InvalidArgument, hisgatev1.Reason_MALFORMED_REQUEST, message, zh)
}

func (e *restErrors) fail(w http.ResponseWriter, r *http.Request, code int, c codes.Code, why reason, message, zh string) {
	if let, missing := e.refusals.Let(e.now()); let { // anybody can cause them
		attrs := []any{"http_method", r.Method, "status", code, "why", message, "request_id", r.Header.Get(requestIDHeader)}
		if missing > 0 {
			attrs = append(attrs, "not_logged", missing)
		}
		span.Log(r.Context(), e.log).InfoContext(r.Context(), "request refused", attrs...)
	}
	e.write(w, r, code, failure{code: c, reason: why, message: message, zh: zh}.status())
}

func (e *restErrors) write(w http.ResponseWriter, r *http.Request, code int, s *status.Status) {
	h := w.Header()
	h.Del("Trailer")
	h.Del("Transfer-Encoding")
	h.Set("Content-Type", e.json.ContentType(nil))
	h.Set("Cache-Control", "no-store")
	if d, ok := retryDelay(s); ok {
		h.Set("Retry-After", strconv.Itoa(int(max(math.Ceil(d.Seconds()), 1))))
	}
	if s.Code() == codes.Unauthenticated {
		h.Set("WWW-Authenticate", "Bearer")
	}
	body, err := e.json.Marshal(s.Proto())
	if err != nil {
		e.log.ErrorContext(r.Context(), "writing an error", "error", err)
		code, body = http.StatusInternalServerError, []byte(`{"code":13,"message":"internal error","details":[]}`)
	}
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // the caller may be gone
}

// retryDelay is how long the caller of a failed call is to wait; false when it is
// not told.
func retryDelay(s *status.Status) (time.Duration, bool) {
	for _, d := range s.Details() {
		if retry, ok := d.(*errdetails.RetryInfo); ok {
			return retry.GetRetryDelay().AsDuration(), true
		}
	}
	return 0, false
}

// detailed gives the errors that no row of the table made, those of decoding and
// of the channel, what all errors have.
func detailed(s *status.Status) *status.Status {
	if reasonOf(s) != "" {
		return s
	}
	switch s.Code() {
	case codes.InvalidArgument:
		// protobuf's errors vary their spaces on purpose.
		message := strings.ReplaceAll(s.Message(), "\u00a0", " ")
		return failure{code: s.Code(), reason: hisgatev1.Reason_MALFORMED_REQUEST, message: message, zh: "请求无法解析"}.status()
	case codes.DeadlineExceeded:
		return timedOut().status()
	case codes.Unimplemented:
		return failure{code: s.Code(), reason: hisgatev1.Reason_NO_SUCH_METHOD, message: s.Message(), zh: "没有这个方法"}.status()
	case codes.Canceled:
		return s
	default:
		return internalFailure().status()
	}
}

// guarded keeps a panic outside the interceptors from ending the connection
// without a word.
func (e *restErrors) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			span.Log(r.Context(), e.log).ErrorContext(r.Context(), "panic", "request_id", r.Header.Get(requestIDHeader), "panic", p, "stack", string(debug.Stack()))
			e.write(w, r, http.StatusInternalServerError, internalFailure().status())
		}()
		next.ServeHTTP(w, r)
	})
}
