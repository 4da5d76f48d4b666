package server

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

const (
	// maxRequest bounds a request, over gRPC and REST.
	maxRequest = 1 << 20
	// maxMessage is what the gRPC server reads at all. What is between the two is
	// refused by us, with a reason; beyond it gRPC refuses in its own words.
	maxMessage = 4 * maxRequest
	// streamWindow and connWindow are what a client may send ahead, of a call and of a
	// connection. By itself gRPC widens both for clients that send much, to 16 MiB of
	// every call that nobody reads.
	streamWindow = 64 << 10
	connWindow   = 1 << 20
	// callWorkers are goroutines that wait for calls, with stacks that have grown
	// already: the way to a service is deep, and a new goroutine grows its stack
	// three times on it. When all are at work, calls have new ones.
	callWorkers = 128
)

// services are the implementations of the API.
type services struct {
	stock *stockService
	lock  *lockService
	order *orderService
	ops   *opsService
}

func newServices(o *Options) *services {
	return &services{
		stock: &stockService{gw: o.Gateway},
		lock:  &lockService{gw: o.Gateway},
		order: &orderService{orders: o.Orders, gw: o.Gateway, strategy: o.Strategy, appIDs: o.AppIDs},
		ops: &opsService{
			orders: o.Orders, gw: o.Gateway, guard: o.Guard, now: o.Now, log: o.Logger,
			locks: lockCases{gw: o.Gateway, owner: o.CaseOwner}, store: o.Store, verifying: make(chan struct{}, 1),
		},
	}
}

// register hands the services to a registrar: the gRPC server, or the channel of
// REST.
func (s *services) register(r grpc.ServiceRegistrar) {
	hisgatev1.RegisterStockServiceServer(r, s.stock)
	hisgatev1.RegisterLockServiceServer(r, s.lock)
	hisgatev1.RegisterOrderServiceServer(r, s.order)
	hisgatev1.RegisterOpsServiceServer(r, s.ops)
}

func newGRPC(s *services, i *interceptors, o *Options) (*grpc.Server, *health.Server) {
	options := []grpc.ServerOption{
		grpc.StreamInterceptor(i.stream), // unary calls have theirs at the header
		grpc.NumStreamWorkers(callWorkers),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxConcurrentStreams(1000),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connWindow),
		grpc.MaxHeaderListSize(16 << 10),
		grpc.ConnectionTimeout(10 * time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	}
	if o.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(o.TLS)))
	}
	if o.Tracer != nil {
		options = append(options, grpc.StatsHandler(newStatsHandler(o.Tracer)))
	}
	srv := grpc.NewServer(options...)
	early := atHeader{srv, i}
	s.register(early)
	h := health.NewServer()
	h.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	for name := range srv.GetServiceInfo() {
		h.SetServingStatus(name, healthpb.HealthCheckResponse_SERVING)
	}
	if !o.Orders.Enabled() { // it takes no order; hisgate as a whole is well
		h.SetServingStatus(hisgatev1.OrderService_ServiceDesc.ServiceName, healthpb.HealthCheckResponse_NOT_SERVING)
	}
	healthpb.RegisterHealthServer(early, h)
	reflection.Register(srv)
	return srv, h
}
