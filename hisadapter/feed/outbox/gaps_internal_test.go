package outbox

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Whatever order ids are read in, those below the greatest that were not read are
// the gaps, and nothing else is.
func TestGapsAreTheIDsThatWereNotRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tl, read := start(), map[int64]bool{}
		for _, id := range rapid.SliceOfN(rapid.Int64Range(-20, 60), 1, 60).Draw(t, "ids") {
			if tl.missing(id) == read[id] {
				t.Fatalf("%d is missing: %v; it was read: %v", id, tl.missing(id), read[id])
			}
			tl.read(id, noon)
			read[id] = true
		}
		for id := int64(-30); id < 70; id++ {
			if tl.missing(id) == read[id] {
				t.Fatalf("%d is missing: %v; it was read: %v (%+v)", id, tl.missing(id), read[id], tl)
			}
		}
		last := int64(math.MinInt64)
		for _, g := range tl.gaps {
			if g.low > g.high || g.low <= last || g.high >= tl.max {
				t.Fatalf("the gaps are %+v up to %d", tl.gaps, tl.max)
			}
			last = g.high + 1 // what lies between two gaps was read
		}
		p := positionOf("here", tl, "then")
		if back := p.tail(noon); back.max != tl.max || !slices.Equal(back.gaps, tl.gaps) || !p.sane() {
			t.Fatalf("%+v comes back from the file as %+v", tl, back)
		}
	})
}

func TestFloorIsBelowTheFirstGap(t *testing.T) {
	tl := start()
	tl.read(5, noon)
	if f := tl.floor(); f != math.MinInt64 {
		t.Errorf("the floor is %d, but ids before the first may come", f)
	}
	tl.forget(func(gap) bool { return true })
	tl.read(6, noon)
	tl.read(9, noon)
	if f := tl.floor(); f != 6 {
		t.Errorf("the floor is %d, but 7 and 8 may come", f)
	}
	tl.read(8, noon)
	tl.read(7, noon)
	if f := tl.floor(); f != 9 {
		t.Errorf("the floor is %d, and everything was read", f)
	}
}

// Each gap has its turn, and the newest have it each time.
func TestEveryGapHasItsTurn(t *testing.T) {
	tl := start()
	for id := int64(0); id < 1000; id += 2 {
		tl.read(id, noon)
	}
	seen, turn := map[int64]int{}, int64(0)
	looks := 0
	for ; len(seen) < len(tl.gaps); looks++ {
		if looks > len(tl.gaps) {
			t.Fatalf("%d of %d gaps had a turn in %d looks", len(seen), len(tl.gaps), looks)
		}
		chosen := tl.choose(16, &turn)
		if len(chosen) > 16 {
			t.Fatalf("%d gaps at once", len(chosen))
		}
		for _, g := range chosen {
			seen[g.low]++
		}
	}
	if newest := tl.gaps[len(tl.gaps)-1].low; seen[newest] != looks {
		t.Errorf("the newest gap had %d of %d turns", seen[newest], looks)
	}
}

func TestGapsAreBounded(t *testing.T) {
	tl := start()
	for id := int64(0); id <= 2*(maxGaps+10); id += 2 {
		tl.read(id, noon)
	}
	if n := len(tl.gaps); n != maxGaps {
		t.Errorf("%d gaps are kept, want %d", n, maxGaps)
	}
	if tl.missing(1) || !tl.missing(tl.max-1) {
		t.Error("it is not the oldest that are given up")
	}
}
