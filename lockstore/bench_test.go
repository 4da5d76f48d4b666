package lockstore_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// benchDir is a fresh folder on the disk that TMPDIR names; a tmpfs would sync
// for nothing.
func benchDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "lockstore-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// BenchmarkLock is the price of one durable Lock on Badger, with so many callers
// in flight, over a thousand drugs or all over one.
func BenchmarkLock(b *testing.B) {
	for _, inFlight := range []int{1, 64} {
		for _, drugs := range []int{1000, 1} {
			b.Run(fmt.Sprintf("inflight=%d/drugs=%d", inFlight, drugs), func(b *testing.B) {
				l, closeAll := onBadger(b, benchDir(b), lockstore.Options{Policy: noFreeze(), DiskReserve: -1})
				defer closeAll()
				benchLock(b, l, inFlight, drugs)
			})
		}
	}
}

// BenchmarkLockInMemory is the same without a disk: what judging costs.
func BenchmarkLockInMemory(b *testing.B) {
	for _, drugs := range []int{1000, 1} {
		b.Run(fmt.Sprintf("drugs=%d", drugs), func(b *testing.B) {
			c := engine.NewCommitter(memengine.New(memengine.Options{}), engine.CommitterOptions{})
			defer func() { _ = c.Close() }()
			l, err := lockstore.Open(b.Context(), lockstore.Options{Policy: noFreeze(), Committer: c})
			if err != nil {
				b.Fatal(err)
			}
			benchLock(b, l, 64, drugs)
		})
	}
}

func benchLock(b *testing.B, l *lockstore.Ledger, inFlight, drugs int) {
	var n atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(max(1, inFlight/2)) // on the two processors that we measure on
	if inFlight == 1 {
		for b.Loop() {
			benchOne(b, l, n.Add(1), drugs)
		}
		return
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			benchOne(b, l, n.Add(1), drugs)
		}
	})
}

func benchOne(b *testing.B, l *lockstore.Ledger, i int64, drugs int) {
	drug := fmt.Sprintf("D%04d", i%int64(drugs))
	_, _, err := l.Lock(b.Context(), lockstore.LockRequest{
		Principal: alice, OrderNo: fmt.Sprintf("RX%010d", i), PharmacyID: pharmacy, TTL: time.Hour,
		Items:    []lockstore.Item{{DrugID: drug, Quantity: 1}},
		Readings: map[string]lockstore.Reading{drug: {Stamp: l.Stamp(), Began: l.Mono(), OnHand: 1 << 40}},
	})
	if err != nil {
		b.Error(err)
	}
}

// BenchmarkOpen is the price of an opening for each active lock.
func BenchmarkOpen(b *testing.B) {
	const active = 100_000
	e := memengine.New(memengine.Options{})
	c := engine.NewCommitter(e, engine.CommitterOptions{})
	l, err := lockstore.Open(b.Context(), lockstore.Options{Policy: noFreeze(), Committer: c})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	for w := range 64 {
		go func() {
			for i := w; i < active; i += 64 {
				benchOne(b, l, int64(i), 1000)
			}
			done <- struct{}{}
		}()
	}
	for range 64 {
		<-done
	}
	for b.Loop() {
		if _, err := lockstore.Open(b.Context(), lockstore.Options{Policy: noFreeze(), Committer: c}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/active, "ns/lock")
	_ = c.Close()
}
