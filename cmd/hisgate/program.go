package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/traced"
	"github.com/hisgate/hisgate/internal/alarm"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/gatewaylocks"
	tracedpay "github.com/hisgate/hisgate/payflow/traced"
	"github.com/hisgate/hisgate/payflow/wechat"
)

// Program is a running hisgate. open starts it, Close ends it; in between,
// Failed tells when it cannot go on.
type Program struct {
	GRPCAddr, HTTPAddr, WebhookAddr, OpsAddr string // as bound; WebhookAddr is HTTPAddr without a listener of its own

	log       *slog.Logger
	listeners listeners
	engine    engine.Engine
	committer *engine.Committer
	ledger    *lockstore.Ledger
	gateway   *gateway.Gateway
	feeds     *feeds
	his       hisadapter.Driver // without its guard; nil before it is opened
	orders    *payflow.Service
	alarm     *alarm.Alarm
	tracing   *tracing // nil = off
	secure    *secure
	edge      *server.Server
	rest      *http.Server
	hooks     *http.Server // of the callbacks' own listener, nil without one
	ops       *http.Server

	stopWork context.CancelFunc // of the workers and of WeChat's background work
	workers  sync.WaitGroup
	serving  sync.WaitGroup
	failed   chan error
}

// open starts everything; s is c in the words of the rooms, or a quicker one.
// The HIS and WeChat Pay need not be reachable. It returns an error, and leaves
// nothing running, when an address is taken, a key cannot be read, or the data
// folder cannot be opened.
func open(c Config, s settings, log *slog.Logger) (_ *Program, err error) {
	p := &Program{log: log, failed: make(chan error, 8)}
	ctx, cancel := context.WithCancel(context.Background())
	p.stopWork = cancel
	defer func() {
		if err != nil {
			p.abandon()
		}
	}()
	if err := p.listeners.open(c.Listen); err != nil {
		return nil, err
	}
	p.GRPCAddr, p.HTTPAddr = p.listeners.grpc.Addr().String(), p.listeners.http.Addr().String()
	p.WebhookAddr, p.OpsAddr = p.HTTPAddr, p.listeners.ops.Addr().String()
	if p.listeners.webhook != nil {
		p.WebhookAddr = p.listeners.webhook.Addr().String()
	}
	if err := p.openStorage(c); err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := p.openAlarm(s.alarm, registry); err != nil {
		return nil, err
	}
	calls, err := server.NewHISMetrics(registry)
	if err != nil {
		return nil, err
	}
	if p.tracing, err = openTracing(ctx, c.Tracing, log); err != nil {
		return nil, err
	}
	driver, err := openDriver(c.HIS, s.caps, c.Tracing.header(), log)
	if err != nil {
		return nil, err
	}
	p.his = driver
	if p.tracing != nil {
		driver = traced.Wrap(driver, traced.HIS)
	}
	his, err := guard.New(driver, s.guard, guard.Deps{
		Observe: calls.Observe,
		OnMisconfigured: func(e *hisadapter.Error) {
			log.Error("the HIS refuses our calls as such", "op", e.Op, "his_code", e.Code, "his_message", e.Message)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("his.guard: %w", err)
	}
	p.ledger, err = lockstore.Open(ctx, lockstore.Options{
		Committer: p.committer, Policy: gateway.Policy(s.caps, s.gateway), Safety: s.safety, Logger: log,
		Retention: c.Storage.Retention, DiskReserve: diskReserve(c.Storage.DiskReserve),
	})
	if err != nil {
		return nil, err
	}
	var guarded hisadapter.Driver = his
	if p.tracing != nil {
		guarded = traced.Wrap(his, traced.Guard)
	}
	p.gateway, err = gateway.Open(gateway.Options{
		HIS: guarded, Ledger: p.ledger, Settings: s.gateway, Logger: log,
		OnAlert: func(a gateway.Alert) { log.Error("alert", "name", a.Name, "detail", a.Detail) },
	})
	if err != nil {
		return nil, err
	}
	if p.feeds, err = openFeeds(&c, p.gateway, log); err != nil {
		return nil, err
	}
	channel, err := p.openChannel(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := p.openOrders(ctx, channel, s.orders); err != nil {
		return nil, err
	}
	r := &reach{his: his, wechat: channel, orders: p.orders, log: log}
	if c, ok := p.his.(clocked); ok { // which driver is not any more where calls are traced
		r.skew = c.Skew
	}
	r.known = func() bool { return p.gateway.State().Degraded || his.State().Breaker != guard.BreakerClosed }
	back := &gatewaylocks.Recovery{Ledger: p.ledger, Gateway: p.gateway, Orders: p.orders, Log: log}
	if p.secure, err = newSecure(c, log); err != nil {
		return nil, err
	}
	limits := c.Limits.fitting(fileLimit(), p.listeners.public())
	if limits != c.Limits {
		log.Warn("this process may not open files enough for limits.connections", "files", fileLimit(), "connections", limits.Connections)
	}
	p.edge, err = server.New(server.Options{
		Access: p.secure.identify(), TLS: p.secure.config(), HSTS: c.TLS.HSTS,
		Gateway: p.gateway, Orders: p.orders, Guard: his.State, Store: folderStore{p.engine, p.ledger}, Logger: log, Audit: p.secure.audit,
		Limits: server.Limits(limits), Origins: c.Listen.CORSOrigins, Registry: registry, Tracer: p.tracing.tracer(),
		Strategy: payflow.Strategy(c.Payment.Strategy), AppIDs: c.WeChat.AppIDs, Version: version(),
		Health:  func() []string { return slices.Concat(back.Health(), r.health(), p.feeds.health(), p.alarm.Health()) },
		Feeds:   p.feeds.hooks,
		Figures: func() server.Figures { return figures(p, channel) },
	})
	if err != nil {
		return nil, err
	}
	p.secure.judge = p.edge.JudgeStreams
	p.run(ctx, r, back)
	log.Info("hisgate is up", "grpc", p.GRPCAddr, "http", p.HTTPAddr, "webhook", p.WebhookAddr, "ops", p.OpsAddr,
		"data_dir", c.DataDir, "payment", c.Payment.Enabled, "version", version())
	return p, nil
}

// openChannel opens WeChat Pay, or nothing while payment is disabled.
func (p *Program) openChannel(ctx context.Context, c Config) (*wechat.Channel, error) {
	if !c.Payment.Enabled {
		return nil, nil
	}
	base := c.WeChat.NotifyURL
	if base == "" {
		base = "http://" + p.WebhookAddr
	}
	o, err := c.WeChat.options(base)
	if err != nil {
		return nil, err
	}
	o.Logger, o.BillDir = p.log, c.DataDir
	channel, err := wechat.New(ctx, o)
	if err != nil {
		return nil, inSettings(err)
	}
	return channel, nil
}

func (p *Program) openOrders(ctx context.Context, channel *wechat.Channel, s payflow.Settings) error {
	s.CanCancel, s.CanFind = p.gateway.CanCancel(), p.gateway.CanFind()
	o := payflow.Options{Committer: p.committer, Locks: gatewaylocks.New(p.gateway), Settings: s, Logger: p.log, Restore: gatewaylocks.Restore(p.ledger.Restore())}
	if channel != nil {
		o.Pay, o.Bills = channel, channel
		if p.tracing != nil {
			o.Pay = tracedpay.Channel(channel)
		}
	}
	o.Hooks.OnAlert = func(a payflow.Alert) {
		p.log.Error("alert", "name", a.Name, "severity", a.Severity, "order_no", a.OrderNo, "case_id", a.CaseID, "detail", a.Detail)
		p.onOrderAlert(a)
	}
	var err error
	if p.orders, err = payflow.Open(ctx, o); err != nil {
		return err
	}
	p.gateway.SetOwner(gatewaylocks.NewOwner(p.orders))
	return nil
}
