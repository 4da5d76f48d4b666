package server

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// atHeader registers services whose unary calls are judged when their header has
// come: who calls, and whether there is a place. gRPC itself asks an interceptor
// only when the message is there, and waits for that without end.
type atHeader struct {
	grpc.ServiceRegistrar
	chain *interceptors
}

// RegisterService implements grpc.ServiceRegistrar.
func (r atHeader) RegisterService(d *grpc.ServiceDesc, impl any) {
	early := *d
	early.Methods = slices.Clone(d.Methods)
	for n := range early.Methods {
		m := &early.Methods[n]
		m.Handler = r.chain.unaryAtHeader("/"+d.ServiceName+"/"+m.MethodName, m.Handler)
	}
	r.ServiceRegistrar.RegisterService(&early, impl)
}

// unaryAtHeader is unary around a handler as it is generated, which calls dec for
// the message and then its interceptor.
func (i *interceptors) unaryAtHeader(method string, handle grpc.MethodHandler) grpc.MethodHandler {
	return func(srv any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (resp any, err error) {
		v := visit{method: method}
		defer i.end(&v, &err)
		if err := i.begin(ctx, &v); err != nil {
			return nil, err
		}
		receive := func(m any) error { return i.receive(&v, m, dec) }
		answer := func(ctx context.Context, _ any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			return i.answer(ctx, &v, h)
		}
		return handle(srv, v.ctx, receive, answer)
	}
}

// healthTime is how long a health check, or a stream of health, may take to come.
const healthTime = 5 * time.Second

// receive waits for the message of a call, for as long as it may take to come.
func (i *interceptors) receive(v *visit, m any, dec func(any) error) error {
	if err := i.first(v.ctx, v.method, func() error { return dec(m) }); err != nil {
		return i.translate(v.ctx, v.method, err)
	}
	v.req, v.began = m, i.now()
	return nil
}

// first waits for the first message of a call. One that needs no name gives way to
// others that do not either.
func (i *interceptors) first(ctx context.Context, method string, receive func() error) error {
	if !open(method) {
		return inTime(ctx, i.messageTime, tooLate, receive)
	}
	call, full := openCall(ctx), &limitError{scope: scopeClientInFlight}
	if call == nil {
		return receive()
	}
	var cut atomic.Bool
	leave := i.waiting.Enter(peerOf(ctx), func() {
		cut.Store(true)
		s, _ := toStatus(full)
		_ = call.WriteStatus(s) // the client may be gone
	})
	defer leave()
	err := inTime(ctx, min(i.messageTime, healthTime), tooLate, receive)
	if leave(); cut.Load() {
		i.admit.refused(full, clientOf(ctx))
		return full
	}
	return err
}

// tooLate: the message of a call did not come in time.
func tooLate() failure {
	return failure{
		code: codes.DeadlineExceeded, reason: hisgatev1.Reason_TIMED_OUT,
		message: "the request did not come in time; nothing was done", zh: "请求内容未按时到达，未作任何处理",
	}
}

// notTaken: a client does not read what it is sent.
func notTaken() failure {
	return failure{
		code: codes.DeadlineExceeded, reason: hisgatev1.Reason_TIMED_OUT,
		message: "the answer was not taken in time", zh: "应答未被及时接收",
	}
}

// inTime runs what waits for the client of a call over gRPC. When the time is over
// the call ends, and with it the waiting; the error is then why, whatever f says.
func inTime(ctx context.Context, d time.Duration, why func() failure, f func() error) error {
	call := openCall(ctx)
	if call == nil {
		return f()
	}
	end := time.AfterFunc(d, func() { _ = call.WriteStatus(why().status()) }) // the client may be gone
	err := f()
	if !end.Stop() {
		return why().status().Err()
	}
	return err
}

// endable is a call over gRPC as its server has it. To write its status is the only
// way to end what waits for its client: that waits for the call, not for a context
// of ours.
type endable interface {
	WriteStatus(*status.Status) error
}

// openCall is the call over gRPC that a context belongs to; nil in this process,
// where nobody waits for a client.
func openCall(ctx context.Context) endable {
	call, _ := grpc.ServerTransportStreamFromContext(ctx).(endable)
	return call
}
