package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// gate is a memengine whose every Apply waits for a token, and which counts.
type gate struct {
	*memengine.Engine
	tokens chan struct{}

	mu      sync.Mutex
	batches [][]string // the keys of each Apply, in order
}

func newGate() *gate {
	g := &gate{tokens: make(chan struct{})}
	g.Engine = memengine.New(memengine.Options{Sync: func() { <-g.tokens }})
	return g
}

func (g *gate) Apply(writes []engine.Write) error {
	keys := make([]string, len(writes))
	for i, w := range writes {
		keys[i] = string(w.Key)
	}
	g.mu.Lock()
	g.batches = append(g.batches, keys)
	g.mu.Unlock()
	return g.Engine.Apply(writes)
}

func (g *gate) seen() [][]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.batches)
}

func set(key string) engine.Write { return engine.Write{Key: []byte(key), Value: []byte("v")} }

func open(t engine.Ticket) bool {
	select {
	case <-t.Done():
		return false
	default:
		return true
	}
}

// What arrives while a sync is under way is one batch, in the order of arrival.
func TestAppendsGatherWhileTheLastBatchSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c := engine.NewCommitter(g, engine.CommitterOptions{})
		var tickets []engine.Ticket
		tickets = append(tickets, c.Append(set("first")))
		synctest.Wait() // it is at the disk, alone
		want := []string{}
		for i := range 100 {
			key := fmt.Sprintf("k%03d", i)
			want = append(want, key)
			tickets = append(tickets, c.Append(set(key)))
		}
		synctest.Wait()
		if got := g.seen(); len(got) != 1 || !slices.Equal(got[0], []string{"first"}) {
			t.Fatalf("before the first sync ended the engine saw %v", got)
		}
		g.tokens <- struct{}{}
		synctest.Wait()
		if got := g.seen(); len(got) != 2 || !slices.Equal(got[1], want) {
			t.Fatalf("after one sync the engine saw %d batches, the last %v", len(got), got[len(got)-1])
		}
		if open(tickets[0]) || !open(tickets[1]) || !open(tickets[100]) {
			t.Fatal("tickets must be resolved by their own batch, and no earlier")
		}
		g.tokens <- struct{}{}
		for i, ticket := range tickets {
			if err := ticket.Wait(t.Context()); err != nil {
				t.Fatalf("ticket %d: %v", i, err)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// An idle disk is used at once: nobody waits on a timer for company.
func TestAloneMeansNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := engine.NewCommitter(memengine.New(memengine.Options{}), engine.CommitterOptions{})
		for i := range 10 {
			if err := c.Append(set(fmt.Sprint(i))).Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Fatalf("ten lonely writes lingered for %v", took)
		}
		c.Close()
	})
}

func TestBatchesAreCappedAndAppendsNeverSplit(t *testing.T) {
	tests := []struct {
		name   string
		limits engine.Limits
		sizes  []int // writes of each Append
		want   []int // writes of each Apply after the first
	}{
		{"by writes", engine.Limits{Writes: 10}, []int{4, 4, 4, 4, 4}, []int{8, 8, 4}},
		{"by writes, exactly full", engine.Limits{Writes: 8}, []int{4, 4, 8, 1}, []int{8, 8, 1}},
		// A write of three bytes of key and one of value counts 36.
		{"by bytes", engine.Limits{Bytes: 36 * 5}, []int{2, 2, 2, 5, 1}, []int{4, 2, 5, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				c := engine.NewCommitter(g, engine.CommitterOptions{Limits: tt.limits})
				c.Append(set("000"))
				synctest.Wait()
				for i, n := range tt.sizes {
					var writes []engine.Write
					for j := range n {
						writes = append(writes, set(fmt.Sprintf("%d%02d", i, j)))
					}
					c.Append(writes...)
				}
				for range 1 + len(tt.want) {
					g.tokens <- struct{}{}
				}
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
				var got []int
				for _, b := range g.seen()[1:] {
					got = append(got, len(b))
				}
				if !slices.Equal(got, tt.want) {
					t.Fatalf("batches of %v writes, want %v", got, tt.want)
				}
			})
		})
	}
}

