package simhis

import (
	"maps"
	"time"
)

// Counters is what the HIS saw of its callers, to judge how hard they press it.
type Counters struct {
	Ops map[Op]OpCounters `json:"ops"`
	// InFlight is the number of calls at work now.
	InFlight int `json:"in_flight"`
	// MaxInFlight is the most calls that were at work at once, those included
	// whose callers had given up.
	MaxInFlight int `json:"max_in_flight"`
	// PeakPerSecond is the most calls that arrived within one second of the
	// HIS's clock.
	PeakPerSecond int `json:"peak_per_second"`
}

// OpCounters counts the calls of one operation.
type OpCounters struct {
	Calls     int            `json:"calls"` // that reached the HIS
	Keys      int            `json:"keys"`  // asked for by QueryStock
	Down      int            `json:"down"`  // that found it off the network
	Codes     map[string]int `json:"codes"` // answers by code
	Abandoned int            `json:"abandoned"`
	Broken    int            `json:"broken"` // ended without a proper answer
}

type tally struct {
	ops    map[Op]*OpCounters
	most   int
	second int64
	now    int
	peakPS int
}

func newTally() tally { return tally{ops: make(map[Op]*OpCounters)} }

func (t *tally) of(op Op) *OpCounters {
	c, ok := t.ops[op]
	if !ok {
		c = &OpCounters{Codes: make(map[string]int)}
		t.ops[op] = c
	}
	return c
}

func (t *tally) arrive(c *call, now time.Time) {
	o := t.of(c.op)
	o.Calls++
	o.Keys += c.keys
	if s := now.Unix(); s != t.second {
		t.second, t.now = s, 0
	}
	t.now++
	t.peakPS = max(t.peakPS, t.now)
}

func (t *tally) peak(inFlight int) { t.most = max(t.most, inFlight) }

func (t *tally) answer(op Op, code string, end ending) {
	o := t.of(op)
	switch end {
	case answered:
		o.Codes[code]++
	case abandoned:
		o.Abandoned++
	default:
		o.Broken++
	}
}

// Counters returns a copy of the counters.
func (h *HIS) Counters() Counters {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.catchUp()
	out := Counters{Ops: make(map[Op]OpCounters), InFlight: h.inFlight, MaxInFlight: h.tally.most, PeakPerSecond: h.tally.peakPS}
	for op, c := range h.tally.ops {
		o := *c
		o.Codes = maps.Clone(c.Codes)
		out.Ops[op] = o
	}
	return out
}
