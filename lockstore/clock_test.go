package lockstore_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// However the wall clock jumps, back or forth, by seconds or by years: no lock is
// released before its time has passed, and every one is once the clock has run
// evenly for a while.
func TestB7JumpsOfTheWallClockNeitherReleaseEarlyNorLeak(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := &kit{tester: rt, ctx: t.Context(), clock: newTestClock(), disk: memengine.New(memengine.Options{})}
		k.opts = lockstore.Options{Policy: noFreeze()}
		k.start()
		ends := map[string]time.Duration{} // by the monotonic clock
		sweep := func() {
			for _, l := range k.Due(100) {
				if now := k.clock.Mono(); now < ends[l.OrderNo] {
					rt.Fatalf("%s is due %v before its time", l.OrderNo, ends[l.OrderNo]-now)
				}
				if l = k.record(l.ID(), clockEvent); l.Status != lockstore.Released {
					rt.Fatalf("due and not released: %s", story(l))
				}
				delete(ends, l.OrderNo)
			}
		}
		jump := func(name string) time.Duration {
			size := rapid.SampledFrom([]time.Duration{time.Second, 6 * time.Second, time.Hour, 10 * 365 * 24 * time.Hour}).Draw(rt, name)
			if rapid.Bool().Draw(rt, "back") {
				return -size
			}
			return size
		}
		for i := range rapid.IntRange(1, 30).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0:
				no := fmt.Sprint("RX", i)
				req := k.request(no, 1, 100)
				req.TTL = time.Duration(rapid.IntRange(1, 3600).Draw(rt, "ttl")) * time.Second
				_, _, err := k.Lock(k.ctx, req)
				k.must(err)
				ends[no] = k.clock.Mono() + req.TTL
			case 1:
				k.clock.step(jump("jump"))
			default:
				k.clock.advance(time.Duration(rapid.IntRange(1, 1200).Draw(rt, "seconds")) * time.Second)
			}
			sweep()
		}
		// The clock runs evenly: what is due is released, first to last.
		for range 80 {
			k.clock.advance(time.Minute)
			sweep()
		}
		if len(ends) > 0 {
			rt.Fatalf("never released: %v (%v)", ends, k.Health())
		}
		k.wantHeld(k.reading(100), 0)
	})
}
