package server

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/gateway/server/access"
	"github.com/hisgate/hisgate/internal/anteroom"
	"github.com/hisgate/hisgate/internal/span"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// defaultDeadline bounds a call whose caller named no time.
const defaultDeadline = 30 * time.Second

// interceptors is what every call passes, whichever way it came, outermost
// first: number and log, recovery, identity, limits, deadline or drain, error
// table, field rules.
type interceptors struct {
	log      *slog.Logger
	auditLog *slog.Logger // who did what; nil = not noted
	now      func() time.Time
	metrics  *metrics
	rules    protovalidate.Validator
	draining context.Context
	admit    *admission
	access   func(access.Proof) (access.Identity, error) // nil = everybody is local

	messageTime time.Duration  // for a request to come over gRPC
	waiting     *anteroom.Room // of calls that need no name
	streams     *openStreams
}

// visit is a unary call from its header to its end.
type visit struct {
	method string
	req    any // nil until it has come
	ctx    context.Context
	began  time.Time // when there was something to do
	leave  func()    // its place; nil = it has none
	denied error     // why a known caller is refused: told when the audit knows what it was about
}

// unary is the chain of a unary call whose message is there, as over REST. Over gRPC
// atHeader goes through the same steps, the first of them before the message.
func (i *interceptors) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	v := visit{method: info.FullMethod, req: req}
	defer i.end(&v, &err)
	if err := i.begin(ctx, &v); err != nil {
		return nil, err
	}
	return i.answer(v.ctx, &v, handler)
}

// begin lets a call in by what stands in its header.
func (i *interceptors) begin(ctx context.Context, v *visit) (err error) {
	v.ctx, v.began = inTrace(ctx), i.now()
	ctx, id := withRequestID(v.ctx)
	_ = grpc.SetHeader(ctx, headerOf(ctx, id))
	v.ctx, err = i.identify(ctx, v.method)
	if _, known := errors.AsType[*roleError](err); known {
		v.denied, err = err, nil
	}
	if err == nil && !open(v.method) {
		v.leave, err = i.admit.enter(clientOf(v.ctx), kindOf(v.method))
	}
	if err != nil {
		return i.translate(v.ctx, v.method, err)
	}
	return nil
}

// answer has a call answered whose message has come.
func (i *interceptors) answer(ctx context.Context, v *visit, handler grpc.UnaryHandler) (any, error) {
	if v.denied != nil {
		return nil, i.translate(ctx, v.method, v.denied)
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultDeadline)
		defer cancel()
	}
	if err := i.valid(v.req); err != nil {
		return nil, i.translate(ctx, v.method, err)
	}
	resp, err := handler(ctx, v.req)
	if err != nil {
		return nil, i.translate(ctx, v.method, err)
	}
	return resp, nil
}

// end is deferred by whoever begins a call.
func (i *interceptors) end(v *visit, err *error) {
	if p := recover(); p != nil {
		*err = i.recovered(v.ctx, v.method, p)
	}
	if v.leave != nil {
		v.leave()
	}
	i.observe(v.ctx, v.method, v.req, v.began, *err)
	i.audit(v.ctx, v.method, v.req, *err)
}

// stream is the chain of a stream.
func (i *interceptors) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	ctx := inTrace(ss.Context())
	ctx, id := withRequestID(ctx)
	_ = ss.SetHeader(headerOf(ctx, id))
	began := i.now()
	defer func() {
		i.observe(ctx, info.FullMethod, nil, began, err)
		i.audit(ctx, info.FullMethod, nil, err)
	}()
	defer i.recoverTo(ctx, info.FullMethod, &err)
	if ctx, err = i.identify(ctx, info.FullMethod); err != nil {
		return i.translate(ctx, info.FullMethod, err)
	}
	leave, err := i.admit.enter(clientOf(ctx), streamKindOf(info.FullMethod))
	if err != nil {
		return i.translate(ctx, info.FullMethod, err)
	}
	defer leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(i.draining, func() { cancel(gateway.ErrClosed) })()
	if i.draining.Err() != nil {
		return i.translate(ctx, info.FullMethod, gateway.ErrClosed)
	}
	defer i.streams.watch(i.judgeOf(ctx, info.FullMethod), cancel)()
	defer context.AfterFunc(ctx, func() { endAsTold(ctx) })()
	first := func(receive func() error) error { return i.first(ctx, info.FullMethod, receive) }
	err = handler(srv, &checkedStream{ServerStream: ss, ctx: ctx, check: i.valid, first: first})
	if err != nil {
		err = whyEnded(ctx, err)
	}
	if err != nil {
		return i.translate(ctx, info.FullMethod, err)
	}
	return nil
}

