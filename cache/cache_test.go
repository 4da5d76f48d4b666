package cache_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/cache"
)

type (
	entry   = cache.Entry[int, int64]
	results = []cache.Result[int]
	batch   = cache.Batch[string, int64]
)

// source is what the cache of a test loads from.
type source struct {
	*cache.Cache[string, int, int64]
	mu      sync.Mutex
	batches []batch
	figures map[string]int // absent when missing
	took    time.Duration
	err     error
	changed []string
	stamps  atomic.Int64
}

func newSource(t *testing.T, edit func(*cache.Options[string, int, int64])) *source {
	s := &source{figures: map[string]int{"a": 10, "b": 20, "c": 30}, took: 100 * time.Millisecond}
	opts := cache.Options[string, int, int64]{
		Stamp:   func() int64 { return s.stamps.Add(1) },
		Compare: cmp.Compare[int64],
		Load:    s.load,
		OnChange: func(key string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changed = append(s.changed, key)
		},
		Random: func() float64 { return 0 },
	}
	if edit != nil {
		edit(&opts)
	}
	s.Cache = cache.New(opts)
	t.Cleanup(s.Close)
	return s
}

func (s *source) load(ctx context.Context, b batch) results {
	s.mu.Lock()
	s.batches = append(s.batches, b)
	took := s.took
	s.mu.Unlock()
	select {
	case <-time.After(took):
	case <-ctx.Done():
		out := make(results, len(b.Keys))
		for i := range out {
			out[i].Err = ctx.Err()
		}
		return out
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(results, len(b.Keys))
	for i, key := range b.Keys {
		v, ok := s.figures[key]
		out[i] = cache.Result[int]{Value: v, Absent: !ok, Err: s.err}
	}
	return out
}

func (s *source) set(key string, v int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.figures[key] = v
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *source) slow(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = took
}

func (s *source) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.batches)
}

func (s *source) batch(i int) batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.batches[i]
}

func (s *source) read(t *testing.T, key string) entry {
	t.Helper()
	e, err := s.Get(t.Context(), key, cache.Want{})
	if err != nil {
		t.Fatalf("Get(%q): %v", key, err)
	}
	return e
}

func (s *source) readLive(t *testing.T, key string) entry {
	t.Helper()
	e, err := s.Get(t.Context(), key, cache.Want{Live: true})
	if err != nil {
		t.Fatalf("Get(%q) live: %v", key, err)
	}
	return e
}

func wantValue(t *testing.T, e entry, want int) {
	t.Helper()
	if e.Value != want {
		t.Errorf("value = %d, want %d", e.Value, want)
	}
}

func wantCalls(t *testing.T, s *source, want int) {
	t.Helper()
	if got := s.calls(); got != want {
		t.Errorf("%d loads, want %d", got, want)
	}
}

func TestFreshness(t *testing.T) {
	for _, tc := range []struct {
		name   string
		random float64
		age    time.Duration // since the load began
		again  bool
	}{
		{"just loaded", 0, 100 * time.Millisecond, false},
		{"almost 10 s", 0, 10*time.Second - 1, false},
		{"10 s", 0, 10 * time.Second, true},
		{"jitter shortens", 0.5, 9500 * time.Millisecond, true},
		{"before the jittered end", 0.5, 9500*time.Millisecond - 1, false},
		{"never below 9 s", 0.9999, 9 * time.Second, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSource(t, func(o *cache.Options[string, int, int64]) {
					o.Random = func() float64 { return tc.random }
				})
				s.read(t, "a")
				s.set("a", 2)
				time.Sleep(tc.age - 100*time.Millisecond)
				e := s.read(t, "a")
				if e.Waited != tc.again {
					t.Errorf("loaded again = %v, want %v", e.Waited, tc.again)
				}
				want := 10
				if tc.again {
					want = 2
				}
				wantValue(t, e, want)
			})
		})
	}
}

func TestAgeCountsFromTheBeginningOfTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		s.slow(4 * time.Second)
		began := time.Now()
		if e := s.read(t, "a"); !e.AsOf().Equal(began) {
			t.Errorf("as of %v after the load began", e.AsOf().Sub(began))
		}
		time.Sleep(6 * time.Second)
		s.read(t, "a")
		wantCalls(t, s, 2)
	})
}

func TestOneLoadForAllReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		readers(t, s, 1000, 1, time.Minute)
		// The first at 0 s, then one in each 10 s; the last may have just begun.
		if n := s.calls(); n > 7 {
			t.Errorf("%d loads for a minute of 1000 readers of one key", n)
		}
	})
}

func TestKeysReadTogetherAreLoadedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		readers(t, s, 1000, 100, time.Minute)
		// The first burst may need two: one for the very first reader's key, one
		// for all others. From then on they share.
		if n := s.calls(); n > 8 {
			t.Errorf("%d loads for a minute of 1000 readers of 100 keys", n)
		}
		if got := len(s.batch(s.calls() - 1).Keys); got != 100 {
			t.Errorf("the last load had %d keys, want all 100", got)
		}
	})
}

// readers has n readers read keys drugs over and over.
func readers(t *testing.T, s *source, n, keys int, length time.Duration) {
	for k := range keys {
		s.set(strconv.Itoa(k), k)
	}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var wg sync.WaitGroup
	for r := range n {
		wg.Go(func() {
			for i := r; ctx.Err() == nil; i += 7 {
				key := i % keys
				e, err := s.Get(context.Background(), strconv.Itoa(key), cache.Want{})
				if err != nil || e.Value != key {
					t.Errorf("key %d: %v, %v", key, e, err)
					return
				}
				time.Sleep(time.Duration(200+r%170) * time.Millisecond)
			}
		})
	}
	wg.Wait()
}

func TestBatchesAreSplitToSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, func(o *cache.Options[string, int, int64]) { o.BatchSize, o.Loaders = 3, 2 })
		var keys []string
		for k := range 8 {
			s.set(strconv.Itoa(k), k)
			keys = append(keys, strconv.Itoa(k))
		}
		start := time.Now()
		for i, a := range s.GetMany(t.Context(), keys, cache.Want{}) {
			if a.Err != nil || a.Entry.Value != i {
				t.Errorf("answer %d = %v", i, a)
			}
		}
		seen := map[string]int{}
		for i := range s.calls() {
			b := s.batch(i)
			if len(b.Keys) > 3 {
				t.Errorf("a batch of %d keys", len(b.Keys))
			}
			for _, key := range b.Keys {
				seen[key]++
			}
		}
		if len(seen) != 8 || s.calls() != 3 {
			t.Errorf("%d keys in %d loads", len(seen), s.calls())
		}
		// Two full batches side by side, then the rest.
		if took := time.Since(start); took != 200*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestAnOrdinaryLoaderStartsBesideAnotherOnlyForAFullBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		go s.Get(context.Background(), "a", cache.Want{})
		synctest.Wait()
		go s.Get(context.Background(), "b", cache.Want{})
		go s.Get(context.Background(), "c", cache.Want{})
		synctest.Wait()
		wantCalls(t, s, 1)
		time.Sleep(time.Second)
		wantCalls(t, s, 2)
	})
}

// [A2] A live reader's figure was asked for after its own request.
func TestLiveReaderNeverJoinsALoadInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		first := make(chan entry)
		go func() { first <- s.readLive(t, "a") }()
		synctest.Wait() // it is at the source now
		before := s.stamps.Load()

		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if e := s.readLive(t, "a"); e.Stamp <= before {
					t.Errorf("stamp %d was taken before the request, at %d", e.Stamp, before)
				}
			})
		}
		<-first
		wg.Wait()
		wantCalls(t, s, 2)
	})
}

func TestLiveReaderOfAnotherKeyDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		s.slow(time.Second)
		go s.Get(context.Background(), "a", cache.Want{Live: true})
		synctest.Wait()
		start := time.Now()
		s.readLive(t, "b")
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestLiveReaderDoesNotWaitBehindAnOrdinaryLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		s.slow(3 * time.Second)
		go s.Get(context.Background(), "a", cache.Want{})
		synctest.Wait()
		s.slow(time.Second)
		start := time.Now()
		s.readLive(t, "a")
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestOrdinaryReaderJoinsALiveLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		go s.Get(context.Background(), "a", cache.Want{Live: true})
		synctest.Wait()
		wantValue(t, s.read(t, "a"), 10)
		wantCalls(t, s, 1)
	})
}

func TestALeavingReaderCancelsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := s.Get(ctx, "a", cache.Want{})
			left <- err
		}()
		synctest.Wait()
		stayed := make(chan entry)
		go func() { stayed <- s.read(t, "a") }()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the one who left: %v", err)
		}
		wantValue(t, <-stayed, 10)
		wantCalls(t, s, 1)
	})
}

func TestATicketThatAllHaveLeftIsNotLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		go s.Get(context.Background(), "a", cache.Want{})
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		go s.Get(ctx, "b", cache.Want{})
		synctest.Wait()
		cancel()
		time.Sleep(time.Second)
		wantCalls(t, s, 1)
	})
}

func TestALoadHasItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, func(o *cache.Options[string, int, int64]) { o.LoadTimeout = 2 * time.Second })
		s.slow(time.Hour)
		start := time.Now()
		_, err := s.Get(t.Context(), "a", cache.Want{})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestUnknownKeysAreRememberedBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, func(o *cache.Options[string, int, int64]) {
			o.Random = func() float64 { return 0.9999 }
		})
		if e := s.read(t, "zzz"); !e.Absent {
			t.Fatal("not absent")
		}
		time.Sleep(1900 * time.Millisecond) // 2 s since the load began
		if e := s.read(t, "zzz"); !e.Absent || e.Waited {
			t.Errorf("asked again after 2 s: %+v", e)
		}
		s.set("zzz", 5)
		time.Sleep(time.Second)
		e := s.read(t, "zzz")
		wantValue(t, e, 5)
		if e.Absent {
			t.Error("still absent after 3 s")
		}
	})
}

func TestInventedKeysDoNotDriveOutRealOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, func(o *cache.Options[string, int, int64]) { o.MaxKeys, o.MaxAbsent = 64, 50 })
		s.slow(0)
		s.read(t, "a")
		for i := range 1000 {
			s.read(t, "none"+strconv.Itoa(i))
		}
		if !s.Fresh("a") {
			t.Error("a was driven out")
		}
		if n := s.Len(); n > 51 {
			t.Errorf("%d entries", n)
		}
	})
}

func TestTheMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, func(o *cache.Options[string, int, int64]) { o.MaxKeys = 160 })
		s.slow(0)
		s.read(t, "a")
		for i := range 2000 {
			key := strconv.Itoa(i)
			s.set(key, i)
			s.read(t, key)
			s.read(t, "a") // in use, so it stays
		}
		if n := s.Len(); n > 160 {
			t.Errorf("%d entries", n)
		}
		if !s.Fresh("a") {
			t.Error("the key in use was driven out")
		}
	})
}

func TestTooManyWaitingReadersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, func(o *cache.Options[string, int, int64]) { o.MaxWaiting = 2 })
		go s.Get(context.Background(), "a", cache.Want{})
		go s.Get(context.Background(), "a", cache.Want{})
		synctest.Wait()
		if _, err := s.Get(t.Context(), "b", cache.Want{}); !errors.Is(err, cache.ErrTooManyWaiting) {
			t.Errorf("error %v", err)
		}
		time.Sleep(time.Second)
		s.read(t, "b") // they have left
	})
}

func TestALoadTakesTheRankOfItsHighestWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		go s.Get(context.Background(), "a", cache.Want{})
		synctest.Wait()
		for _, w := range []struct {
			key  string
			rank int
		}{{"b", -5}, {"c", 7}, {"c", 2}, {"b", 1}} {
			go s.Get(context.Background(), w.key, cache.Want{Rank: w.rank})
			synctest.Wait()
		}
		time.Sleep(time.Second)
		if got := s.batch(1); got.Rank != 7 || got.Live {
			t.Errorf("rank %d, live %v", got.Rank, got.Live)
		}
	})
}

