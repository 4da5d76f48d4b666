//go:build !race

package simtest_test

import (
	"runtime"
	"testing"
)

// TestReplay: a seed tells the same story again. Where two goroutines of hisgate
// wake at the very same instant the runtime picks their order, so about one story
// in ten parts in the end; were it many more, a seed would be worth nothing. The race detector
// shuffles goroutines on purpose, so there is nothing to see under it.
func TestReplay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	first, n := number(t, "HISGATE_FIRST", uint64(1)), min(seeds, 40)
	parted := 0
	for i := range n {
		seed := first + uint64(i)
		a, b := live(t, seed, nil), live(t, seed, nil)
		if a.trace.print() == b.trace.print() {
			continue
		}
		parted++
		for k := range min(len(a.trace.lines), len(b.trace.lines)) {
			if x, y := a.trace.lines[k], b.trace.lines[k]; x != y {
				t.Logf("seed %d parts in line %d:\n%s\n%s", seed, k, x, y)
				break
			}
		}
	}
	if parted*4 > n {
		t.Errorf("%d of %d stories were told differently the second time", parted, n)
	}
}
