package lockstore_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/hisgate/hisgate/lockstore"
)

// The sequential model that concurrent histories are held against: a shelf of
// two drugs, a handful of orders, one principal, a HIS without freezes. It says
// what each call answers and leaves when calls come one after the other.

const (
	linOrders = 6
	linDrugs  = 2
	linStock  = 5 // of each drug
)

// linState is the ledger as the model sees it. It is comparable, so that the
// checker can tell states apart.
type linState [linOrders]linOrder

type linOrder struct {
	status  lockstore.Status // 0 = there is none
	version int
	units   linUnits
	short   bool // its time is over at once
	tomb    bool
}

type linUnits [linDrugs]int64

// linCall is one call; linAnswer what came of it.
type linCall struct {
	op    string
	order int
	units linUnits // lock, placed
	short bool     // lock: with the shortest TTL
	paid  bool     // lock: safety stock does not count
	drug  int      // held
}

type linAnswer struct {
	kind    string // "lock", "made", or what was refused; linUnknown
	status  lockstore.Status
	version int
	units   linUnits
	free    linUnits // of a shortage; -1 = that drug is not short
	held    int64
	due     string
}

// linUnknown is the answer of a call that a crash met: it was done before the
// crash, or never will be.
const linUnknown = "unknown"

// linRules say how strict a history is.
type linRules struct {
	safety int64
	// live: figures come from a HIS that deducts, so that an order which the HIS
	// has deducted and the ledger does not know of yet may count twice.
	live bool
	// apart: no call concerns two drugs, so that each can be checked by itself.
	apart bool
}

func (s *linState) taken(drug int, statuses ...lockstore.Status) (sum int64) {
	for _, o := range s {
		if slices.Contains(statuses, o.status) {
			sum += o.units[drug]
		}
	}
	return sum
}

// step is the model: every state that may follow.
func (r linRules) step(state, input, output any) []any {
	s, in, out := state.(linState), input.(linCall), output.(linAnswer)
	want, next := r.expect(s, in)
	switch {
	case out.kind == linUnknown:
		return []any{s, next}
	case r.live && in.op == "lock" && out.kind == "stale":
		return []any{s}
	case r.live && in.op == "lock" && out.kind == "short":
		if (want.kind == "made" || want.kind == "short") && r.mayBeShort(&s, in, out.free) {
			return []any{s}
		}
		return nil
	case out == want:
		return []any{next}
	default:
		return nil
	}
}

// mayBeShort: what was said to be free is at most what is, and at least that
// less what may count twice.
func (r linRules) mayBeShort(s *linState, in linCall, free linUnits) bool {
	for d, f := range free {
		if f < 0 {
			continue
		}
		most := linStock - s.taken(d, lockstore.Locked, lockstore.Confirming, lockstore.Confirmed)
		if !in.paid {
			most -= r.safety
		}
		least := most - s.taken(d, lockstore.Confirming, lockstore.Confirmed)
		if f > max(0, most) || f < max(0, least) || f >= in.units[d] {
			return false
		}
	}
	return true
}

func (r linRules) expect(s linState, in linCall) (want linAnswer, next linState) {
	next = s
	o := &next[in.order]
	move := func(to lockstore.Status) {
		o.status = to
		o.version++
	}
	seen := func(kind string) (linAnswer, linState) {
		return linAnswer{kind: kind, status: o.status, version: o.version, units: o.units}, next
	}
	refused := func(kind string) (linAnswer, linState) { return linAnswer{kind: kind}, s }
	switch in.op {
	case "held":
		return linAnswer{held: s.taken(in.drug, lockstore.Locked, lockstore.Confirming, lockstore.Confirmed)}, s
	case "held by open ones":
		return linAnswer{held: s.taken(in.drug, lockstore.Locked, lockstore.Confirming)}, s
	case "due":
		var due []string
		for i, o := range s {
			if o.status == lockstore.Locked && o.short {
				due = append(due, linOrderNo(i))
			}
		}
		return linAnswer{due: strings.Join(due, " ")}, s
	case "lock":
		switch {
		case o.tomb:
			return refused("ended")
		case o.status != 0 && o.units != in.units:
			return refused("reused")
		case o.status == lockstore.Released:
			return refused("ended")
		case o.status != 0:
			return seen("lock")
		}
		if free, short := r.shortage(&s, in); short {
			return linAnswer{kind: "short", free: free}, s
		}
		o.units, o.short = in.units, in.short
		move(lockstore.Locked)
		return seen("made")
	case "confirm":
		switch o.status {
		case 0:
			return refused("not found")
		case lockstore.Released:
			return refused("ended")
		case lockstore.Locked:
			move(lockstore.Confirming)
			return seen("made")
		default:
			return seen("lock")
		}
	case "release":
		switch o.status {
		case 0:
			o.tomb = true
			move(lockstore.Released)
		case lockstore.Locked:
			move(lockstore.Released)
		case lockstore.Confirming:
			return refused("confirming")
		case lockstore.Confirmed:
			return refused("confirmed")
		}
		return seen("lock")
	case "get":
		if o.status == 0 {
			return refused("not found")
		}
		return seen("lock")
	}
	// What is recorded of an attempt.
	switch {
	case o.status == 0 || o.tomb:
		return refused("not found")
	case in.op == "clock" && o.status == lockstore.Locked && o.short:
		move(lockstore.Released)
	case in.op == "placed" && o.status == lockstore.Confirming:
		move(lockstore.Confirmed)
	case in.op == "refused" && o.status == lockstore.Confirming:
		move(lockstore.Released)
	case in.op == "refused" && o.status == lockstore.Released:
		return refused("fault")
	}
	return seen("lock")
}

func (r linRules) shortage(s *linState, in linCall) (free linUnits, short bool) {
	for d, units := range in.units {
		left := linStock - s.taken(d, lockstore.Locked, lockstore.Confirming, lockstore.Confirmed)
		if !in.paid {
			left -= r.safety
		}
		if free[d] = -1; units > 0 && left < units {
			free[d], short = max(0, left), true
		}
	}
	return free, short
}

func (r linRules) model() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{linState{}} },
		Step: r.step,
	}
	if r.apart {
		m.Partition = func(history []porcupine.Operation) [][]porcupine.Operation {
			parts := make([][]porcupine.Operation, linDrugs)
			for _, op := range history {
				d := op.Input.(linCall).drug
				parts[d] = append(parts[d], op)
			}
			return parts
		}
	}
	return m.ToModel()
}

func linOrderNo(i int) string { return fmt.Sprint("RX", i) }

// linStory tells a history in the order of its calls, for failures.
func linStory(history []porcupine.Operation) string {
	var b strings.Builder
	ops := slices.SortedFunc(slices.Values(history), func(x, y porcupine.Operation) int { return int(x.Call - y.Call) })
	for _, op := range ops {
		fmt.Fprintf(&b, "%4d–%-4d client %d: %+v\n\t→ %+v\n", op.Call, op.Return, op.ClientId, op.Input, op.Output)
	}
	return b.String()
}
