package enginetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

func testReopenKeepsEverything(t *testing.T, store Store) {
	var all []pair
	for opening := range 5 {
		e := opened(t, store)
		wantAll(t, e, all)
		for i := range 20 {
			p := pair{fmt.Sprintf("%d-%03d", opening, i), fmt.Sprint(i)}
			apply(t, e, put(p.key, p.value), put("gone", "x"))
			all = append(all, p)
		}
		apply(t, e, put(fmt.Sprintf("%d-empty", opening), ""), del("gone"), del("0-000"))
		all = append(all, pair{fmt.Sprintf("%d-empty", opening), ""})
		all = slices.DeleteFunc(all, func(p pair) bool { return p.key == "0-000" })
		if err := e.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		if err := e.Close(); err != nil {
			t.Fatalf("second Close: %v", err)
		}
	}
	wantAll(t, opened(t, store), all)
}

func testEpochRises(t *testing.T, store Store) {
	var last uint64
	for range 5 {
		e := opened(t, store)
		epoch := e.Epoch()
		if epoch <= last {
			t.Fatalf("epoch %d after %d", epoch, last)
		}
		last = epoch
		wantAll(t, e, nil) // and it is kept out of the owner's keys
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if e.Epoch() != epoch {
			t.Fatal("the epoch changed within one opening")
		}
	}
}

func testFreeIsKnown(t *testing.T, store Store) {
	free, err := opened(t, store).Free()
	if err != nil || free == 0 {
		t.Fatalf("Free() = %d, %v", free, err)
	}
}

func testClosedRefuses(t *testing.T, store Store) {
	e := opened(t, store)
	apply(t, e, put("a", "1"))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	_, getErr := e.Get([]byte("a"))
	for name, err := range map[string]error{
		"Apply": e.Apply([]engine.Write{put("b", "1")}),
		"Get":   getErr,
		"Scan":  e.Scan(nil, nil, func([]byte, []byte) error { return nil }),
	} {
		if !errors.Is(err, engine.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	wantAll(t, opened(t, store), []pair{{"a", "1"}})
}

// testCloseInTheMiddle closes the engine while others read and write: a read shows
// its own moment or nothing, and what was acknowledged, that and no more, is there
// at the next opening.
func testCloseInTheMiddle(t *testing.T, store Store) {
	e := opened(t, store)
	apply(t, e, put("a", "1"))
	var wg sync.WaitGroup
	closing := make(chan struct{})
	viewed := make(chan error, 1)
	wg.Go(func() {
		viewed <- e.View(func(r engine.Reader) error {
			first, err := r.Get([]byte("a"))
			if err != nil {
				return err
			}
			close(closing)
			for { // until the engine refuses new calls
				v, err := r.Get([]byte("a"))
				if err == nil && !bytes.Equal(v, first) || err != nil && !errors.Is(err, engine.ErrClosed) {
					return fmt.Errorf("a was %q, is %q (%v)", first, v, err)
				}
				if _, err := e.Get([]byte("a")); err != nil {
					return err
				}
			}
		})
	})
	acknowledged := make([]int, 4)
	for w := range acknowledged {
		wg.Go(func() {
			for {
				switch err := e.Apply([]engine.Write{put(fmt.Sprintf("w/%d/%04d", w, acknowledged[w]), "x"), put("a", "2")}); {
				case errors.Is(err, engine.ErrClosed):
					return
				case err != nil:
					t.Errorf("Apply: %v", err)
					return
				}
				acknowledged[w]++
			}
		})
	}
	<-closing
	if err := e.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	wg.Wait()
	if err := <-viewed; !errors.Is(err, engine.ErrClosed) {
		t.Errorf("the view ended with %v", err)
	}
	next, total := opened(t, store), 0
	for w, n := range acknowledged {
		total += n
		if got := dump(t, next, fmt.Appendf(nil, "w/%d/", w), fmt.Appendf(nil, "w/%d0", w)); len(got) != n {
			t.Errorf("writer %d: %d are there, %d were acknowledged", w, len(got), n)
		}
	}
	t.Logf("%d batches before the end", total)
}

// testModel compares random batches, scans and reopenings with a plain map.
func testModel(t *testing.T, store Store) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	model := map[string]string{}
	key := func() string {
		return string([]byte{byte(rnd.IntN(4)), byte(rnd.IntN(40)), byte(rnd.IntN(4))}[:1+rnd.IntN(3)])
	}
	sorted := func(start, end []byte) []pair {
		var all []pair
		for k, v := range model {
			if bytes.Compare([]byte(k), start) >= 0 && (end == nil || bytes.Compare([]byte(k), end) < 0) {
				all = append(all, pair{k, v})
			}
		}
		slices.SortFunc(all, func(a, b pair) int { return bytes.Compare([]byte(a.key), []byte(b.key)) })
		return all
	}
	e := opened(t, store)
	for step := range 300 {
		switch rnd.IntN(12) {
		case 0, 1:
			start, end := []byte(key()), []byte(key())
			if got := dump(t, e, start, end); !slices.Equal(got, sorted(start, end)) {
				t.Fatalf("step %d: Scan(%q, %q) = %s, want %s", step, start, end, show(got), show(sorted(start, end)))
			}
		case 2:
			if step%6 == 0 { // now and then: opening takes a while
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
				e = opened(t, store)
			}
			if got := dump(t, e, nil, nil); !slices.Equal(got, sorted(nil, nil)) {
				t.Fatalf("step %d: holds %s, want %s", step, show(got), show(sorted(nil, nil)))
			}
		default:
			var batch []engine.Write
			for range 1 + rnd.IntN(8) {
				k, v := key(), fmt.Sprintf("%d-%d", step, rnd.IntN(100))
				if rnd.IntN(3) == 0 {
					batch = append(batch, del(k))
					delete(model, k)
				} else {
					batch = append(batch, put(k, v))
					model[k] = v
				}
			}
			apply(t, e, batch...)
		}
	}
	wantAll(t, e, sorted(nil, nil))
}
