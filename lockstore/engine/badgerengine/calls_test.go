package badgerengine

import "testing"

// Badger may forget what nobody looks at any more, and nothing else.
func TestCallsUnderWayHoldBackCompactions(t *testing.T) {
	c := newCalls(5)
	enter := func(want uint64) uint64 {
		t.Helper()
		v, err := c.enter()
		if err != nil || v != want {
			t.Fatalf("looks at %d (%v), want %d", v, err, want)
		}
		return v
	}
	advance := func(version, want uint64) {
		t.Helper()
		if got := c.advance(version); got != want {
			t.Fatalf("at version %d the oldest in use is %d, want %d", version, got, want)
		}
	}
	first, second := enter(5), enter(5)
	advance(6, 5)
	third := enter(6)
	c.leave(first)
	advance(7, 5)
	c.leave(second)
	advance(8, 6)
	c.leave(third)
	advance(9, 9)
	if c.active != 0 || len(c.readers) != 0 {
		t.Fatalf("%d calls and %v are left", c.active, c.readers)
	}
}
