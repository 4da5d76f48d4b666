package feedtest

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// testFind finds the source before anything is there, while nobody reads, while
// somebody does, and at a server that is silent or away. What is read afterwards is
// the same as if nobody had come.
func testFind(t *testing.T, s *Source) {
	d, ok := s.Driver.(feed.Looker)
	if !ok {
		t.Fatal("the driver is no feed.Looker")
	}
	find := func(when string) feed.Sight {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		seen, err := d.Find(ctx)
		if err != nil || seen.Place == "" {
			t.Errorf("%s: %+v, %v", when, seen, err)
		}
		return seen
	}
	find("before the first Run")
	r := begun(t, s, 256)
	const n = 20
	s.publish(t, 2, n)
	before := goleak.IgnoreCurrent()
	if seen, want := find("while nobody reads"), int64((n-1)*s.lanes()); seen.Absent || seen.Waiting >= 0 && seen.Waiting != want {
		t.Errorf("%+v, and %d messages wait", seen, want)
	}
	f := start(t, s.Driver, r)
	r.all(n)
	if seen := find("while it is read"); seen.Absent {
		t.Errorf("%+v, and it is read", seen)
	}
	s.publish(t, n+1, 2*n)
	r.all(2 * n)
	f.stop()
	r.certain()
	if errs := f.failures(); len(errs) > 0 {
		t.Errorf("finding it has disturbed Run: %v", errs)
	}

	s.Proxy.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if seen, err := d.Find(ctx); err == nil {
		t.Errorf("at a silent server: %+v", seen)
	}
	s.Proxy.Cut()
	s.Proxy.Thaw()
	defer s.Proxy.Lead("127.0.0.1:1")()
	if seen, err := d.Find(t.Context()); err == nil {
		t.Errorf("at a server that is away: %+v", seen)
	}
	for giveUp := time.Now().Add(patience); ; {
		err := goleak.Find(before)
		if err == nil {
			return
		}
		if time.Now().After(giveUp) {
			t.Fatalf("goroutines left behind: %v", err)
		}
	}
}
