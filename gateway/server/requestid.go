package server

import (
	"context"

	"github.com/google/uuid"
	"google.golang.org/grpc/metadata"
)

// requestIDHeader carries the number under which the log knows a request, in
// both directions, over gRPC and REST.
const requestIDHeader = "x-request-id"

const maxRequestID = 64

type requestIDKey struct{}

// pickRequestID returns the caller's number when it gave exactly one that is
// fit for a log line, and a new one otherwise.
func pickRequestID(given []string) string {
	if len(given) == 1 && plainRequestID(given[0]) {
		return given[0]
	}
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.NewString()
	}
	return id.String()
}

func plainRequestID(s string) bool {
	if s == "" || len(s) > maxRequestID {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// withRequestID numbers a call.
func withRequestID(ctx context.Context) (context.Context, string) {
	id := pickRequestID(metadata.ValueFromIncomingContext(ctx, requestIDHeader))
	return context.WithValue(ctx, requestIDKey{}, id), id
}

// headerOf is what the answer to a call tells of it: its number, and its span
// where it is traced.
func headerOf(ctx context.Context, id string) metadata.MD {
	if trace := traceResponse(ctx); trace != "" {
		return metadata.Pairs(requestIDHeader, id, traceResponseHeader, trace)
	}
	return metadata.Pairs(requestIDHeader, id)
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
