package main

import (
	"fmt"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/systems"
)

// The calls that are measured.
const (
	callLock    = "lock"
	callConfirm = "confirm"
	callRelease = "release"
)

// testCase is one call under one load.
type testCase struct {
	call     string
	items    int // drugs of each order
	hot      bool
	inFlight int
}

// spreadDrugs are the drugs among which orders are spread.
const spreadDrugs = 1000

// name is the case's in tables and for --rows: call, drugs of an order, spread
// or hot, in flight.
func (c testCase) name() string {
	where := "spread"
	if c.hot {
		where = "hot"
	}
	return fmt.Sprintf("%s-%d-%s-%d", c.call, c.items, where, c.inFlight)
}

// drugs are those among which the orders of the case are spread: hot orders all
// want the same.
func (c testCase) drugs() []string {
	if c.hot {
		return systems.Drugs(c.items)
	}
	return systems.Drugs(spreadDrugs)
}

// cases lists what to measure; those of a quick run are among those of a full one.
func cases(quick bool) []testCase {
	if quick {
		return []testCase{
			{callLock, 1, false, 1},
			{callLock, 1, false, 8},
			{callLock, 1, false, 64},
			{callLock, 1, false, 256},
			{callLock, 1, true, 64},
			{callLock, 3, false, 64},
			{callConfirm, 1, false, 64},
			{callRelease, 1, false, 64},
		}
	}
	var out []testCase
	for _, inFlight := range []int{1, 8, 64, 256} {
		for _, items := range []int{1, 3} {
			for _, hot := range []bool{false, true} {
				out = append(out, testCase{callLock, items, hot, inFlight})
			}
		}
		out = append(out, testCase{callConfirm, 1, false, inFlight}, testCase{callRelease, 1, false, inFlight})
	}
	return append(out,
		testCase{callConfirm, 3, false, 64}, testCase{callRelease, 3, false, 64},
		testCase{callConfirm, 1, true, 64}, testCase{callRelease, 1, true, 64})
}

// spreadSelf is the peer of a hot case that is hisgate itself, spread.
const spreadSelf = "hisgate-spread"

// target is the least ratio to a peer that the design sets for a case; 0 = none.
// What it sets for the ledger it sets for each of its calls.
func (c testCase) target(peer string) float64 {
	switch {
	case c.hot && c.call == callConfirm && peer == "postgres":
		return 0 // it does not touch the row that is hot
	case c.hot && c.inFlight == 64:
		return map[string]float64{spreadSelf: 0.95, "postgres": 30}[peer]
	case c.hot:
		return 0
	case c.inFlight == 64:
		return map[string]float64{"postgres": 6, "redis": 2.5, "badger": 12, "rawfile": 0.8}[peer]
	case c.inFlight == 1:
		return map[string]float64{"badger": 0.9}[peer]
	default:
		return 0
	}
}
