package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"buf.build/go/protovalidate"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/gateway/server/access"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/internal/anteroom"
	"github.com/hisgate/hisgate/payflow"
)

// Options of a Server. Gateway, Orders and Guard are required.
type Options struct {
	Gateway *gateway.Gateway
	Orders  *payflow.Service   // opened without a PayChannel when payment is disabled
	Guard   func() guard.State // how the HIS is protected now
	Store   Store              // the data folder; nil = nothing to verify or to back up

	Strategy  payflow.Strategy // of an order that names none; "" = RESERVE
	AppIDs    []string         // of the merchant; the first is that of a payment that names none
	CaseOwner string           // the duty that owns the cases of locks; "" = duty-pharmacist

	Access func(access.Proof) (access.Identity, error) // who calls; nil = everybody is "local", with all roles
	TLS    *tls.Config                                 // of gRPC; nil = without

	Feeds map[string]http.Handler // takes POST /v1/feeds/{name}/webhook; each proves its callers itself

	Origins   []string      // of web pages that may call REST: https://shop.example.cn; nil = none
	Heartbeat time.Duration // of server-sent events that have nothing to tell; 0 = 15 s
	Judge     time.Duration // how often the callers of open streams are judged again; 0 = 10 s
	HSTS      time.Duration // browsers are told to speak TLS alone to this host for so long, over TLS; 0 = they are not

	Limits Limits // on callers; the zero value bounds no number, DefaultLimits are a start

	Version  string               // for the metrics
	Health   func() []string      // further reasons why hisgate is degraded; nil = none
	Figures  func() Figures       // for the metrics; nil = none are known
	Ready    func() error         // why no requests can be taken yet; nil = always ready
	Registry *prometheus.Registry // for the metrics; nil = one of its own
	Tracer   trace.TracerProvider // collects the spans of calls; nil = calls are not traced
	Logger   *slog.Logger         // nil = silent
	Audit    *slog.Logger         // who changed what; nil = not noted
	Now      func() time.Time     // nil = time.Now
}

// Server is the edge. It opens no ports: hand its handlers to listeners.
type Server struct {
	grpc    *grpc.Server
	health  *health.Server
	rest    http.Handler
	webhook http.Handler
	feeds   map[string]http.Handler
	ops     http.Handler
	streams *openStreams
	doors   *doors

	strangers strangers

	draining context.Context // ends when Drain is called
	drain    context.CancelCauseFunc
	once     sync.Once
}

// New builds the services and all ways to reach them. It blocks on nothing.
// Errors: everything that is wrong with the options.
func New(o Options) (*Server, error) {
	if o.Gateway == nil || o.Orders == nil || o.Guard == nil {
		return nil, errors.New("the server needs the gateway, the orders and the guard's state")
	}
	o = o.filled()
	rules, err := protovalidate.New()
	if err != nil {
		return nil, fmt.Errorf("field rules of the API: %w", err)
	}
	m, err := newMetrics(&o)
	if err != nil {
		return nil, err
	}
	draining, drain := context.WithCancelCause(context.Background())
	chain := &interceptors{
		log: o.Logger, now: o.Now, metrics: m, rules: rules,
		draining: draining, admit: m.admission, access: o.Access, auditLog: o.Audit,
		messageTime: o.Limits.MessageTime, streams: newOpenStreams(o.Judge), waiting: anteroom.New(openWaiting),
	}
	svc := newServices(&o)
	s := &Server{draining: draining, drain: drain, streams: chain.streams, doors: m.doors, strangers: strangers{
		knows: chain.knows, admit: chain.admit, room: anteroom.New(strangersWaiting),
	}}
	s.grpc, s.health = newGRPC(svc, chain, &o)
	if s.rest, err = newREST(&o, svc, chain); err != nil {
		drain(err)
		return nil, err
	}
	s.webhook, s.feeds = newWebhook(o.Orders, &o), make(map[string]http.Handler, len(o.Feeds))
	for name, f := range o.Feeds {
		s.feeds[name] = secured(o.HSTS, numbered(proving(f)))
	}
	s.ops = newOps(&o, draining)
	return s, nil
}

func (o Options) filled() Options {
	if o.Strategy == "" {
		o.Strategy = payflow.Reserve
	}
	if o.CaseOwner == "" {
		o.CaseOwner = "duty-pharmacist"
	}
	if o.Health == nil {
		o.Health = func() []string { return nil }
	}
	if o.Figures == nil {
		o.Figures = func() Figures { return Figures{} }
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = heartbeat
	}
	if o.Judge <= 0 {
		o.Judge = judgeEvery
	}
	if o.Limits.MessageTime <= 0 {
		o.Limits.MessageTime = messageTime
	}
	return o
}

// GRPC returns the gRPC server, to be served on a listener.
func (s *Server) GRPC() *grpc.Server { return s.grpc }

// Webhook returns the handler of WeChat's callbacks alone: POST
// /wechat/v1/payment and /wechat/v1/refund.
func (s *Server) Webhook() http.Handler { return s.strangers.bounded(s.webhook) }

// Public returns REST and the feeds that are posted to, and the callbacks too when
// they have no listener of their own.
func (s *Server) Public(callbacks bool) http.Handler {
	p := public{rest: s.rest, feeds: s.feeds}
	if callbacks {
		p.webhook = s.webhook
	}
	return s.strangers.bounded(p)
}

// Ops returns the handler of /livez, /readyz and /metrics.
func (s *Server) Ops() http.Handler { return s.ops }

// Drain says "not ready", ends all streams with SHUTTING_DOWN and refuses new
// ones. Unary calls are still served. It does not block. Call it before
// http.Server.Shutdown, which waits for streams otherwise.
func (s *Server) Drain() {
	s.once.Do(func() {
		s.health.Shutdown()
		s.drain(gateway.ErrClosed)
	})
}

// Shutdown drains, and closes the gRPC server when its calls have ended, at most
// until ctx ends; then it cuts them off and returns ctx's error. Calls over REST
// are http.Server's to wait for, before this.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
		return ctx.Err()
	}
}
