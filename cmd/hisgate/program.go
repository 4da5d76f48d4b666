package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

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
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
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
	if c, ok := driver.(clocked); ok {
		r.skew = c.Skew
	}
	r.known = func() bool { return p.gateway.State().Degraded || his.State().Breaker != guard.BreakerClosed }
	back := &gatewaylocks.Recovery{Ledger: p.ledger, Gateway: p.gateway, Orders: p.orders, Log: log}
	if p.secure, err = newSecure(c, log); err != nil {
		return nil, err
	}
	p.edge, err = server.New(server.Options{
		Access: p.secure.identify(), TLS: p.secure.config(),
		Gateway: p.gateway, Orders: p.orders, Guard: his.State, Store: folderStore{p.engine, p.ledger}, Logger: log, Audit: p.secure.audit,
		Limits: server.Limits(c.Limits), Origins: c.Listen.CORSOrigins, Registry: registry, Tracer: p.tracing.tracer(),
		Strategy: payflow.Strategy(c.Payment.Strategy), AppIDs: c.WeChat.AppIDs, Version: version(),
		Health:  func() []string { return slices.Concat(back.Health(), r.health(), p.feeds.health(), p.alarm.Health()) },
		Feeds:   p.feeds.hooks,
		Figures: func() server.Figures { return figures(p, channel) },
	})
	if err != nil {
		return nil, err
	}
	p.run(ctx, r, back)
	log.Info("hisgate is up", "grpc", p.GRPCAddr, "http", p.HTTPAddr, "webhook", p.WebhookAddr, "ops", p.OpsAddr,
		"data_dir", c.DataDir, "payment", c.Payment.Enabled, "version", version())
	return p, nil
}

// openStorage opens the data folder for this process alone.
func (p *Program) openStorage(c Config) error {
	o := badgerengine.Options{Logger: p.log, AllowNetworkFS: c.Storage.AllowNetworkDisk}
	var err error
	if o.EncryptionKey, err = readFolderKey(c.Storage.EncryptionKeyFile); err != nil {
		return fmt.Errorf("storage.encryption_key_file: %w", err)
	}
	if err := interrupted(c.DataDir); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	e, err := badgerengine.Open(c.DataDir, o)
	switch {
	case errors.Is(err, badgerengine.ErrWrongKey):
		return fmt.Errorf("storage.encryption_key_file: %w", err)
	case err != nil:
		return fmt.Errorf("data_dir: %w", err)
	}
	p.engine = e
	p.committer = engine.NewCommitter(e, engine.CommitterOptions{})
	return nil
}

// readFolderKey reads the key of an encrypted folder; no file, no key.
func readFolderKey(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	key, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if key = bytes.TrimRight(key, "\r\n"); len(key) == 0 { // which would mean: no encryption
		return nil, fmt.Errorf("%s is empty; 16, 24 or 32 bytes are possible", file)
	}
	return key, nil
}

