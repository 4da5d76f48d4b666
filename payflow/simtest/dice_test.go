package simtest_test

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// dice answers every question of a run from its seed. A question is named and
// numbered, so that its answer does not depend on what else was asked before:
// one call more or less changes nothing elsewhere.
type dice struct{ seed uint64 }

// at throws for the n-th time that what is asked.
func (d dice) at(what string, n int) roll {
	h := fnv.New64a()
	_, _ = h.Write([]byte(what))
	return roll{rand.New(rand.NewPCG(d.seed, h.Sum64()+uint64(n)*0x9e3779b97f4a7c15))}
}

// roll is one throw, good for as many decisions as belong together.
type roll struct{ *rand.Rand }

// chance is true with the probability p.
func (r roll) chance(p float64) bool { return r.Float64() < p }

// between is a time in [lo, hi), to the nanosecond: two things of which each has
// a time of its own hardly ever happen at the same instant.
func (r roll) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(r.Int64N(int64(hi-lo)))
}

func pick[T any](r roll, of ...T) T { return of[r.IntN(len(of))] }
