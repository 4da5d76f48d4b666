package simtest_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// tally counts what runs reached, by name: faults that fired, crashes, states and
// transitions. It adds up over seeds and processes, hence the JSON.
type tally struct {
	mu sync.Mutex

	Seeds     int            `json:"seeds"`
	Orders    int            `json:"orders"`
	Locks     int            `json:"locks"`
	Steps     int            `json:"steps"` // durable ones
	Simulated time.Duration  `json:"simulated"`
	Faults    map[string]int `json:"faults"`
	States    map[string]int `json:"states"` // orders and locks at the end
	Moves     map[string]int `json:"moves"`  // transitions of both tables
}

func newTally() *tally {
	return &tally{Faults: map[string]int{}, States: map[string]int{}, Moves: map[string]int{}}
}

func (t *tally) fault(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Faults[kind]++
}

func (t *tally) move(table, from, to string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Moves[table+" "+cmp.Or(from, "(new)")+" → "+to]++
}

func (t *tally) state(table, s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.States[table+" "+s]++
}

func (t *tally) add(o *tally) {
	t.Seeds += o.Seeds
	t.Orders += o.Orders
	t.Locks += o.Locks
	t.Steps += o.Steps
	t.Simulated += o.Simulated
	for _, m := range []struct{ to, from map[string]int }{{t.Faults, o.Faults}, {t.States, o.States}, {t.Moves, o.Moves}} {
		for k, n := range m.from {
			m.to[k] += n
		}
	}
}

// String is the summary.
func (t *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d seeds, %d orders, %d locks of others, %d durable steps, %v of simulated time\n",
		t.Seeds, t.Orders, t.Locks, t.Steps, t.Simulated.Round(time.Hour))
	list := func(title string, m map[string]int) {
		fmt.Fprintf(&b, "%s:\n", title)
		for _, k := range slices.Sorted(maps.Keys(m)) {
			fmt.Fprintf(&b, "  %8d  %s\n", m[k], k)
		}
	}
	list("fired", t.Faults)
	list("ended in", t.States)
	list("transitions", t.Moves)
	return b.String()
}
