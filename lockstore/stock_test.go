package lockstore

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestStockMatchesASimpleModel compares the sums of a key with a walk over all
// of its holds, after any sequence of joins, leaves, changes and drops.
func TestStockMatchesASimpleModel(t *testing.T) {
	const lag = 3 * time.Second
	rapid.Check(t, func(t *rapid.T) {
		s := &stock{key: Key{"P", "D"}}
		var holds []*hold // those that joined, oldest first
		var counter uint64
		now := time.Duration(0)
		pick := func() *hold {
			if len(holds) == 0 {
				t.Skip("no hold yet")
			}
			return rapid.SampledFrom(holds).Draw(t, "hold")
		}
		reading := func() *Reading {
			return &Reading{
				Stamp: Stamp{Epoch: 1, Counter: rapid.Uint64Range(0, counter+1).Draw(t, "stamp")},
				Began: time.Duration(rapid.Int64Range(0, int64(now+lag)).Draw(t, "began")),
			}
		}
		counted := func(h *hold, r *Reading) bool {
			return h.counts == always || h.counts == untilRead && !h.read && !knows(r, h.ack, lag)
		}
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				h := &hold{units: rapid.Int64Range(1, 50).Draw(t, "units")}
				s.join(h)
				s.set(h, always, ack{})
				holds = append(holds, h)
			},
			"leave": func(*rapid.T) {
				h := pick()
				s.leave(h)
				for i := range holds {
					if holds[i] == h {
						holds = append(holds[:i], holds[i+1:]...)
						break
					}
				}
			},
			"set": func(t *rapid.T) {
				counter++
				now += time.Duration(rapid.Int64Range(0, int64(lag)).Draw(t, "later"))
				s.set(pick(), counting(rapid.IntRange(0, 2).Draw(t, "counts")), ack{counter, now})
			},
			"drop": func(*rapid.T) {
				r := reading()
				if s.tooOld(r) {
					return
				}
				for _, h := range s.drop(r, lag) {
					if !h.read || !knows(r, h.ack, lag) {
						t.Fatalf("dropped a hold that the reading does not know of")
					}
				}
			},
			"outlive": func(*rapid.T) {
				if h := pick(); h.counts == untilRead && !h.read {
					s.outlive(h, 1, lag)
				}
			},
			"": func(t *rapid.T) {
				r := reading()
				var want int64
				for _, h := range holds {
					if counted(h, r) {
						want += h.units
					}
				}
				if got := s.held(r, lag); got != want {
					t.Fatalf("held %d, want %d", got, want)
				}
				if !s.tooOld(r) { // [A1]
					for _, h := range holds {
						if h.counts == untilRead && h.read && !knows(r, h.ack, lag) {
							t.Fatalf("a hold was dropped that the reading %+v cannot know of: %+v", r, h)
						}
					}
				}
				var older int64
				for _, own := range holds {
					got, seen := s.heldBefore(own, r, lag)
					if got != older {
						t.Fatalf("held before %+v is %d, want %d", own, got, older)
					}
					if wantSeen := own.counts == untilRead && !counted(own, r); seen != wantSeen {
						t.Fatalf("seen %v, want %v", seen, wantSeen)
					}
					if counted(own, r) {
						older += own.units
					}
				}
			},
		})
	})
}

func TestAvailableIsFlooredAndNeverNegative(t *testing.T) {
	tests := []struct {
		onHand, held, safety, multiple, want int64
	}{
		{100, 30, 0, 1, 70},
		{100, 30, 0, 24, 48},
		{100, 30, 20, 24, 48},
		{100, 30, 23, 24, 24},
		{100, 100, 0, 1, 0},
		{100, 101, 0, 1, 0},
		{-5, 0, 0, 1, 0},
		{math.MinInt64, math.MaxInt64, math.MaxInt64, 24, 0},
		{math.MaxInt64, 0, 0, 0, math.MaxInt64},
	}
	for _, tt := range tests {
		if got := available(tt.onHand, tt.held, tt.safety, tt.multiple); got != tt.want {
			t.Errorf("available(%d, %d, %d, %d) = %d, want %d", tt.onHand, tt.held, tt.safety, tt.multiple, got, tt.want)
		}
	}
}

func TestSafetyRule(t *testing.T) {
	tests := []struct {
		rule SafetyRule
		m    morning
		want int64
	}{
		{SafetyRule{}, morning{7, 100}, 0},
		{SafetyRule{Units: 20}, morning{}, 20},
		{SafetyRule{Percent: 10}, morning{7, 95}, 10}, // rounded up
		{SafetyRule{Percent: 10}, morning{7, 100}, 10},
		{SafetyRule{Percent: 10}, morning{7, 1}, 1},
		{SafetyRule{Units: 20, Percent: 10}, morning{7, 100}, 20},
		{SafetyRule{Units: 5, Percent: 10}, morning{7, 100}, 10},
		{SafetyRule{Units: 5, Percent: 10}, morning{6, 100}, 5}, // yesterday's does not count
		{SafetyRule{Units: 5, Percent: 10}, morning{7, -100}, 5},
		{SafetyRule{Percent: 100}, morning{7, math.MaxInt64}, math.MaxInt64},
		{SafetyRule{Percent: 1}, morning{7, math.MaxInt64}, math.MaxInt64/100 + 1},
	}
	for _, tt := range tests {
		if got := tt.rule.units(tt.m, 7); got != tt.want {
			t.Errorf("%+v of %+v = %d, want %d", tt.rule, tt.m, got, tt.want)
		}
	}
}

func TestDaysTurnAtMidnightInChina(t *testing.T) {
	midnight := time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC)
	if a, b := dayOf(midnight.Add(-1)), dayOf(midnight); b != a+1 {
		t.Fatalf("day %d became day %d", a, b)
	}
	if dayOf(midnight) != dayOf(midnight.Add(24*time.Hour-1)) {
		t.Fatal("a day has 24 hours")
	}
	if got := dayOf(time.Date(1969, 12, 31, 15, 0, 0, 0, time.UTC)); got != -1 {
		t.Fatalf("got day %d", got)
	}
}
