package main

import (
	"context"
	"errors"
	"fmt"
	"io"
)

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