// Refused writes are refused before they are queued, and hurt nobody else.
func TestAppendRefusesWhatCannotBeApplied(t *testing.T) {
	big := make([]byte, engine.MaxValue)
	tests := []struct {
		name   string
		writes []engine.Write
	}{
		{"too many writes", slices.Repeat([]engine.Write{set("k")}, engine.MaxWrites+1)},
		{"too many bytes", slices.Repeat([]engine.Write{{Key: []byte("k"), Value: big}}, engine.MaxBytes/engine.MaxValue)},
		{"no key", []engine.Write{set("k"), {Value: []byte("v")}}},
		{"long key", []engine.Write{{Key: big[:engine.MaxKey+1]}}},
		{"long value", []engine.Write{{Key: []byte("k"), Value: append([]byte{0}, big...)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				c := engine.NewCommitter(g, engine.CommitterOptions{})
				before := c.Append(set("before"))
				synctest.Wait()
				refused := c.Append(tt.writes...)
				var invalid *engine.InvalidWriteError
				if err := refused.Wait(t.Context()); !errors.As(err, &invalid) {
					t.Fatalf("got %v, want an InvalidWriteError", err)
				}
				if err := c.Limits().Check(tt.writes); !errors.As(err, &invalid) {
					t.Fatalf("Check says %v", err)
				}
				after := c.Append(set("after"))
				g.tokens <- struct{}{}
				g.tokens <- struct{}{}
				if err := errors.Join(before.Wait(t.Context()), after.Wait(t.Context()), c.Close()); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// A read that was judged after an unsynced write is not answered before it.
func TestB2BarrierWaitsForEverythingJudgedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c := engine.NewCommitter(g, engine.CommitterOptions{})
		if open(c.Barrier()) {
			t.Fatal("nothing is pending, the barrier must be resolved already")
		}
		c.Append(set("a"))
		atDisk := c.Barrier()
		synctest.Wait()
		atDiskToo := c.Barrier()
		c.Append(set("b"))
		queued := c.Barrier()
		synctest.Wait()
		if !open(atDisk) || !open(atDiskToo) || !open(queued) {
			t.Fatal("a barrier was resolved before any sync")
		}
		g.tokens <- struct{}{}
		synctest.Wait()
		if open(atDisk) || open(atDiskToo) {
			t.Fatal("everything before these barriers is durable")
		}
		if !open(queued) {
			t.Fatal("a write judged before this barrier is not durable yet")
		}
		if !open(c.Append()) {
			t.Fatal("an Append of nothing is a barrier")
		}
		g.tokens <- struct{}{}
		synctest.Wait()
		if open(queued) || open(c.Barrier()) {
			t.Fatal("everything is durable")
		}
		if err := queued.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}

// A failed commit is final: everybody learns that the outcome is unknown, and
// the engine is not asked again.
func TestFailedCommitIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c := engine.NewCommitter(g, engine.CommitterOptions{})
		boom := errors.New("input/output error")
		g.FailNext(memengine.Fault{Err: boom})
		atDisk := c.Append(set("a"))
		synctest.Wait()
		queued, barrier := c.Append(set("b")), c.Barrier()
		select {
		case <-c.Failed():
			t.Fatal("failed before anything failed")
		default:
		}
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
		g.tokens <- struct{}{}
		<-c.Failed()
		later, laterBarrier := c.Append(set("c")), c.Barrier()
		for name, ticket := range map[string]engine.Ticket{
			"at the disk": atDisk, "queued": queued, "barrier": barrier,
			"later": later, "later barrier": laterBarrier,
		} {
			err := ticket.Wait(t.Context())
			if !errors.Is(err, engine.ErrOutcomeUnknown) || !errors.Is(err, boom) {
				t.Errorf("%s: got %v, want an unknown outcome because of %v", name, err, boom)
			}
			var unknown *engine.UnknownOutcomeError
			if !errors.As(err, &unknown) {
				t.Errorf("%s: got %T", name, err)
			}
		}
		if err := c.Err(); !errors.Is(err, engine.ErrOutcomeUnknown) {
			t.Errorf("Err says %v", err)
		}
		if err := c.Close(); !errors.Is(err, boom) {
			t.Errorf("Close says %v", err)
		}
		if got := g.seen(); len(got) != 1 {
			t.Errorf("the engine was asked %d times: %v", len(got), got)
		}
	})
}

// A caller who leaves takes nothing back.
func TestWaitEndsWithItsContextAndTheWriteGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c := engine.NewCommitter(g, engine.CommitterOptions{})
		ticket := c.Append(set("a"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := ticket.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		g.tokens <- struct{}{}
		synctest.Wait()
		if err := ticket.Wait(ctx); err != nil {
			t.Fatalf("a known answer wins over a context that is over, got %v", err)
		}
		if _, err := c.Engine().Get([]byte("a")); err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}

func TestCloseDrainsThenRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c := engine.NewCommitter(g, engine.CommitterOptions{Limits: engine.Limits{Writes: 1}})
		var tickets []engine.Ticket
		for i := range 5 {
			tickets = append(tickets, c.Append(set(fmt.Sprint(i))))
		}
		closed := make(chan error, 2)
		go func() { closed <- c.Close() }()
		go func() { closed <- c.Close() }()
		synctest.Wait()
		if err := c.Append(set("late")).Wait(t.Context()); !errors.Is(err, engine.ErrClosed) {
			t.Fatalf("Append after Close: %v", err)
		}
		if len(closed) > 0 {
			t.Fatal("Close came back before the batches were durable")
		}
		for range tickets {
			g.tokens <- struct{}{}
		}
		for range 2 {
			if err := <-closed; err != nil {
				t.Fatal(err)
			}
		}
		for i, ticket := range tickets {
			if err := ticket.Wait(t.Context()); err != nil {
				t.Fatalf("ticket %d: %v", i, err)
			}
		}
		if open(c.Barrier()) {
			t.Fatal("a barrier after Close has nothing to wait for")
		}
		if _, err := g.Get([]byte("4")); err != nil {
			t.Fatalf("the engine below must stay open: %v", err)
		}
	})
}

func TestObserveTellsEachCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memengine.New(memengine.Options{Sync: func() { time.Sleep(3 * time.Millisecond) }})
		var seen []engine.Commit
		c := engine.NewCommitter(e, engine.CommitterOptions{Observe: func(o engine.Commit) { seen = append(seen, o) }})
		c.Append(set("a"))
		synctest.Wait()
		c.Append(set("b"), set("c"))
		e.FailNext(memengine.Fault{})
		c.Append(set("d"))
		c.Close()
		if len(seen) != 1 || seen[0].Err == nil || seen[0].Writes != 1 || seen[0].Appends != 1 {
			t.Fatalf("a fault ordered while a sync is under way belongs to that sync, got %+v", seen)
		}
		if seen[0].Took != 3*time.Millisecond {
			t.Fatalf("took %v", seen[0].Took)
		}

		seen = nil
		e = e.Reopen()
		c = engine.NewCommitter(e, engine.CommitterOptions{Observe: func(o engine.Commit) { seen = append(seen, o) }})
		c.Append(set("a"))
		synctest.Wait()
		c.Append(set("b"), set("c"))
		c.Append(set("d"))
		c.Close()
		if len(seen) != 2 || seen[1].Err != nil || seen[1].Writes != 3 || seen[1].Appends != 2 || seen[1].Bytes != 3*34 {
			t.Fatalf("got %+v", seen)
		}
	})
}

// Many writers at once: every key ends with the value that was appended last,
// whatever the batches were.
func TestOrderOfAppendsIsTheOrderOfApplication(t *testing.T) {
	e := memengine.New(memengine.Options{})
	c := engine.NewCommitter(e, engine.CommitterOptions{Limits: engine.Limits{Writes: 7}})
	var (
		mu   sync.Mutex // the one writer who judges
		last = map[string]string{}
		wg   sync.WaitGroup
	)
	for w := range 8 {
		wg.Go(func() {
			for i := range 500 {
				key, value := fmt.Sprintf("k%d", (w+i)%5), fmt.Sprintf("%d-%d", w, i)
				mu.Lock()
				ticket := c.Append(engine.Write{Key: []byte(key), Value: []byte(value)})
				last[key] = value
				mu.Unlock()
				if err := ticket.Wait(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for key, want := range last {
		if got, err := e.Get([]byte(key)); err != nil || string(got) != want {
			t.Errorf("%s = %q (%v), want %q", key, got, err, want)
		}
	}
}
