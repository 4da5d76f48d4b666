package guard

import "sync"

// budget bounds retries over all calls, so that a HIS in trouble is not asked
// three times as much.
type budget struct {
	ratio float64

	mu     sync.Mutex
	tokens float64
	spent  uint64
	denied uint64
}

// budgetReserve is the most retries that can be saved up; a fresh budget has
// them all, so that a quiet system can retry.
const budgetReserve = 10

func newBudget(ratio float64) *budget {
	b := &budget{ratio: ratio}
	if ratio > 0 {
		b.tokens = budgetReserve
	}
	return b
}

// earn is called for each call's first attempt.
func (b *budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.tokens+b.ratio, budgetReserve)
}

// spend takes one retry and reports whether there was one.
func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 1 {
		b.denied++
		return false
	}
	b.tokens--
	b.spent++
	return true
}
