package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/load"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/systems"
)

// contender is one system in one case.
type contender struct {
	name     string
	system   systems.System
	drugs    []string
	test     testCase
	sessions []systems.Session
	locked   atomic.Int64 // the next order to lock
	moved    atomic.Int64 // the next order to confirm or release
	samples  []load.Sample
	cpu      []time.Duration // of client and server, for one call
	lastCPU  time.Duration
}

// feeders lock what is to be confirmed or released, outside the measured time.
const feeders = 64

// open empties the system and connects its callers.
func (c *contender) open(ctx context.Context) error {
	err := c.system.Reset(ctx, systems.Shape{Drugs: c.drugs, Items: c.test.items})
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	n := c.test.inFlight
	if c.test.call != callLock {
		n = max(n, feeders)
	}
	for range n {
		s, err := c.system.Session(ctx)
		if err != nil {
			return fmt.Errorf("%s: connecting caller %d: %w", c.name, len(c.sessions)+1, err)
		}
		c.sessions = append(c.sessions, s)
	}
	return nil
}

func (c *contender) close() error {
	var errs []error
	for _, s := range c.sessions {
		errs = append(errs, s.Close())
	}
	c.sessions = nil
	return errors.Join(errs...)
}

// feed prepares a turn.
func (c *contender) feed(ctx context.Context, during time.Duration) error {
	if c.test.call == callLock {
		return nil
	}
	_, err := load.Run(ctx, c.ops(callLock, feeders), &c.locked, load.Bounds{For: during})
	return c.explain(err)
}

// turn is a measured stretch of work.
func (c *contender) turn(ctx context.Context, during time.Duration) (load.Sample, error) {
	ops, next, bounds := c.ops(c.test.call, c.test.inFlight), &c.locked, load.Bounds{For: during}
	if c.test.call != callLock {
		next, bounds.Last = &c.moved, c.locked.Load()
	}
	before := systems.CPU()
	s, err := load.Run(ctx, ops, next, bounds)
	c.lastCPU = (systems.CPU() - before) / time.Duration(max(1, s.Done))
	if bounds.Last > 0 {
		next.Store(min(next.Load(), bounds.Last)) // callers looked beyond the end
	}
	return s, c.explain(err)
}

func (c *contender) explain(err error) error {
	if err != nil {
		return fmt.Errorf("%s, %s: %w", c.test.name(), c.name, err)
	}
	return nil
}

// ops are the same call for each of so many callers.
func (c *contender) ops(call string, inFlight int) []load.Op {
	ops := make([]load.Op, inFlight)
	for i, s := range c.sessions[:inFlight] {
		switch call {
		case callConfirm:
			ops[i] = func(ctx context.Context, i int64) error { return s.Confirm(ctx, systems.OrderNo(i)) }
		case callRelease:
			ops[i] = func(ctx context.Context, i int64) error { return s.Release(ctx, systems.OrderNo(i)) }
		default:
			ops[i] = func(ctx context.Context, i int64) error {
				return s.Lock(ctx, systems.OrderNo(i), systems.Basket(c.drugs, c.test.items, i))
			}
		}
	}
	return ops
}
