package lockstore_test

import (
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/hisgate/hisgate/lockstore"
)

// The check of histories can fail: here are short ones that no ledger may give.
func TestTheModelRefusesImpossibleHistories(t *testing.T) {
	lock := func(order int, units int64) linCall {
		return linCall{op: "lock", order: order, units: linUnits{units}}
	}
	made := func(units int64) linAnswer {
		return linAnswer{kind: "made", status: lockstore.Locked, version: 1, units: linUnits{units}}
	}
	get := linCall{op: "get"}
	missing := linAnswer{kind: "not found"}
	seen := func(s lockstore.Status, version int) linAnswer {
		return linAnswer{kind: "lock", status: s, version: version, units: linUnits{3}}
	}
	type call struct {
		in  linCall
		out linAnswer
	}
	for name, tt := range map[string]struct {
		calls    []call
		possible bool
	}{
		"one lock":                     {[]call{{lock(0, 3), made(3)}, {get, seen(lockstore.Locked, 1)}}, true},
		"sold twice":                   {[]call{{lock(0, 3), made(3)}, {lock(2, 3), made(3)}}, false},
		"refused what is there":        {[]call{{lock(0, 3), linAnswer{kind: "short", free: linUnits{2, -1}}}}, false},
		"acknowledged and lost":        {[]call{{lock(0, 3), made(3)}, {get, missing}}, false},
		"unknown and there":            {[]call{{lock(0, 3), linAnswer{kind: linUnknown}}, {get, seen(lockstore.Locked, 1)}}, true},
		"unknown and not there":        {[]call{{lock(0, 3), linAnswer{kind: linUnknown}}, {get, missing}}, true},
		"unknown, not there and there": {[]call{{lock(0, 3), linAnswer{kind: linUnknown}}, {get, missing}, {get, seen(lockstore.Locked, 1)}}, false},
		"changed by nobody":            {[]call{{lock(0, 3), made(3)}, {get, seen(lockstore.Locked, 2)}}, false},
		"expired early":                {[]call{{lock(0, 3), made(3)}, {linCall{op: "clock"}, seen(lockstore.Released, 2)}}, false},
		"a tombstone forgotten":        {[]call{{linCall{op: "release"}, linAnswer{kind: "lock", status: lockstore.Released, version: 1}}, {lock(0, 3), made(3)}}, false},
		"a hold leaked": {[]call{
			{lock(0, 3), made(3)},
			{linCall{op: "release"}, seen(lockstore.Released, 2)},
			{linCall{op: "held"}, linAnswer{held: 3}},
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var history []porcupine.Operation
			for i, c := range tt.calls {
				history = append(history, porcupine.Operation{Input: c.in, Call: int64(2 * i), Output: c.out, Return: int64(2*i + 1)})
			}
			for _, r := range []linRules{{}, {apart: true}} {
				if got := porcupine.CheckOperations(r.model(), history); got != tt.possible {
					t.Errorf("%+v: possible %v, want %v", r, got, tt.possible)
				}
			}
		})
	}
}
