package cache_test

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/cache"
)

// world is a source whose figures only rise, so that every figure tells when it
// was true: version v of a key held from its time until the next one's.
type world struct {
	mu      sync.Mutex
	rnd     *rand.Rand
	times   map[string][]time.Time // of each version
	inLane  map[bool]int           // loads under way
	maxLane int
}

func (w *world) random(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rnd.IntN(n)
}

// change makes the next version and returns it.
func (w *world) change(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.times[key] = append(w.times[key], time.Now())
	return len(w.times[key]) - 1
}

func (w *world) version(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.times[key]) - 1
}

// replaced is the moment when version v ceased to hold; a version that holds
// still answers now.
func (w *world) replaced(key string, v int) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v+1 < len(w.times[key]) {
		return w.times[key][v+1]
	}
	return time.Now()
}

func (w *world) load(ctx context.Context, b batch) results {
	w.mu.Lock()
	w.inLane[b.Live]++
	w.maxLane = max(w.maxLane, w.inLane[b.Live])
	there, back := time.Duration(w.rnd.IntN(900)), time.Duration(w.rnd.IntN(900))
	fails := w.rnd.IntN(8) == 0
	w.mu.Unlock()
	time.Sleep(there * time.Millisecond)
	out := make(results, len(b.Keys))
	for i, key := range b.Keys {
		out[i].Value = w.version(key)
	}
	time.Sleep(back * time.Millisecond)
	w.mu.Lock()
	w.inLane[b.Live]--
	w.mu.Unlock()
	if fails || ctx.Err() != nil {
		for i := range out {
			out[i].Err = errSource
		}
	}
	return out
}

var errSource = errors.New("the source failed")

// TestModel lets readers, live readers, leavers, pushes and failures loose on a
// cache and holds every answer against what was true when.
func TestModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for i := range uint64(20) {
		t.Run(strconv.FormatUint(seed+i, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runModel(t, seed+i) })
		})
	}
}

func runModel(t *testing.T, seed uint64) {
	const keys, loaders, maxAge, maxStale = 7, 3, 10 * time.Second, 30 * time.Second
	w := &world{
		rnd:    rand.New(rand.NewPCG(seed, 1)),
		times:  map[string][]time.Time{},
		inLane: map[bool]int{},
	}
	for k := range keys {
		w.change(strconv.Itoa(k))
	}
	var stamp int64
	c := cache.New(cache.Options[string, int, int64]{
		Stamp:     func() int64 { stamp++; return stamp }, // guarded by the cache's lock
		Compare:   cmp.Compare[int64],
		Load:      w.load,
		Random:    func() float64 { return float64(w.random(1000)) / 1000 },
		BatchSize: 3, Loaders: loaders, MaxStale: maxStale,
	})
	defer c.Close()

	pushedAt := make(map[string]time.Time)
	pushed := make(map[string]int) // the last version that a push told
	var mu sync.Mutex

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	pause := func(ms int) { time.Sleep(time.Duration(w.random(ms)) * time.Millisecond) }
	var wg sync.WaitGroup
	for range 12 { // readers
		wg.Go(func() {
			for ctx.Err() == nil {
				pause(1500)
				key, live := strconv.Itoa(w.random(keys)), w.random(4) == 0
				mu.Lock()
				floor, told := pushed[key], pushedAt[key]
				mu.Unlock()
				asked := time.Now()
				rctx, leave := context.WithTimeout(context.Background(), time.Duration(1+w.random(4000))*time.Millisecond)
				e, err := c.Get(rctx, key, cache.Want{Live: live})
				leave()
				if err != nil {
					if !errors.Is(err, errSource) && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("error %v", err)
					}
					continue
				}
				oldest := asked.Add(-maxAge)
				switch {
				case live:
					oldest = asked
				case e.Stale:
					oldest = asked.Add(-maxStale)
				}
				if gone := w.replaced(key, e.Value); gone.Before(oldest) {
					t.Errorf("live=%v stale=%v: version %d of %s was replaced %v before the request",
						live, e.Stale, e.Value, key, asked.Sub(gone))
				}
				if live && (e.LoadedAt.Before(asked) || e.Stale) {
					t.Errorf("a live reading begun %v before the request", asked.Sub(e.LoadedAt))
				}
				if !live && told.Before(asked) && e.Value < floor {
					t.Errorf("version %d of %s shown after version %d was pushed", e.Value, key, floor)
				}
			}
		})
	}
	for k := range keys { // the world, and news of it
		key := strconv.Itoa(k)
		wg.Go(func() {
			for ctx.Err() == nil {
				pause(6000)
				v := w.change(key)
				switch w.random(3) {
				case 0:
					n := int64(v)
					c.Push(key, cache.Push[int]{Amend: func(int) int { return v }, Sequence: &n})
					mu.Lock()
					pushed[key], pushedAt[key] = v, time.Now()
					mu.Unlock()
				case 1:
					c.Push(key, cache.Push[int]{})
				}
			}
		})
	}
	wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.maxLane > loaders {
		t.Errorf("%d loads in one lane, %d allowed", w.maxLane, loaders)
	}
	if stamp < 10 {
		t.Errorf("only %d loads: the model did nothing", stamp)
	}
}
