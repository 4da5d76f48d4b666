package server

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hisgate/hisgate/internal/span"
)

// observe logs and counts a call that has ended. It never sees its content.
func (i *interceptors) observe(ctx context.Context, method string, req any, began time.Time, err error) {
	took, s := i.now().Sub(began), status.Convert(err)
	noteCall(ctx, method, req, s)
	i.metrics.observe(method, s.Code(), took)
	level := levelOf(method, s.Code())
	if !i.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", method), slog.String("code", s.Code().String()),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000), slog.String("request_id", requestID(ctx)),
	}
	if id := caller(ctx); id.authenticated {
		attrs = append(attrs, slog.String("principal", id.Name))
	}
	if why := reasonOf(s); why != "" {
		attrs = append(attrs, slog.String("reason", why))
	}
	if id := span.TraceID(ctx); id != "" {
		attrs = append(attrs, slog.String("trace_id", id))
	}
	i.log.LogAttrs(ctx, level, "call", attrs...)
}

// levelOf keeps reads that went well out of the log: they come by the thousand.
func levelOf(method string, code codes.Code) slog.Level {
	if open(method) && code != codes.Internal {
		return slog.LevelDebug // anybody can cause them
	}
	switch code {
	case codes.OK:
		if reads(method) {
			return slog.LevelDebug
		}
		return slog.LevelInfo
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return slog.LevelError
	case codes.ResourceExhausted, codes.Unauthenticated:
		return slog.LevelDebug // a flood must not flood the log; it is counted
	case codes.Unavailable, codes.DeadlineExceeded:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// reads reports whether a method changes nothing.
func reads(method string) bool {
	name := method[strings.LastIndexByte(method, '/')+1:]
	for _, read := range []string{"Get", "BatchGet", "List", "Check", "Watch", "Explain", "Proof", "Verify", "ServerReflection"} {
		if strings.HasPrefix(name, read) {
			return true
		}
	}
	return false
}

// reasonOf is the reason that an error's details give, "" when they give none.
func reasonOf(s *status.Status) string {
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}