// [C5] A load under way cannot be made more urgent: who comes with a higher rank
// does not wait for it, and shares a load with whoever comes after.
func TestAReaderDoesNotWaitForALoadOfLowerRank(t *testing.T) {
	for _, tc := range []struct {
		live  bool // the load under way
		took  time.Duration
		calls int
	}{
		{false, time.Second, 2},
		{true, 3 * time.Second, 1}, // no other may begin beside it
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSource(t, nil)
			s.slow(3 * time.Second)
			go s.Get(context.Background(), "a", cache.Want{Rank: 1, Live: tc.live})
			synctest.Wait()
			s.slow(time.Second)
			start := time.Now()
			var wg sync.WaitGroup
			for _, rank := range []int{5, 5, 3} {
				wg.Go(func() {
					if _, err := s.Get(t.Context(), "a", cache.Want{Rank: rank}); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait()
			}
			wg.Wait()
			if took := time.Since(start); took != tc.took {
				t.Errorf("live %v: waited %v", tc.live, took)
			}
			wantCalls(t, s, tc.calls)
			if got := s.batch(tc.calls - 1); !tc.live && got.Rank != 5 {
				t.Errorf("rank %d", got.Rank)
			}
		})
	}
}

func TestStaleFallback(t *testing.T) {
	down := errors.New("down")
	for _, tc := range []struct {
		name string
		age  time.Duration
		want cache.Want
		err  error
	}{
		{"young enough", 5*time.Minute - time.Second, cache.Want{}, nil},
		{"too old", 5*time.Minute + time.Second, cache.Want{}, down},
		{"live readers get none", 20 * time.Second, cache.Want{Live: true}, down},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSource(t, nil)
				loaded := s.read(t, "a").LoadedAt
				s.fail(down)
				time.Sleep(tc.age - 200*time.Millisecond)
				e, err := s.Get(t.Context(), "a", tc.want)
				if !errors.Is(err, tc.err) {
					t.Fatalf("error %v", err)
				}
				if err == nil && (!e.Stale || e.Value != 10 || !e.AsOf().Equal(loaded)) {
					t.Errorf("got %+v", e)
				}
				s.fail(nil)
				if e := s.read(t, "a"); e.Stale {
					t.Error("stale after the source came back")
				}
			})
		})
	}
}

// A source that takes long does not keep readers waiting who can be answered.
func TestReadersDoNotWaitForLong(t *testing.T) {
	patient := func(o *cache.Options[string, int, int64]) { o.MaxWait = 2 * time.Second }
	for _, tc := range []struct {
		name  string
		keys  []string
		age   time.Duration // of the last value; 0 = there is none
		took  time.Duration
		want  cache.Want
		wait  time.Duration
		stale bool
	}{
		{"a slow load", []string{"a"}, 20 * time.Second, 9 * time.Second, cache.Want{}, 2 * time.Second, true},
		{"several keys wait once", []string{"a", "b", "c"}, 20 * time.Second, 9 * time.Second, cache.Want{}, 2 * time.Second, true},
		{"a load in time", []string{"a"}, 20 * time.Second, time.Second, cache.Want{}, time.Second, false},
		{"nothing to answer with", []string{"a"}, 0, 9 * time.Second, cache.Want{}, 9 * time.Second, false},
		{"too old to answer with", []string{"a"}, 6 * time.Minute, 9 * time.Second, cache.Want{}, 9 * time.Second, false},
		{"live readers wait", []string{"a"}, 20 * time.Second, 9 * time.Second, cache.Want{Live: true}, 9 * time.Second, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSource(t, patient)
				if tc.age > 0 {
					s.GetMany(t.Context(), tc.keys, cache.Want{})
					time.Sleep(tc.age)
				}
				before := s.calls()
				s.slow(tc.took)
				start := time.Now()
				for i, a := range s.GetMany(t.Context(), tc.keys, tc.want) {
					if a.Err != nil || a.Entry.Stale != tc.stale || a.Entry.Value != 10*(i+1) {
						t.Errorf("%s: %+v, %v", tc.keys[i], a.Entry, a.Err)
					}
				}
				if got := time.Since(start); got != tc.wait {
					t.Errorf("waited %v, want %v", got, tc.wait)
				}
				time.Sleep(tc.took - tc.wait)
				synctest.Wait()
				if e := s.read(t, tc.keys[0]); e.Stale || s.calls() != before+1 {
					t.Errorf("the load that nobody waited for: %+v, %d loads", e, s.calls()-before)
				}
				if n := s.Stats().Waiting; n != 0 {
					t.Errorf("%d readers wait", n)
				}
			})
		})
	}
}