// diskReserve spells "none" as the ledger does.
func diskReserve(bytes int64) int64 {
	if bytes == 0 {
		return -1
	}
	return bytes
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
	s.CanCancel = p.gateway.CanCancel()
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

// run starts the workers and begins to serve.
func (p *Program) run(ctx context.Context, r *reach, back *gatewaylocks.Recovery) {
	work := func(name string, f func(context.Context) error) {
		p.workers.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				p.fail(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	work("gateway", p.gateway.Run)
	work("orders", p.orders.Run)
	work("reach", r.run)
	work("certificates and callers", p.secure.run)
	work("recovery", back.Run)
	work("alarm", p.alarm.Run)
	for _, f := range p.feeds.list {
		work("feed", f.Run)
	}
	p.workers.Go(func() {
		select {
		case <-p.committer.Failed():
			p.fail(p.committer.Err())
		case <-ctx.Done():
		}
	})
	serve := func(name string, f func() error) {
		p.serving.Go(func() {
			if err := f(); err != nil && !errors.Is(err, http.ErrServerClosed) {
				p.fail(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	serve("grpc", func() error { return p.edge.GRPC().Serve(p.listeners.grpc) })
	p.rest = server.NewHTTPServer(p.edge.Public(p.listeners.webhook == nil), p.log)
	serve("http", func() error {
		if p.rest.TLSConfig = p.secure.config(); p.rest.TLSConfig != nil {
			return p.rest.ServeTLS(p.listeners.http, "", "")
		}
		return p.rest.Serve(p.listeners.http)
	})
	if p.listeners.webhook != nil {
		p.hooks = server.NewHTTPServer(p.edge.Webhook(), p.log)
		serve("webhook", func() error { return p.hooks.Serve(p.listeners.webhook) })
	}
	p.ops = server.NewHTTPServer(p.edge.Ops(), p.log)
	serve("ops", func() error { return p.ops.Serve(p.listeners.ops) })
}

// fail ends the program. Whoever notices first that the disk has failed, that is
// what is told.
func (p *Program) fail(err error) {
	if cause := p.committer.Err(); cause != nil {
		err = fmt.Errorf("the data folder failed: mend the disk, then start hisgate again (what was not answered is unknown to its callers): %w", cause)
	}
	select {
	case p.failed <- err:
	default: // the first is enough
	}
}

// Failed yields what ended the program's work, if anything does.
func (p *Program) Failed() <-chan error { return p.failed }

// Close ends the program in order, all within ctx: no new requests over REST,
// gRPC and callbacks; requests under way finish; workers finish the step at
// hand; what was judged is made durable; the folder is closed.
func (p *Program) Close(ctx context.Context) error {
	var errs []error
	p.edge.Drain()
	errs = append(errs, p.rest.Shutdown(ctx), p.edge.Shutdown(ctx))
	if p.hooks != nil {
		errs = append(errs, p.hooks.Shutdown(ctx))
	}
	p.stopWork()
	errs = append(errs, within(ctx, "workers", func() { p.workers.Wait() }))
	p.gateway.Close(ctx)
	errs = append(errs, p.ops.Close())
	p.serving.Wait()
	errs = append(errs, p.closeDriver(), p.closeFolder(ctx))
	p.tracing.close(ctx)
	return errors.Join(errs...)
}

// closeLeast is what the closing of the folder has when the rest has taken the
// whole time.
const closeLeast = 5 * time.Second

// closeFolder closes the folder within ctx. Badger tries for ever to write a table
// where there is no room for one or no folder any more; what was answered is in
// its logs, so that the process may end all the same.
func (p *Program) closeFolder(ctx context.Context) error {
	least, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLeast)
	defer cancel()
	var err error
	done := make(chan struct{})
	go func() {
		err = p.closeStorage()
		close(done)
	}()
	for _, until := range []context.Context{least, ctx} {
		select {
		case <-done:
			return err
		case <-until.Done():
		}
	}
	return errors.New("the data folder cannot be closed; nothing that was answered is lost, and the next start reads it from the logs")
}

// within waits for f until ctx ends.
func within(ctx context.Context, what string, f func()) error {
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: still at work at the end of shutdown_timeout", what)
	}
}

// closeDriver closes the connections to the HIS, after the last caller is gone.
func (p *Program) closeDriver() error {
	if holder, ok := p.his.(io.Closer); ok {
		return holder.Close()
	}
	return nil
}

func (p *Program) closeStorage() error {
	var errs []error
	if p.feeds != nil {
		errs = append(errs, p.feeds.close())
	}
	if p.secure != nil {
		errs = append(errs, p.secure.close())
	}
	if p.ledger != nil {
		errs = append(errs, p.ledger.Close())
	}
	if p.committer != nil {
		errs = append(errs, p.committer.Close())
	}
	if p.engine != nil {
		errs = append(errs, p.engine.Close())
	}
	return errors.Join(errs...)
}

// abandon undoes a start that did not succeed.
func (p *Program) abandon() {
	p.stopWork()
	p.listeners.close()
	if p.gateway != nil {
		p.gateway.Close(context.Background()) // nobody has asked it anything yet
	}
	p.tracing.close(context.Background())
	if err := errors.Join(p.closeDriver(), p.closeStorage()); err != nil {
		p.log.Error("closing after a failed start", "error", err)
	}
}

// listeners are bound before anything else is opened, so that a busy port is
// found while nothing has begun.
type listeners struct{ grpc, http, webhook, ops net.Listener }

func (l *listeners) open(c Listen) error {
	for _, x := range []struct {
		addr, setting string
		to            *net.Listener
	}{
		{c.GRPC, "listen.grpc", &l.grpc},
		{c.HTTP, "listen.http", &l.http},
		{c.Webhook, "listen.webhook", &l.webhook},
		{c.Ops, "listen.ops", &l.ops},
	} {
		if x.addr == "" {
			continue
		}
		ln, err := net.Listen("tcp", x.addr)
		if err != nil {
			return fmt.Errorf("%s: %w", x.setting, err)
		}
		*x.to = ln
	}
	return nil
}

func (l *listeners) close() {
	for _, ln := range []net.Listener{l.grpc, l.http, l.webhook, l.ops} {
		if ln != nil {
			ln.Close()
		}
	}
}
