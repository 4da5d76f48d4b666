package legacyhis

import (
	"maps"
	"sync"
)

// Counters is what a dialect saw of its callers.
type Counters struct {
	Calls         map[string]int // proper calls, by the dialect's own name of the operation
	Logins        int
	BadLogins     int
	ExpiredTokens int // calls with a token that is unknown or ran out
	BadSignatures int
	BadCharsets   int // bodies that are not in the dialect's charset
	BadRequests   int // anything else that the dialect cannot read
	Replays       int // message numbers used a second time
}

type tally struct {
	mu   sync.Mutex
	n    Counters
	seen map[string]bool // message numbers
}

func (t *tally) count(one *int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*one++
}

func (t *tally) call(op string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n.Calls == nil {
		t.n.Calls = make(map[string]int)
	}
	t.n.Calls[op]++
}

// fresh notes a message number and reports whether it is the first of its name.
func (t *tally) fresh(number string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if number == "" || t.seen[number] {
		t.n.Replays++
		return false
	}
	if t.seen == nil {
		t.seen = make(map[string]bool)
	}
	t.seen[number] = true
	return true
}

// Counters returns a copy of the counters.
func (t *tally) Counters() Counters {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.n
	out.Calls = maps.Clone(t.n.Calls)
	return out
}
