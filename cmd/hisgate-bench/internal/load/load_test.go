package load

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// steady takes the same time for each Op and remembers the numbers.
type steady struct {
	mu   sync.Mutex
	seen []int64
}

func (s *steady) op(took time.Duration) Op {
	return func(_ context.Context, i int64) error {
		time.Sleep(took) // simulated time
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen = append(s.seen, i)
		return nil
	}
}

func TestRunCountsWhatWasDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s steady
		var next atomic.Int64
		ops := slices.Repeat([]Op{s.op(10 * time.Millisecond)}, 4)
		got, err := Run(t.Context(), ops, &next, Bounds{For: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if want := (Sample{Done: 400, Elapsed: time.Second, P50: 10 * time.Millisecond, P99: 10 * time.Millisecond, Max: 10 * time.Millisecond}); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		if got.Rate() != 400 {
			t.Fatalf("rate %v", got.Rate())
		}
		slices.Sort(s.seen)
		if s.seen[0] != 0 || s.seen[399] != 399 || len(slices.Compact(s.seen)) != 400 {
			t.Fatal("a number was used twice, or left out")
		}
	})
}

func TestRunEndsAtTheLastNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s steady
		var next atomic.Int64
		next.Store(100)
		got, err := Run(t.Context(), []Op{s.op(time.Millisecond), s.op(time.Millisecond)}, &next, Bounds{For: time.Hour, Last: 110})
		if err != nil || got.Done != 10 || got.Elapsed != 5*time.Millisecond {
			t.Fatalf("got %+v (%v)", got, err)
		}
	})
}

func TestRunEndsWithTheFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		var s steady
		var next atomic.Int64
		ops := []Op{s.op(time.Millisecond), func(context.Context, int64) error { return boom }}
		if _, err := Run(t.Context(), ops, &next, Bounds{For: time.Hour}); !errors.Is(err, boom) {
			t.Fatalf("got %v", err)
		}
	})
}
