package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/payflow/gatewaylocks"
)

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
	serve("grpc", func() error { return p.edge.GRPC().Serve(p.edge.Door(p.listeners.grpc, server.DoorGRPC)) })
	p.rest = server.NewHTTPServer(p.edge.Public(p.listeners.webhook == nil), p.log)
	rest := p.edge.Door(p.listeners.http, server.DoorHTTP)
	serve("http", func() error {
		if p.rest.TLSConfig = p.secure.config(); p.rest.TLSConfig != nil {
			return p.rest.ServeTLS(rest, "", "")
		}
		return p.rest.Serve(rest)
	})
	if p.listeners.webhook != nil {
		p.hooks = server.NewHTTPServer(p.edge.Webhook(), p.log)
		serve("webhook", func() error { return p.hooks.Serve(p.edge.Door(p.listeners.webhook, server.DoorWebhook)) })
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
