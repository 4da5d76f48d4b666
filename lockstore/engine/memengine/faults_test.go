package memengine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

func writes(keys ...string) []engine.Write {
	var ws []engine.Write
	for _, key := range keys {
		ws = append(ws, engine.Write{Key: []byte(key), Value: []byte(key)})
	}
	return ws
}

// keys is all that the engine holds, as one string.
func keys(t *testing.T, e engine.Engine) string {
	t.Helper()
	var all string
	if err := e.Scan(nil, nil, func(key, _ []byte) error { all += string(key); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFailedApplyKillsTheOpening(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name  string
		fault memengine.Fault
		cause error
		then  string // what the next opening holds
	}{
		{"lost", memengine.Fault{Err: boom}, boom, "a"},
		{"kept", memengine.Fault{Err: boom, Kept: true}, boom, "abc"},
		{"unnamed", memengine.Fault{}, memengine.ErrInjected, "a"},
	}
	reopen := map[string]func(*memengine.Engine) *memengine.Engine{
		"Reopen":               (*memengine.Engine).Reopen,
		"Crash":                (*memengine.Engine).Crash,
		"CrashKeepingInFlight": (*memengine.Engine).CrashKeepingInFlight,
	}
	for _, tt := range tests {
		for how, again := range reopen {
			t.Run(tt.name+"/"+how, func(t *testing.T) {
				e := memengine.New(memengine.Options{})
				if err := e.Apply(writes("a")); err != nil {
					t.Fatal(err)
				}
				e.FailNext(tt.fault)
				first := e.Apply(writes("b", "c"))
				_, getErr := e.Get([]byte("a"))
				scanErr := e.Scan(nil, nil, func([]byte, []byte) error { return nil })
				for call, err := range map[string]error{
					"Apply": first, "later Apply": e.Apply(writes("d")), "Get": getErr, "Scan": scanErr,
				} {
					if !errors.Is(err, engine.ErrOutcomeUnknown) || !errors.Is(err, tt.cause) {
						t.Errorf("%s: %v", call, err)
					}
				}
				next := again(e)
				if got := keys(t, next); got != tt.then {
					t.Errorf("the next opening holds %q, want %q", got, tt.then)
				}
				if next.Epoch() <= e.Epoch() {
					t.Errorf("epoch %d after %d", next.Epoch(), e.Epoch())
				}
				if err := next.Apply(writes("e")); err != nil {
					t.Errorf("the fault was for one Apply: %v", err)
				}
			})
		}
	}
}

// A crash decides over the batch in flight, all of it or nothing, and over
// nothing else; whoever outlived it can do no harm.
func TestCrashInTheMiddleOfAnApply(t *testing.T) {
	for name, tt := range map[string]struct {
		crash func(*memengine.Engine) *memengine.Engine
		want  string
	}{
		"lost": {(*memengine.Engine).Crash, "a"},
		"kept": {(*memengine.Engine).CrashKeepingInFlight, "abc"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate := make(chan struct{})
				e := memengine.New(memengine.Options{Sync: func() { <-gate }})
				go func() { gate <- struct{}{} }()
				if err := e.Apply(writes("a")); err != nil {
					t.Fatal(err)
				}
				answer := make(chan error)
				go func() { answer <- e.Apply(writes("b", "c")) }()
				synctest.Wait()
				if got := keys(t, e); got != "a" {
					t.Fatalf("the batch in flight is visible: %q", got)
				}
				next := tt.crash(e)
				if got := keys(t, next); got != tt.want {
					t.Fatalf("the next opening holds %q, want %q", got, tt.want)
				}
				gate <- struct{}{}
				if err := <-answer; !errors.Is(err, engine.ErrOutcomeUnknown) || !errors.Is(err, memengine.ErrCrashed) {
					t.Errorf("the Apply that met the crash: %v", err)
				}
				if err := e.Apply(writes("z")); !errors.Is(err, memengine.ErrCrashed) {
					t.Errorf("Apply after the crash: %v", err)
				}
				if _, err := e.Get([]byte("a")); !errors.Is(err, memengine.ErrCrashed) {
					t.Errorf("Get after the crash: %v", err)
				}
				if err := e.Close(); err != nil {
					t.Errorf("closing what crashed: %v", err)
				}
				go func() { gate <- struct{}{} }()
				if err := next.Apply(writes("y")); err != nil {
					t.Fatal(err)
				}
				if got := keys(t, next); got != tt.want+"y" {
					t.Errorf("the next opening holds %q", got)
				}
			})
		})
	}
}

// A batch that removes the last key leaves an empty tree, which is a tree.
func TestCrashKeepsABatchThatLeavesNothing(t *testing.T) {
	e := memengine.New(memengine.Options{})
	if err := e.Apply(writes("a")); err != nil {
		t.Fatal(err)
	}
	e.FailNext(memengine.Fault{Kept: true})
	if err := e.Apply([]engine.Write{{Key: []byte("a"), Delete: true}}); err == nil {
		t.Fatal("no error")
	}
	if got := keys(t, e.Crash()); got != "" {
		t.Fatalf("the next opening holds %q", got)
	}
}

func TestReopenWaitsForTheApplyUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memengine.New(memengine.Options{Sync: func() { time.Sleep(time.Second) }})
		answer := make(chan error, 1)
		go func() { answer <- e.Apply(writes("a")) }()
		synctest.Wait()
		next := e.Reopen()
		if err := <-answer; err != nil {
			t.Fatal(err)
		}
		if got := keys(t, next); got != "a" {
			t.Fatalf("holds %q", got)
		}
		defer func() {
			if recover() == nil {
				t.Fatal("an old opening was reopened")
			}
		}()
		e.Reopen()
	})
}

func TestB10FreeIsSettable(t *testing.T) {
	e := memengine.New(memengine.Options{})
	if free, err := e.Free(); err != nil || free != memengine.DefaultFree {
		t.Fatal(free, err)
	}
	boom := errors.New("boom")
	e.SetFree(42, boom)
	if free, err := e.Reopen().Free(); free != 42 || !errors.Is(err, boom) {
		t.Fatal(free, err)
	}
}

// Random histories of faults and crashes against a model: acknowledged batches
// stay, unknown ones are there whole or not at all.
func TestHistories(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	e := memengine.New(memengine.Options{})
	want := ""
	for step := range 700 {
		batch := []string{fmt.Sprintf("%05d/a ", step), fmt.Sprintf("%05d/b ", step)}
		kept := rnd.IntN(2) == 0
		failed := rnd.IntN(20) == 0
		if failed {
			e.FailNext(memengine.Fault{Kept: kept})
		}
		err := e.Apply(writes(batch...))
		if failed != (err != nil) {
			t.Fatalf("step %d: %v", step, err)
		}
		if !failed || kept {
			want += batch[0] + batch[1]
		}
		switch {
		case failed || rnd.IntN(50) == 0:
			e = e.Crash()
		case rnd.IntN(50) == 0:
			e = e.Reopen()
		default:
			continue
		}
		if got := keys(t, e); got != want {
			t.Fatalf("step %d: holds\n%q, want\n%q", step, got, want)
		}
	}
}

// BenchmarkApplyInOrder is the worst case of an unbalanced tree.
func BenchmarkApplyInOrder(b *testing.B) {
	e := memengine.New(memengine.Options{})
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if err := e.Apply(writes(fmt.Sprintf("%09d", n))); err != nil {
			b.Fatal(err)
		}
	}
}
