package server

import (
	"context"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// inProcess carries calls over REST to the services, through the interceptors of
// gRPC. A unary call is made in the goroutine of its HTTP request, whose stack has
// grown already; a stream has one of its own.
type inProcess struct {
	*inprocgrpc.Channel // of streams
	intercept           grpc.UnaryServerInterceptor
	methods             map[string]unaryMethod // by full name
}

// unaryMethod is a method of a service that was registered.
type unaryMethod struct {
	service any
	handler grpc.MethodHandler
}

func newInProcess(i *interceptors) *inProcess {
	return &inProcess{
		Channel:   new(inprocgrpc.Channel).WithServerStreamInterceptor(i.stream),
		intercept: i.unary, methods: make(map[string]unaryMethod),
	}
}

// RegisterService implements grpc.ServiceRegistrar.
func (p *inProcess) RegisterService(d *grpc.ServiceDesc, service any) {
	p.Channel.RegisterService(d, service)
	for _, m := range d.Methods {
		p.methods["/"+d.ServiceName+"/"+m.MethodName] = unaryMethod{service: service, handler: m.Handler}
	}
}

// Invoke implements grpc.ClientConnInterface. Messages are copied, as over a
// connection: a service may keep what it was given. The headers that an answer has
// over gRPC are set by REST itself, so the options are left alone.
func (p *inProcess) Invoke(ctx context.Context, method string, in, out any, _ ...grpc.CallOption) error {
	m, ok := p.methods[method]
	if !ok {
		return status.Errorf(codes.Unimplemented, "method %s not implemented", method)
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	ctx = metadata.NewIncomingContext(metadata.NewOutgoingContext(ctx, nil), md) // it goes no further
	ctx = grpc.NewContextWithServerTransportStream(ctx, noHeader(method))
	answer, err := m.handler(m.service, ctx, func(request any) error {
		proto.Merge(request.(proto.Message), in.(proto.Message))
		return nil
	}, p.intercept)
	if err != nil {
		return err
	}
	proto.Merge(out.(proto.Message), answer.(proto.Message))
	return nil
}

// noHeader takes the headers of an answer, and drops them.
type noHeader string

func (m noHeader) Method() string             { return string(m) }
func (noHeader) SetHeader(metadata.MD) error  { return nil }
func (noHeader) SendHeader(metadata.MD) error { return nil }
func (noHeader) SetTrailer(metadata.MD) error { return nil }
