package feedtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// feeding runs a driver as the feed does: again after every error, until it is
// stopped.
type feeding struct {
	t    testing.TB
	stop func() // ends it and waits; Run must return nil
	mu   sync.Mutex
	errs []error
}

// start begins to feed a reader. What runs when the test ends is stopped.
func start(t testing.TB, d feed.Driver, r *reader) *feeding {
	ctx, cancel := context.WithCancel(context.Background())
	f := &feeding{t: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.run(ctx, d, r)
	}()
	f.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(patience):
			t.Errorf("Run has not returned %v after its context ended", patience)
		}
	})
	t.Cleanup(f.stop)
	return f
}

func (f *feeding) run(ctx context.Context, d feed.Driver, r *reader) {
	for {
		r.begin()
		err := d.Run(ctx, r.sink())
		if ctx.Err() != nil {
			if err != nil {
				f.t.Errorf("Run returned %v after its context ended", err)
			}
			return
		}
		if err == nil {
			f.t.Errorf("Run returned nil, but its context has not ended")
			return
		}
		f.mu.Lock()
		f.errs = append(f.errs, err)
		f.mu.Unlock()
		r.change(func() {})
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// failures are the errors with which Runs ended so far.
func (f *feeding) failures() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]error(nil), f.errs...)
}
