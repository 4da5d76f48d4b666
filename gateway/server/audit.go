package server

import (
	"context"
	"log/slog"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hisgate/hisgate/internal/span"
)

// audit notes who did what: every call of a known caller that changes something,
// or was to, with what it was about and how it was answered. Reads are none, nor
// are strangers, who could fill a disk with their guesses.
func (i *interceptors) audit(ctx context.Context, method string, req any, err error) {
	code := status.Code(err)
	if i.auditLog == nil || reads(method) || code == codes.Unauthenticated || code == codes.ResourceExhausted {
		return
	}
	attrs := []slog.Attr{
		slog.String("principal", caller(ctx).Name), slog.String("method", method), slog.String("code", code.String()),
		slog.String("peer", peerOf(ctx)), slog.String("request_id", requestID(ctx)),
	}
	for _, about := range []struct{ name, id string }{
		{"order_no", idOf(req, func(m interface{ GetOrderNo() string }) string { return m.GetOrderNo() })},
		{"case_id", idOf(req, func(m interface{ GetCaseId() string }) string { return m.GetCaseId() })},
		{"date", idOf(req, func(m interface{ GetDate() string }) string { return m.GetDate() })},
		{"verb_request_id", idOf(req, func(m interface{ GetRequestId() string }) string { return m.GetRequestId() })},
	} {
		if about.id != "" {
			attrs = append(attrs, slog.String(about.name, about.id))
		}
	}
	if id := span.TraceID(ctx); id != "" {
		attrs = append(attrs, slog.String("trace_id", id))
	}
	if why := reasonOf(status.Convert(err)); why != "" {
		attrs = append(attrs, slog.String("reason", why))
	}
	i.auditLog.LogAttrs(ctx, slog.LevelInfo, "audit", attrs...)
}

// idOf reads one field of a request, where it has it.
func idOf[M any](req any, get func(M) string) string {
	m, ok := req.(M)
	if !ok {
		return ""
	}
	return get(m)
}
