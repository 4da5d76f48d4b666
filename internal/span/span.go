package span

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Scope is under which name the spans are collected, and Prefix what stands
// before each of their attributes.
const (
	Scope  = "github.com/hisgate/hisgate"
	Prefix = "hisgate."
)

// Span is a stretch of a call's way. The zero value records nothing.
type Span struct{ s trace.Span }

// recorded is the span of ctx if its trace is recorded in this process.
func recorded(ctx context.Context) (trace.Span, bool) {
	if ctx == nil {
		return nil, false
	}
	s := trace.SpanFromContext(ctx)
	c := s.SpanContext()
	return s, c.IsSampled() && !c.IsRemote()
}

// Begin begins a span under that of ctx, which may have ended already. The
// returned context carries the new one.
func Begin(ctx context.Context, name string) (context.Context, Span) {
	parent, ok := recorded(ctx)
	if !ok {
		return ctx, Span{}
	}
	ctx, s := parent.TracerProvider().Tracer(Scope).Start(ctx, name)
	return ctx, Span{s}
}

// BeginFor begins a span for several callers: under that of the first one whose
// trace is recorded, linked with those of the others. ctx gives everything else.
func BeginFor(ctx context.Context, callers []context.Context, name string) (context.Context, Span) {
	var first trace.Span
	var links []trace.Link
	for _, c := range callers {
		s, ok := recorded(c)
		switch {
		case !ok:
		case first == nil:
			first = s
		case s.SpanContext().SpanID() != first.SpanContext().SpanID():
			links = append(links, trace.Link{SpanContext: s.SpanContext()})
		}
	}
	if first == nil {
		return ctx, Span{}
	}
	ctx = trace.ContextWithSpan(ctx, first)
	ctx, s := first.TracerProvider().Tracer(Scope).Start(ctx, name, trace.WithLinks(links...))
	return ctx, Span{s}
}

// Carry returns ctx with the span of from, where that is recorded.
func Carry(ctx, from context.Context) context.Context {
	if s, ok := recorded(from); ok {
		return trace.ContextWithSpan(ctx, s)
	}
	return ctx
}

// Cause is what of a caller's context its work needs when the caller is gone:
// its span, nil where that is not recorded.
func Cause(caller context.Context) context.Context {
	if s, ok := recorded(caller); ok {
		return trace.ContextWithSpan(context.Background(), s)
	}
	return nil
}

// On reports whether anything is recorded, for attributes that cost something to
// make.
func (s Span) On() bool { return s.s != nil }

// Text sets an attribute.
func (s Span) Text(key, value string) {
	if s.s != nil {
		s.s.SetAttributes(attribute.String(Prefix+key, value))
	}
}

// Number sets an attribute.
func (s Span) Number(key string, n int) {
	if s.s != nil {
		s.s.SetAttributes(attribute.Int(Prefix+key, n))
	}
}

// Flag sets an attribute.
func (s Span) Flag(key string, on bool) {
	if s.s != nil {
		s.s.SetAttributes(attribute.Bool(Prefix+key, on))
	}
}

// End ends the span; failed marks it as one to look at. What failed stands in an
// attribute, never a text of an error.
func (s Span) End(failed bool) {
	if s.s == nil {
		return
	}
	if failed {
		s.s.SetStatus(codes.Error, "")
	}
	s.s.End()
}

// TraceID is the trace that ctx is in, whoever records it; "" = none.
func TraceID(ctx context.Context) string {
	if ctx == nil {
		return ""
	}
	if c := trace.SpanContextFromContext(ctx); c.IsValid() {
		return c.TraceID().String()
	}
	return ""
}

// Log returns the logger for lines about the work of ctx: with its trace_id,
// where it is in a trace.
func Log(ctx context.Context, log *slog.Logger) *slog.Logger {
	if id := TraceID(ctx); id != "" {
		return log.With("trace_id", id)
	}
	return log
}
