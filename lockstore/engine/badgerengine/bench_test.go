package badgerengine_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
)

// A value of about the size of a lock's record.
const valueSize = 200

// rawLog is the yardstick: a plain appending file, synced once per Apply, which
// stores and finds nothing.
type rawLog struct {
	engine.Engine
	f   *os.File
	buf []byte
}

func (l *rawLog) Apply(writes []engine.Write) error {
	l.buf = l.buf[:0]
	for _, w := range writes {
		l.buf = binary.AppendUvarint(l.buf, uint64(len(w.Key)))
		l.buf = binary.AppendUvarint(l.buf, uint64(len(w.Value)))
		l.buf = append(append(l.buf, w.Key...), w.Value...)
	}
	if _, err := l.f.Write(l.buf); err != nil {
		return err
	}
	return datasync(l.f)
}

// BenchmarkGroupCommit is the price of one durable Append with so many callers
// in flight, over Badger and over the yardstick.
func BenchmarkGroupCommit(b *testing.B) {
	engines := []struct {
		name string
		open func(b *testing.B) engine.Engine
	}{
		{"badger", func(b *testing.B) engine.Engine {
			e, err := badgerengine.Open(benchDir(b), badgerengine.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = e.Close() })
			return e
		}},
		{"rawlog", func(b *testing.B) engine.Engine {
			f, err := os.Create(filepath.Join(benchDir(b), "log"))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = f.Close() })
			return &rawLog{f: f}
		}},
	}
	for _, inFlight := range []int{1, 8, 64} {
		for _, e := range engines {
			b.Run(fmt.Sprintf("%d/%s", inFlight, e.name), func(b *testing.B) {
				groupCommit(b, e.open(b), inFlight)
			})
		}
	}
}

func groupCommit(b *testing.B, e engine.Engine, inFlight int) {
	var commits atomic.Int64
	c := engine.NewCommitter(e, engine.CommitterOptions{Observe: func(engine.Commit) { commits.Add(1) }})
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range inFlight {
		wg.Go(func() {
			value := make([]byte, valueSize)
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				key := fmt.Appendf(nil, "lock/RX%012d", n)
				if err := c.Append(engine.Write{Key: key, Value: value}).Wait(b.Context()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	b.ReportMetric(float64(b.N)/float64(commits.Load()), "appends/sync")
	if err := c.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkUpdatePerWrite is what a single writer would do without an engine of
// ours: one badger.Update with synced writes per lock.
func BenchmarkUpdatePerWrite(b *testing.B) {
	db, err := badger.Open(badger.DefaultOptions(benchDir(b)).WithSyncWrites(true).
		WithCompression(options.None).WithLogger(nil))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	value := make([]byte, valueSize)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		err := db.Update(func(txn *badger.Txn) error {
			return txn.Set(fmt.Appendf(nil, "lock/RX%012d", n), value)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// benchDir is a folder on the disk that matters: HISGATE_BENCH_DIR, or the
// temporary folder.
func benchDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp(os.Getenv("HISGATE_BENCH_DIR"), "bench-*")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
