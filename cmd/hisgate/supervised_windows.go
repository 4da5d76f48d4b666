package main

import (
	"context"
	"time"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
)

// The numbers of hisgate's events in the event log of Windows.
const (
	eventUp      = 1
	eventStopped = 2
	eventFailed  = 3
)

// supervised runs f, under the service manager when that has started this process:
// a stop, and the shutdown of the machine, end ctx as SIGTERM does elsewhere. The
// event log is told when hisgate is up, when it has ended, and of what.
func supervised(ctx context.Context, f func(ctx context.Context, up func()) error) error {
	if is, err := svc.IsWindowsService(); err != nil || !is {
		return f(ctx, func() {})
	}
	h := &handler{ctx: ctx, work: f}
	if err := svc.Run("", h); err != nil {
		return err
	}
	return h.err
}

// handler is hisgate as the service manager sees it.
type handler struct {
	ctx  context.Context
	work func(ctx context.Context, up func()) error
	err  error // of work
}

// progress is how often the service manager hears that a start or a stop goes on;
// it gives up on a service that is silent for longer than the hint.
const progress = 2 * time.Second

// Execute implements svc.Handler. A machine that shuts down announces it early
// (PreShutdown), so that there is time for a whole shutdown_timeout.
func (h *handler) Execute(args []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (specific bool, code uint32) {
	ctx, stop := context.WithCancel(h.ctx)
	defer stop()
	events, closeEvents := openEvents(args)
	defer closeEvents()
	up, done := make(chan struct{}, 1), make(chan error, 1)
	go func() { done <- h.work(ctx, func() { up <- struct{}{} }) }()
	now := svc.Status{State: svc.StartPending, WaitHint: uint32((4 * progress).Milliseconds())}
	status <- now
	tick := time.NewTicker(progress)
	defer tick.Stop()
	for {
		select {
		case <-up:
			if now.State == svc.StartPending {
				now = svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptPreShutdown}
				status <- now
			}
			events.info(eventUp, "hisgate is up, "+version())
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- now
			case svc.Stop, svc.PreShutdown, svc.Shutdown:
				now = svc.Status{State: svc.StopPending, WaitHint: uint32((4 * progress).Milliseconds())}
				status <- now
				stop()
			}
		case <-tick.C:
			if now.State != svc.Running {
				now.CheckPoint++
				status <- now
			}
		case h.err = <-done:
			if h.err != nil {
				events.error(eventFailed, "hisgate has ended: "+h.err.Error())
				return true, exitNo
			}
			events.info(eventStopped, "hisgate has stopped in order")
			return false, 0
		}
	}
}

// events is the event log; silent when it cannot be opened.
type events struct{ log *eventlog.Log }

// openEvents opens the event log under the name of the service.
func openEvents(args []string) (events, func()) {
	if len(args) == 0 {
		return events{}, func() {}
	}
	log, err := eventlog.Open(args[0])
	if err != nil {
		return events{}, func() {}
	}
	return events{log}, func() { log.Close() }
}

func (e events) info(id uint32, words string) {
	if e.log != nil {
		_ = e.log.Info(id, words) // nobody else could be told
	}
}

func (e events) error(id uint32, words string) {
	if e.log != nil {
		_ = e.log.Error(id, words)
	}
}
