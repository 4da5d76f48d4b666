package outbox

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// span is ids, both ends included.
type span struct{ low, high int64 }

// gap is ids that were given out, as far as one can tell, and have not been seen:
// of transactions that are still open, or of some that were rolled back.
type gap struct {
	span
	since time.Time // when it was noticed; no gap before this one was noticed later
	open  *openings // the transactions that could fill it; nil = not asked yet
}

// tail is how far a table was read: everything up to max, but for the gaps. It
// stays small: rows that were read leave nothing behind, only ids that were not.
type tail struct {
	max  int64 // the greatest id that was read
	gaps []gap // ascending, apart from each other, all below max
}

// start is the tail of a table of which nothing was read.
func start() tail { return tail{max: math.MinInt64} }

// maxGaps bounds the gaps that are kept. Beyond, the oldest are given up: a late
// commit in them would not be noticed.
const maxGaps = 100_000

// read notes a row that was delivered. It must not be called before.
func (t *tail) read(id int64, now time.Time) {
	if id <= t.max {
		t.fill(id)
		return
	}
	if id > t.max+1 {
		t.gaps = append(t.gaps, gap{span: span{t.max + 1, id - 1}, since: now})
	}
	t.max = id
	if over := len(t.gaps) - maxGaps; over > 0 {
		t.gaps = slices.Delete(t.gaps, 0, over)
	}
}

// fill takes an id out of the gaps.
func (t *tail) fill(id int64) {
	i := t.find(id)
	if i < 0 {
		return
	}
	var rest []gap
	if left := t.gaps[i]; id > left.low {
		left.high = id - 1
		rest = append(rest, left)
	}
	if right := t.gaps[i]; id < right.high {
		right.low = id + 1
		rest = append(rest, right)
	}
	t.gaps = slices.Replace(t.gaps, i, i+1, rest...)
}

// find returns the index of the gap that holds id, -1 where none does.
func (t *tail) find(id int64) int {
	i, found := slices.BinarySearchFunc(t.gaps, id, func(g gap, id int64) int {
		switch {
		case id < g.low:
			return 1
		case id > g.high:
			return -1
		default:
			return 0
		}
	})
	if !found {
		return -1
	}
	return i
}

// missing reports whether id is one that was not seen.
func (t *tail) missing(id int64) bool { return id > t.max || t.find(id) >= 0 }

// forget drops the gaps for which over says that nothing can appear there any
// more.
func (t *tail) forget(over func(gap) bool) {
	t.gaps = slices.DeleteFunc(t.gaps, over)
}

// floor is the id up to which everything was read or will never appear.
func (t *tail) floor() int64 {
	if len(t.gaps) == 0 {
		return t.max
	}
	return t.gaps[0].low - 1
}

// choose returns at most n gaps to look at: the newest, where most late commits
// are, and of the others each in its turn. from is where the turn stands, and is
// moved on.
func (t *tail) choose(n int, from *int64) []gap {
	if len(t.gaps) <= n {
		return slices.Clone(t.gaps)
	}
	old, newest := t.gaps[:len(t.gaps)-n/2], t.gaps[len(t.gaps)-n/2:]
	first, _ := slices.BinarySearchFunc(old, *from, func(g gap, id int64) int { return cmp.Compare(g.low, id) })
	if first == len(old) {
		first = 0
	}
	last := min(first+n-n/2, len(old))
	*from = old[last-1].high + 1
	return slices.Concat(old[first:last], newest)
}
