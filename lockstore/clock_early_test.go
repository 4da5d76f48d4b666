package lockstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// A machine starts with its clock behind and is set right later. What was locked
// in between has its whole time: by what elapsed, not by an expire_time of the
// clock that was wrong.
func TestB7LocksOfAnEarlyClockKeepTheirTime(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 1)
	k.clock.advance(20 * time.Minute)
	k.lock("RX2", 1)
	k.clock.step(-time.Hour)
	k.reopen()
	k.lock("RX3", 1)
	k.clock.advance(time.Minute)
	k.clock.step(time.Hour)
	k.must(k.Health())
	k.wantDue("RX1")
	k.record(lockstore.ID{OrderNo: "RX1", Attempt: 1}, clockEvent)
	k.wantNext(14 * time.Minute)
	k.clock.advance(14*time.Minute - 1)
	k.wantDue()
	k.clock.advance(1)
	due := k.due()
	if slices.Sort(due); !slices.Equal(due, []string{"RX2", "RX3"}) {
		t.Fatalf("due are %v", due)
	}
}

// The same over restarts, however the process came to know that its clock was
// wrong: the time for which it did not run is not counted then.
func TestB7LocksOfAWrongClockKeepTheirTimeOverRestarts(t *testing.T) {
	tests := []struct {
		name string
		do   func(*kit) // RX1 has run for 6 of its 15 minutes afterwards
	}{
		{"behind at the start, set right", func(k *kit) {
			k.clock.step(-time.Hour)
			k.reopen()
			k.lock("RX1", 1)
			k.clock.advance(time.Minute)
			k.clock.step(time.Hour)
			k.must(k.Health())
			k.clock.advance(5 * time.Minute)
			k.reopen()
		}},
		{"behind at the start, set right while nothing ran", func(k *kit) {
			k.clock.step(-time.Hour)
			k.reopen()
			k.lock("RX1", 1)
			k.clock.advance(6 * time.Minute)
			k.lock("RX2", 1)
			k.crash()
			k.clock.step(time.Hour)
			k.reopen()
		}},
		{"behind for long, set right", func(k *kit) {
			k.lock("RX1", 1)
			k.clock.advance(6 * time.Minute)
			k.clock.step(time.Hour)
			if k.Health() == nil {
				k.Fatal("the clock was set")
			}
			k.get("RX1") // not answered before all is durable
			k.crash()
		}},
		{"behind for a moment", func(k *kit) {
			k.clock.step(-time.Hour)
			k.lock("RX1", 1)
			k.clock.advance(time.Minute)
			k.clock.step(time.Hour)
			k.must(k.Health())
			k.get("RX1")
			k.clock.advance(5 * time.Minute)
			k.crash()
		}},
		{"ahead for a moment", func(k *kit) {
			k.lock("RX1", 1)
			k.clock.advance(time.Minute)
			k.clock.step(time.Hour)
			k.lock("RX2", 1)
			k.clock.advance(5 * time.Minute)
			k.lock("RX3", 1)
			k.crash()
			k.clock.step(-time.Hour)
			k.reopen()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := open(t, noFreeze())
			k.lock("RX0", 1)
			k.clock.advance(time.Hour)
			k.record(lockstore.ID{OrderNo: "RX0", Attempt: 1}, clockEvent)
			tt.do(k)
			k.must(k.Health())
			k.wantNext(9 * time.Minute)
			k.reopen()
			k.wantNext(9 * time.Minute)
			k.clock.advance(9*time.Minute - 1)
			k.wantDue()
			k.clock.advance(1)
			k.wantDue("RX1")
		})
	}
}

// Whatever the clock did while hisgate ran, and however often it was restarted: no
// lock is due before its time has passed.
func TestB7NothingIsReleasedEarlyOverRestarts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := &kit{tester: rt, ctx: t.Context(), clock: newTestClock(), disk: memengine.New(memengine.Options{})}
		k.opts = lockstore.Options{Policy: noFreeze()}
		k.start()
		ends := map[string]time.Duration{} // by the monotonic clock
		for i := range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0, 1:
				no := fmt.Sprint("RX", i)
				req := k.request(no, 1, 100)
				req.TTL = time.Duration(rapid.IntRange(1, 3600).Draw(rt, "ttl")) * time.Second
				_, _, err := k.Lock(k.ctx, req)
				k.must(err)
				ends[no] = k.clock.Mono() + req.TTL
			case 2:
				sign := rapid.SampledFrom([]time.Duration{-1, 1}).Draw(rt, "sign")
				size := rapid.SampledFrom([]time.Duration{6 * time.Second, time.Hour, 365 * 24 * time.Hour}).Draw(rt, "jump")
				k.clock.step(sign * size)
				k.Health() // hisgate looks at its clock at least once before it ends
				_, _ = k.Get(k.ctx, alice, "what it saw is durable")
			case 3:
				if rapid.Bool().Draw(rt, "killed") {
					k.crash()
				} else {
					k.reopen()
				}
			default:
				k.clock.advance(time.Duration(rapid.IntRange(1, 1200).Draw(rt, "seconds")) * time.Second)
			}
			for _, l := range k.Due(100) {
				if now := k.clock.Mono(); now < ends[l.OrderNo] {
					rt.Fatalf("%s is due %v before its time", l.OrderNo, ends[l.OrderNo]-now)
				}
				k.record(l.ID(), clockEvent)
			}
		}
	})
}
