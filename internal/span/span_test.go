package span_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/hisgate/hisgate/internal/span"
)

// recorder begins calls whose spans are kept.
func recorder(t *testing.T) (*tracetest.SpanRecorder, func(name string) (context.Context, trace.Span)) {
	t.Helper()
	r := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r))
	return r, func(name string) (context.Context, trace.Span) {
		return p.Tracer("test").Start(context.Background(), name)
	}
}

func TestNothingIsDoneForACallThatIsNotTraced(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, 1)
	remote := trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled,
	}))
	for name, ctx := range map[string]context.Context{"no trace": ctx, "recorded elsewhere": remote} {
		if n := testing.AllocsPerRun(100, func() {
			in, s := span.Begin(ctx, "x")
			s.Text("order_no", "R1")
			s.Number("keys", 3)
			s.Flag("live", true)
			s.End(true)
			if in != ctx || s.On() || span.Carry(ctx, ctx) != ctx || span.Cause(ctx) != nil {
				t.Error("something is recorded")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	var none context.Context // a step that nobody asked for
	if span.TraceID(remote) != "01000000000000000000000000000000" || span.TraceID(ctx) != "" || span.TraceID(none) != "" {
		t.Error("the trace of a caller is not known")
	}
}

func TestSpansOfWorkForOthers(t *testing.T) {
	r, call := recorder(t)
	one, first := call("first")
	two, second := call("second")
	first.End() // the work goes on without its caller
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ctx, load := span.BeginFor(ctx, []context.Context{t.Context(), one, one, two}, "load")
	_, within := span.Begin(ctx, "within")
	within.End(false)
	load.Number("keys", 2)
	load.End(true)
	second.End()
	if cancel(); ctx.Err() == nil {
		t.Error("the work does not end with its own context")
	}
	byName := map[string]sdktrace.ReadOnlySpan{}
	for _, s := range r.Ended() {
		byName[s.Name()] = s
	}
	got := byName["load"]
	if got.Parent().SpanID() != first.SpanContext().SpanID() || len(got.Links()) != 1 || got.Links()[0].SpanContext.SpanID() != second.SpanContext().SpanID() {
		t.Errorf("load: under %s, links %v", got.Parent().SpanID(), got.Links())
	}
	if a := got.Attributes(); len(a) != 1 || a[0].Key != "hisgate.keys" || got.Status().Code.String() != "Error" || got.Status().Description != "" {
		t.Errorf("load: %v, %v", a, got.Status())
	}
	if byName["within"].Parent().SpanID() != got.SpanContext().SpanID() {
		t.Error("within is not under load")
	}
	carried := span.Carry(t.Context(), span.Cause(one))
	if trace.SpanFromContext(carried) != first {
		t.Error("the cause of a call is not carried")
	}
	var log bytes.Buffer
	span.Log(carried, slog.New(slog.NewJSONHandler(&log, nil))).Info("x")
	if !strings.Contains(log.String(), `"trace_id":"`+first.SpanContext().TraceID().String()+`"`) {
		t.Errorf("log: %s", log.String())
	}
}