// checkedStream holds what comes in against the field rules, and does not wait for
// ever: neither for the first message, nor for a client that takes none.
type checkedStream struct {
	grpc.ServerStream
	ctx   context.Context
	check func(any) error
	first func(receive func() error) error // receives the first message
	begun bool                             // it has come
}

// Context returns the stream's context, with identity, and over when hisgate
// drains.
func (s *checkedStream) Context() context.Context { return s.ctx }

// RecvMsg receives a message that keeps the field rules.
func (s *checkedStream) RecvMsg(m any) error {
	receive := func() error { return s.ServerStream.RecvMsg(m) }
	var err error
	if s.begun {
		err = receive()
	} else {
		s.begun = true
		err = s.first(receive)
	}
	if err != nil {
		return err
	}
	return s.check(m)
}

// SendMsg sends a message that the client takes in time.
func (s *checkedStream) SendMsg(m any) error {
	return inTime(s.ctx, answerTime, notTaken, func() error { return s.ServerStream.SendMsg(m) })
}

// errTooLarge refuses a message over gRPC. REST bounds its bodies itself.
var errTooLarge = errors.New("the message is larger than 1 MiB")

// valid holds a message against its bound and the field rules of the .proto
// files.
func (i *interceptors) valid(m any) error {
	msg, ok := m.(proto.Message)
	if !ok {
		return nil
	}
	switch size := proto.Size(msg); {
	case size > maxRequest:
		return errTooLarge
	case size > maxPlain && crowded(msg):
		return i.rules.Validate(msg, protovalidate.WithFailFast())
	default:
		return i.rules.Validate(msg)
	}
}

const (
	// maxPlain is the size up to which every fault of a message is looked for,
	// whatever is in it.
	maxPlain = 1 << 10
	// maxElements is what the API takes at most in any list or map.
	maxElements = 100
)

// crowded reports whether a message has more elements than the API takes anywhere.
// To find the faults of them all would take minutes for a message of 1 MiB; the
// first one will do.
func crowded(msg proto.Message) (yes bool) {
	msg.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		yes = f.IsList() && v.List().Len() > maxElements || f.IsMap() && v.Map().Len() > maxElements
		return !yes
	})
	return yes
}

// translate is the error table; what no row knows is logged with its cause, which
// the caller does not see.
func (i *interceptors) translate(ctx context.Context, method string, err error) error {
	s, known := toStatus(err)
	if !known {
		span.Log(ctx, i.log).ErrorContext(ctx, "internal error", "method", method, "request_id", requestID(ctx), "error", err)
	}
	return s.Err()
}

// recoverTo turns a panic into an internal error.
func (i *interceptors) recoverTo(ctx context.Context, method string, err *error) {
	if p := recover(); p != nil {
		*err = i.recovered(ctx, method, p)
	}
}

// recovered tells of a panic.
func (i *interceptors) recovered(ctx context.Context, method string, p any) error {
	i.metrics.panics.Inc()
	span.Log(ctx, i.log).ErrorContext(ctx, "panic", "method", method, "request_id", requestID(ctx), "panic", p, "stack", string(debug.Stack()))
	return internalFailure().status().Err()
}

// internalFailure is a fault of hisgate; its cause is for the log alone.
func internalFailure() failure {
	return failure{
		code: codes.Internal, reason: hisgatev1.Reason_INTERNAL,
		message: "internal error; the log has it under the request id", zh: "内部错误，请凭请求号查日志",
	}
}
