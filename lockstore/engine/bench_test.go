package engine_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// nothing is an engine that is always done.
type nothing struct{ engine.Engine }

func (nothing) Apply([]engine.Write) error { return nil }

// BenchmarkCommitter is what the committer itself costs, without any storage.
func BenchmarkCommitter(b *testing.B) {
	for _, inFlight := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(inFlight), func(b *testing.B) {
			c := engine.NewCommitter(nothing{}, engine.CommitterOptions{})
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range inFlight {
				wg.Go(func() {
					w := engine.Write{Key: []byte("key"), Value: make([]byte, 200)}
					for next.Add(1) <= int64(b.N) {
						if err := c.Append(w).Wait(b.Context()); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkBarrier is the price of the ticket of a read while nothing is on its
// way to the disk.
func BenchmarkBarrier(b *testing.B) {
	c := engine.NewCommitter(nothing{}, engine.CommitterOptions{})
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Barrier().Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
}
