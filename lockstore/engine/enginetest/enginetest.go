// Package enginetest is the suite that every [engine.Engine] passes. A driver's
// test calls [Run] with a way to open fresh storage again and again.
package enginetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// Store opens the same storage: each call opens it anew, after the engine of the
// call before was closed.
type Store func(t *testing.T) engine.Engine

// Run puts an engine through its contract. fresh makes empty storage for one
// test and cleans up after it.
func Run(t *testing.T, fresh func(t *testing.T) Store) {
	tests := []struct {
		name string
		run  func(t *testing.T, store Store)
	}{
		{"GetAndApply", testGetAndApply},
		{"LastWriteOfABatchStays", testLastWriteOfABatchStays},
		{"BinaryKeysInByteOrder", testBinaryKeysInByteOrder},
		{"ScanRanges", testScanRanges},
		{"ScanIsASnapshot", testScanIsASnapshot},
		{"ScanStopsAndFails", testScanStopsAndFails},
		{"ViewIsOneMoment", testViewIsOneMoment},
		{"SlicesAreNotShared", testSlicesAreNotShared},
		{"InvalidWritesChangeNothing", testInvalidWritesChangeNothing},
		{"LargestBatch", testLargestBatch},
		{"ReopenKeepsEverything", testReopenKeepsEverything},
		{"B8EpochRises", testEpochRises},
		{"B10FreeIsKnown", testFreeIsKnown},
		{"ClosedRefuses", testClosedRefuses},
		{"CloseInTheMiddle", testCloseInTheMiddle},
		{"ReadersSeeWholeBatches", testReadersSeeWholeBatches},
		{"ConcurrentAppliesTakeTurns", testConcurrentAppliesTakeTurns},
		{"Model", testModel},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, fresh(t)) })
	}
}

// opened opens the store and closes it at the end of the test.
func opened(t *testing.T, store Store) engine.Engine {
	t.Helper()
	e := store(t)
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func put(key, value string) engine.Write {
	return engine.Write{Key: []byte(key), Value: []byte(value)}
}

func del(key string) engine.Write { return engine.Write{Key: []byte(key), Delete: true} }

func apply(t *testing.T, e engine.Engine, writes ...engine.Write) {
	t.Helper()
	if err := e.Apply(writes); err != nil {
		t.Fatalf("Apply: %v", err)
	}
}

// want checks one key; a nil value means that it must not be there.
func want(t *testing.T, e engine.Engine, key string, value []byte) {
	t.Helper()
	got, err := e.Get([]byte(key))
	switch {
	case value == nil && !errors.Is(err, engine.ErrNotFound):
		t.Errorf("Get(%q) = %q, %v, want ErrNotFound", key, got, err)
	case value != nil && (err != nil || !bytes.Equal(got, value)):
		t.Errorf("Get(%q) = %q, %v, want %q", key, got, err, value)
	}
}

type pair struct{ key, value string }

// dump is everything in [start, end).
func dump(t *testing.T, e engine.Engine, start, end []byte) []pair {
	t.Helper()
	var got []pair
	err := e.Scan(start, end, func(key, value []byte) error {
		got = append(got, pair{string(key), string(value)})
		return nil
	})
	if err != nil {
		t.Fatalf("Scan(%q, %q): %v", start, end, err)
	}
	return got
}

func wantAll(t *testing.T, e engine.Engine, all []pair) {
	t.Helper()
	if got := dump(t, e, nil, nil); !slices.Equal(got, all) {
		t.Errorf("the engine holds %s, want %s", show(got), show(all))
	}
}

func show(pairs []pair) string {
	if len(pairs) > 20 {
		return fmt.Sprintf("%d pairs, from %q to %q", len(pairs), pairs[0], pairs[len(pairs)-1])
	}
	return fmt.Sprintf("%q", pairs)
}