// The patience of readers is spent once: who comes while the source is in trouble
// is answered at once, and who comes after a silence waits again.
func TestThePatienceIsSpentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, func(o *cache.Options[string, int, int64]) { o.MaxWait = 2 * time.Second })
		s.read(t, "a")
		time.Sleep(20 * time.Second)
		s.slow(9 * time.Second)
		s.fail(errors.New("down"))
		waits := func(want time.Duration, stale bool) {
			t.Helper()
			start := time.Now()
			e := s.read(t, "a")
			if got := time.Since(start); got != want || e.Stale != stale {
				t.Errorf("waited %v, stale %v; want %v, %v", got, e.Stale, want, stale)
			}
		}
		waits(2*time.Second, true)
		for range 20 { // over two loads that fail
			time.Sleep(time.Second)
			waits(0, true)
		}
		s.fail(nil)
		s.slow(100 * time.Millisecond)
		time.Sleep(2 * time.Second)
		waits(0, true) // the last load that fails is still under way
		time.Sleep(11 * time.Second)
		waits(100*time.Millisecond, false)
		time.Sleep(20 * time.Second)
		waits(100*time.Millisecond, false)
	})
}

// What readers lost the patience for is loaded all the same, in their rank, when
// its turn comes.
func TestWhatReadersLostPatienceForIsLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, func(o *cache.Options[string, int, int64]) { o.MaxWait, o.BatchSize, o.Loaders = time.Second, 1, 1 })
		s.GetMany(t.Context(), []string{"a", "b"}, cache.Want{})
		time.Sleep(20 * time.Second)
		s.slow(5 * time.Second)
		var wg sync.WaitGroup
		for _, key := range []string{"a", "b"} {
			wg.Go(func() {
				if e, err := s.Get(t.Context(), key, cache.Want{Rank: 3}); err != nil || !e.Stale {
					t.Errorf("%s: %+v, %v", key, e, err)
				}
			})
		}
		wg.Wait()
		time.Sleep(10 * time.Second) // nobody reads meanwhile
		if s.calls() != 4 || s.batch(3).Rank != 3 {
			t.Fatalf("%d loads", s.calls())
		}
		if !s.Fresh("a") && !s.Fresh("b") {
			t.Error("nothing was loaded")
		}
	})
}

func TestAResultMissingFailsTheBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, func(o *cache.Options[string, int, int64]) {
			o.Load = func(context.Context, batch) results { return nil }
		})
		if _, err := s.Get(t.Context(), "a", cache.Want{}); err == nil {
			t.Error("no error")
		}
	})
}

func TestANewerReadingIsNotReplacedByAnOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		s.slow(3 * time.Second)
		done := make(chan entry)
		go func() { done <- s.read(t, "a") }()
		synctest.Wait()
		s.slow(time.Second)
		newer := s.readLive(t, "a") // begun later, back earlier
		s.set("a", 1)               // as if the older call had read something else
		older := <-done
		if older.Stamp != newer.Stamp || older.Value != 10 {
			t.Errorf("the ordinary reader got %+v", older)
		}
		if e, _ := s.Peek("a"); e.Stamp != newer.Stamp || e.Value != 10 {
			t.Errorf("kept %+v, want the reading with stamp %d", e, newer.Stamp)
		}
	})
}

func TestCloseAnswersEveryone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		s.slow(time.Hour)
		errs := make(chan error, 3)
		get := func(key string, live bool) {
			_, err := s.Get(context.Background(), key, cache.Want{Live: live})
			errs <- err
		}
		go get("a", true)
		synctest.Wait()
		go get("a", true) // waits for the next
		go get("b", false)
		synctest.Wait()
		s.Close()
		var got []error
		for range 3 {
			got = append(got, <-errs)
		}
		if i := slices.Index(got, nil); i >= 0 {
			t.Errorf("an answer without error: %v", got)
		}
		if _, err := s.Get(t.Context(), "a", cache.Want{}); !errors.Is(err, cache.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}
