package badgerengine

import (
	"sync"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// calls keeps count of who looks at which version of the data, so that Close
// waits for them and compactions leave them what they look at.
type calls struct {
	mu      sync.Mutex
	version uint64         // the newest durable transaction; what a new call sees
	readers map[uint64]int // calls under way, by the version that they look at
	active  int            // calls under way
	closing bool
	idle    chan struct{} // closed when closing is set and active is 0
	err     error         // of the Apply that failed; final
}

func newCalls(version uint64) calls {
	return calls{version: version, readers: make(map[uint64]int), idle: make(chan struct{})}
}

// enter begins a call and returns the version that it looks at.
func (c *calls) enter() (version uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing:
		return 0, engine.ErrClosed
	case c.err != nil:
		return 0, c.err
	}
	c.active++
	c.readers[c.version]++
	return c.version, nil
}

// leave ends a call that enter began.
func (c *calls) leave(version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.readers[version]--; c.readers[version] == 0 {
		delete(c.readers, version)
	}
	if c.active--; c.active == 0 && c.closing {
		close(c.idle)
	}
}

// advance shows a transaction that has become durable to the calls that begin
// from now on. It returns the oldest version that somebody may still look at.
func (c *calls) advance(version uint64) (oldest uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version = version
	oldest = version
	for v := range c.readers {
		oldest = min(oldest, v)
	}
	return oldest
}

// fail ends the engine: the outcome of an Apply is unknown.
func (c *calls) fail(cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = &engine.UnknownOutcomeError{Cause: cause}
	return c.err
}

// failed is why nothing may be read any more, nil as long as it may.
func (c *calls) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
