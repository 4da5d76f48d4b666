package edge

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/systems"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// peer is what hisgate is held against: servers without interceptors, without rules
// and without a cache.
type peer struct {
	hisgatev1.UnimplementedStockServiceServer
	hisgatev1.UnimplementedLockServiceServer

	sessions chan systems.Session // of PostgreSQL; nil = a lock is made up
}

// addresses are where a peer serves.
type addresses struct{ GRPC, HTTP string }

// emptyMethod takes nothing and answers nothing.
const emptyMethod = "/bench.Empty/Call"

var emptyService = grpc.ServiceDesc{
	ServiceName: "bench.Empty", HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Call", Handler: func(_ any, _ context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(emptypb.Empty)
		return in, read(in)
	}}},
}

// ServePeer serves on free ports of loopback, tells up where, and ends when in does.
// dsn is that of a PostgreSQL with the schema of systems; "" = locks are made up.
func ServePeer(ctx context.Context, dsn string, in io.Reader, up func(grpcAddr, httpAddr string) error) (err error) {
	// The collector runs as often as in a process with a storage engine, and not each
	// 4 MiB as in one that keeps nothing: hisgate holds as much when it is fresh.
	ballast := make([]byte, 48<<20)
	defer runtime.KeepAlive(ballast)
	p := &peer{}
	if dsn != "" {
		p.sessions = make(chan systems.Session, inFlight)
		for range inFlight {
			s, err := systems.ConnectPostgres(ctx, dsn)
			if err != nil {
				return err
			}
			defer s.Close()
			p.sessions <- s
		}
	}
	gl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	hl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, gl.Close())
	}
	g := grpc.NewServer(grpc.MaxConcurrentStreams(1000), grpc.NumStreamWorkers(2*inFlight)) // as hisgate's
	g.RegisterService(&emptyService, nil)
	hisgatev1.RegisterStockServiceServer(g, p)
	hisgatev1.RegisterLockServiceServer(g, p)
	healthpb.RegisterHealthServer(g, health.NewServer()) // for a hisgate that is made up
	defer g.Stop()
	go g.Serve(gl)
	h := &http.Server{Handler: plainHandler(), ReadHeaderTimeout: 5 * time.Second}
	defer h.Close()
	go h.Serve(hl)
	if err := up(gl.Addr().String(), hl.Addr().String()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// GetStock answers the message that hisgate answers from its cache.
func (p *peer) GetStock(_ context.Context, r *hisgatev1.GetStockRequest) (*hisgatev1.Stock, error) {
	return &hisgatev1.Stock{
		PharmacyId: r.GetPharmacyId(), DrugId: r.GetDrugId(), DrugName: drugName, Unit: unit, Multiple: 1,
		OnHand: onHand, Available: onHand, Price: price, PricePer: pricePer, Orderable: true,
		AsOf: timestamppb.Now(), Source: hisgatev1.Stock_CACHE,
	}, nil
}

// Lock holds one unit of each drug in PostgreSQL.
func (p *peer) Lock(ctx context.Context, r *hisgatev1.LockRequest) (*hisgatev1.Lock, error) {
	if p.sessions != nil {
		drugs := make([]string, 0, len(r.GetItems()))
		for _, i := range r.GetItems() {
			drugs = append(drugs, i.GetDrugId())
		}
		s := <-p.sessions
		err := s.Lock(ctx, r.GetOrderNo(), drugs)
		p.sessions <- s
		if err != nil {
			return nil, err
		}
	}
	now := time.Now()
	return &hisgatev1.Lock{
		OrderNo: r.GetOrderNo(), PharmacyId: r.GetPharmacyId(), Items: r.GetItems(), Status: hisgatev1.Lock_LOCKED,
		Attempt: 1, HisNo: r.GetOrderNo(), ExpireTime: timestamppb.New(now.Add(30 * time.Minute)), CreateTime: timestamppb.New(now),
		UpdateTime: timestamppb.New(now), Etag: "1",
	}, nil
}
