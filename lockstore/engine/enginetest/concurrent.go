package enginetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// Batches move one token from hand to hand and stamp every hand with the same
// number: whoever reads while they are applied sees exactly one token and one
// number.
func testReadersSeeWholeBatches(t *testing.T, store Store) {
	const hands, rounds = 16, 150
	e := opened(t, store)
	batch := func(round int) []engine.Write {
		writes := make([]engine.Write, 0, hands+2)
		for h := range hands {
			writes = append(writes, put(fmt.Sprintf("hand/%02d", h), fmt.Sprint(round)))
		}
		return append(writes,
			del(fmt.Sprintf("token/%02d", (round+hands-1)%hands)),
			put(fmt.Sprintf("token/%02d", round%hands), "x"))
	}
	apply(t, e, batch(0)...)

	var over atomic.Bool
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			last := -1
			for !over.Load() {
				last = readWhole(t, e, hands, last)
			}
		})
	}
	wg.Go(func() {
		for !over.Load() {
			if _, err := e.Get([]byte("hand/07")); err != nil {
				t.Errorf("Get: %v", err)
				return
			}
		}
	})
	for round := 1; round <= rounds; round++ {
		apply(t, e, batch(round)...)
		// What Apply acknowledged is what the next read sees.
		want(t, e, "hand/00", []byte(fmt.Sprint(round)))
	}
	over.Store(true)
	wg.Wait()
}

// readWhole scans all hands and returns the number that it saw on them.
func readWhole(t *testing.T, e engine.Engine, hands, last int) int {
	tokens, seen, round := 0, 0, ""
	err := e.Scan(nil, nil, func(key, value []byte) error {
		if key[0] == 't' {
			tokens++
			return nil
		}
		if seen++; seen == 1 {
			round = string(value)
		} else if round != string(value) {
			return fmt.Errorf("a torn batch: %q and %q at once", round, value)
		}
		return nil
	})
	var n int
	_, scanErr := fmt.Sscan(round, &n)
	switch {
	case err != nil || scanErr != nil:
		t.Error(errors.Join(err, scanErr))
	case tokens != 1 || seen != hands:
		t.Errorf("saw %d tokens and %d hands", tokens, seen)
	case n < last:
		t.Errorf("saw batch %d after batch %d", n, last)
	}
	return n
}

func testConcurrentAppliesTakeTurns(t *testing.T, store Store) {
	const writers, each = 8, 25
	e := opened(t, store)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i)
				if err := e.Apply([]engine.Write{put("own/"+id, id), put("shared/a", id), put("shared/b", id)}); err != nil {
					t.Errorf("Apply: %v", err)
					return
				}
				want(t, e, "own/"+id, []byte(id))
			}
		})
	}
	wg.Wait()
	if got := dump(t, e, []byte("own/"), []byte("own0")); len(got) != writers*each {
		t.Errorf("%d keys, want %d", len(got), writers*each)
	}
	if got := dump(t, e, []byte("shared/"), []byte("shared0")); len(got) != 2 || got[0].value != got[1].value {
		t.Errorf("two batches were mixed: %s", show(got))
	}
}
