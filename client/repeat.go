package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// requestIDHeader is under which hisgate's log knows a call.
const requestIDHeader = "x-request-id"

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// repeater gives unary calls their deadline, their number and their repeats.
type repeater struct {
	timeout  time.Duration
	attempts int
	wait     func(context.Context, time.Duration) error
}

// unary is the interceptor of unary calls.
func (r *repeater) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.timeout)
		defer cancel()
	}
	ctx, id := numbered(ctx)
	for attempt := 1; ; attempt++ {
		err := typed(method, id, invoke(ctx, method, req, reply, cc, opts...))
		pause, again := r.pause(method, attempt, err)
		if !again || !fits(ctx, pause) || r.wait(ctx, pause) != nil {
			return err
		}
	}
}

// pause is how long to wait before the next attempt; again is false when there is
// to be none.
func (r *repeater) pause(method string, attempt int, err error) (pause time.Duration, again bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok || attempt >= r.attempts || !mayRepeat(method) || !passes(e) {
		return 0, false
	}
	pause = e.RetryAfter
	if pause <= 0 {
		pause = maxPause
		if attempt <= 6 { // beyond, the doubled pause is longer, or no number any more
			pause = min(firstPause<<(attempt-1), maxPause)
		}
	}
	return pause + rand.N(pause/4+1), true
}

// passes reports whether an error may be gone in a moment.
func passes(e *Error) bool {
	switch e.Code {
	case codes.Unavailable:
		return e.Reason != hisgatev1.Reason_HIS_MISCONFIGURED && e.Reason != hisgatev1.Reason_DISK_RESERVE
	case codes.ResourceExhausted:
		return e.RetryAfter > 0 // without it the message was too large, which stays so
	default:
		return false
	}
}

// fits reports whether the pause ends before the call's time does. If not, the
// error at hand says more than a deadline would.
func fits(ctx context.Context, pause time.Duration) bool {
	end, bounded := ctx.Deadline()
	return !bounded || time.Until(end) > pause
}

// wait waits for d. Errors: that of ctx, when it ends before.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// numbered gives a call the caller's x-request-id, or a new one.
func numbered(ctx context.Context) (context.Context, string) {
	md, _ := metadata.FromOutgoingContext(ctx)
	if given := md.Get(requestIDHeader); len(given) > 0 {
		return ctx, given[0]
	}
	id := uuid.NewString()
	return metadata.AppendToOutgoingContext(ctx, requestIDHeader, id), id
}

// stream is the interceptor of streams: it gives them a number, and their errors
// a type.
func stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	ctx, id := numbered(ctx)
	s, err := open(ctx, desc, cc, method, opts...)
	if err != nil {
		return nil, typed(method, id, err)
	}
	return &typedStream{ClientStream: s, method: method, id: id}, nil
}

type typedStream struct {
	grpc.ClientStream
	method, id string
}

// RecvMsg implements grpc.ClientStream. Errors: io.EOF at the end, or an *Error.
func (s *typedStream) RecvMsg(m any) error {
	return typed(s.method, s.id, s.ClientStream.RecvMsg(m))
}
