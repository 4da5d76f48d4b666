package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/hisgate/hisgate/internal/span"
)

// The trace of a call is its caller's, by the W3C header traceparent, over gRPC
// and REST: its number stands in the log also where hisgate records no spans.
// traceresponse tells the caller the span of its call where it does.
const (
	traceParentHeader   = "traceparent"
	traceResponseHeader = "traceresponse"
)

// newStatsHandler begins and ends the spans of calls over gRPC. Health checks and
// reflection have none.
func newStatsHandler(t trace.TracerProvider) stats.Handler {
	return otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(t), otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelgrpc.WithPropagators(propagation.TraceContext{}),
		otelgrpc.WithFilter(func(i *stats.RPCTagInfo) bool { return strings.HasPrefix(i.FullMethodName, "/hisgate.") }),
	)
}

// inTrace puts a call into its trace: over REST that of the HTTP request, which
// the channel of streams hides; over gRPC that of the span that the stats handler
// began, or else the caller's.
func inTrace(ctx context.Context) context.Context {
	if c := inprocgrpc.ClientContext(ctx); c != nil {
		if s := trace.SpanFromContext(c); s.SpanContext().IsValid() {
			return trace.ContextWithSpan(ctx, s)
		}
		return ctx
	}
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	parent := metadata.ValueFromIncomingContext(ctx, traceParentHeader)
	if len(parent) == 0 {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceParentHeader: parent[0]})
}

// traceResponse is the header that tells a caller the span of its call; "" where
// none is recorded.
func traceResponse(ctx context.Context) string {
	c := trace.SpanContextFromContext(ctx)
	if !c.IsValid() || c.IsRemote() {
		return ""
	}
	return fmt.Sprintf("00-%s-%s-%s", c.TraceID(), c.SpanID(), c.TraceFlags())
}

// noteCall says in the span of a call what the log's line of it says.
func noteCall(ctx context.Context, method string, req any, s *status.Status) {
	of := trace.SpanFromContext(ctx)
	if !of.IsRecording() {
		return
	}
	of.SetAttributes(
		attribute.String("rpc.method", strings.TrimPrefix(method, "/")),
		attribute.String(span.Prefix+"code", s.Code().String()),
		attribute.String(span.Prefix+"request_id", requestID(ctx)),
	)
	for _, a := range []struct{ key, value string }{
		{"order_no", idOf(req, func(m interface{ GetOrderNo() string }) string { return m.GetOrderNo() })},
		{"drug_id", idOf(req, func(m interface{ GetDrugId() string }) string { return m.GetDrugId() })},
		{"reason", reasonOf(s)},
	} {
		if a.value != "" {
			of.SetAttributes(attribute.String(span.Prefix+a.key, a.value))
		}
	}
}

// tracedREST puts requests into their callers' traces, and records a span of each
// with a tracer.
func tracedREST(t trace.TracerProvider, next http.Handler) http.Handler {
	var tracer trace.Tracer
	if t != nil {
		tracer = t.Tracer(span.Scope)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if r.Header.Get(traceParentHeader) != "" {
			ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
		}
		switch {
		case tracer != nil:
			recordHTTP(ctx, tracer, r.Method, w, r, next)
		case ctx != r.Context():
			next.ServeHTTP(w, r.WithContext(ctx))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// tracedCallback records a span of each callback, at the root of a trace: WeChat
// has none, and whoever reaches this address cannot choose ours.
func tracedCallback(t trace.TracerProvider, next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	tracer := t.Tracer(span.Scope)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "callback"
		if r.URL.Path == "/wechat/v1/payment" || r.URL.Path == "/wechat/v1/refund" {
			name = "POST " + r.URL.Path
		}
		recordHTTP(r.Context(), tracer, name, w, r, next)
	})
}

func recordHTTP(ctx context.Context, tracer trace.Tracer, name string, w http.ResponseWriter, r *http.Request, next http.Handler) {
	ctx, s := tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
	defer s.End()
	if id := traceResponse(ctx); id != "" {
		w.Header().Set(traceResponseHeader, id)
	}
	if !s.IsRecording() {
		next.ServeHTTP(w, r.WithContext(ctx))
		return
	}
	answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	next.ServeHTTP(answer, r.WithContext(ctx))
	s.SetAttributes(attribute.String("http.request.method", r.Method), attribute.Int("http.response.status_code", answer.status))
	if answer.status >= http.StatusInternalServerError {
		s.SetStatus(otelcodes.Error, "")
	}
}

// namedSpan gives the span of a request the route as its name.
func namedSpan(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		if s := trace.SpanFromContext(r.Context()); s.IsRecording() {
			pattern, _ := runtime.HTTPPattern(r.Context())
			s.SetName(r.Method + " " + routePath(pattern))
			s.SetAttributes(attribute.String("http.route", routePath(pattern)))
		}
		next(w, r, params)
	}
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
