package lockstore_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore"
)

// lapsing is a HIS with net figures whose freezes live for an hour.
func lapsing() lockstore.Policy {
	p := netFreeze()
	p.FreezeTTL = time.Hour
	return p
}

// long is a lock of 8 of 10 that outlives its freeze.
func (k *kit) long(no string) lockstore.Lock {
	k.Helper()
	req := k.request(no, 8, 100)
	req.TTL = 3 * time.Hour
	l, _, err := k.Lock(k.ctx, req)
	k.must(err)
	return l
}

func (k *kit) freezeDone(id lockstore.ID, op string, until time.Time) lockstore.Lock {
	k.Helper()
	return k.record(id, lockstore.Event{Kind: lockstore.EvFreezeDone, Op: op, HISLockID: "DJ1", FreezeExpires: until})
}

// A7: what the HIS let lapse is held again on our side, whatever its clock says,
// and whoever found the freeze when.
func TestA7AFreezeIsNeverBelievedInForTooLong(t *testing.T) {
	tests := map[string]func(*kit){
		"the HIS's clock is ahead": func(k *kit) {
			l := k.long("RX1")
			k.freezeDone(l.ID(), lockstore.OpFreeze, k.clock.Now().Add(2*time.Hour))
			k.clock.advance(time.Hour)
		},
		"it was found late": func(k *kit) {
			l := k.long("RX1")
			k.record(l.ID(), lockstore.Event{Kind: lockstore.EvUnknown, Op: lockstore.OpFreeze})
			k.clock.advance(14 * time.Minute)
			k.freezeDone(l.ID(), lockstore.OpFindOrder, time.Time{})
			k.clock.advance(46 * time.Minute)
		},
		"its repeat was answered": func(k *kit) {
			l := k.long("RX1")
			k.record(l.ID(), lockstore.Event{Kind: lockstore.EvUnknown, Op: lockstore.OpFreeze})
			k.clock.advance(14 * time.Minute)
			k.record(l.ID(), lockstore.Event{
				Kind: lockstore.EvFreezeDone, Op: lockstore.OpFreeze, HISLockID: "DJ1", Began: k.clock.Now(),
			})
			k.clock.advance(46 * time.Minute)
		},
		"it was looked at in its last moment": func(k *kit) {
			l := k.long("RX1")
			k.freezeDone(l.ID(), lockstore.OpFreeze, time.Time{})
			k.clock.advance(time.Hour)
			k.freezeDone(l.ID(), lockstore.OpFindOrder, time.Time{})
		},
		"over a restart": func(k *kit) {
			l := k.long("RX1")
			k.freezeDone(l.ID(), lockstore.OpFreeze, k.clock.Now().Add(2*time.Hour))
			k.clock.advance(30 * time.Minute)
			k.reopen()
			k.clock.advance(30 * time.Minute)
		},
	}
	for name, play := range tests {
		t.Run(name, func(t *testing.T) {
			k := open(t, lapsing())
			play(k)
			k.must(k.Observe(keyA, k.reading(10))) // it lapsed at the HIS: all 10 are shown again
			if a, err := k.Available(keyA, k.reading(10), nil); err != nil || a.Available != 2 {
				t.Errorf("available %d of 10 with 8 locked, %v", a.Available, err)
			}
		})
	}
}

// B7: no freeze that lapses is believed in while nobody can tell what time it is.
func TestB7ADoubtfulClockBelievesInNoFreezeThatLapses(t *testing.T) {
	tests := map[string]func(k *kit){
		"behind the records at the opening": func(k *kit) {
			k.frozen("RX1", 8, 30*time.Minute)
			k.clock.advance(40 * time.Minute)
			k.clock.step(-2 * time.Hour)
			k.reopen()
		},
		"set back while running": func(k *kit) {
			k.frozen("RX1", 8, 30*time.Minute)
			k.clock.step(-time.Hour)
		},
		"set back, and trusted since": func(k *kit) {
			k.frozen("RX1", 8, 30*time.Minute)
			k.clock.step(-time.Hour)
			_ = k.Health()
			k.clock.advance(31 * time.Minute)
			k.must(k.Health())
		},
		"acknowledged while set back": func(k *kit) {
			right := k.clock.Now()
			k.clock.step(-time.Hour)
			l := k.long("RX1")
			k.freezeDone(l.ID(), lockstore.OpFreeze, right.Add(30*time.Minute))
			k.clock.advance(31 * time.Minute)
		},
		"set back after the waiting was over": func(k *kit) {
			k.frozen("RX1", 8, 30*time.Minute)
			k.clock.step(-time.Hour)
			k.reopen()
			k.clock.advance(time.Hour + time.Minute) // late by an hour all the time
			k.must(k.Health())
		},
	}
	for name, play := range tests {
		t.Run(name, func(t *testing.T) {
			k := open(t, netFreeze())
			play(k)
			k.must(k.Observe(keyA, k.reading(10)))
			if a, err := k.Available(keyA, k.reading(10), nil); err != nil || a.Available != 2 {
				t.Errorf("available %d of 10 with 8 locked, %v; %v", a.Available, err, k.Health())
			}
		})
	}
}

// When the clock was only wrong for a moment, the freezes are believed in again,
// from the next reading on; those that never lapse were all the time.
func TestB7FreezesAreBelievedInAgain(t *testing.T) {
	k := open(t, netFreeze())
	k.frozen("RX1", 4, 30*time.Minute)
	k.frozen("RX2", 4, 0)
	k.must(k.Observe(keyA, k.reading(2)))
	k.wantHeld(k.reading(2), 0)
	k.clock.step(time.Hour)
	k.wantHeld(k.reading(2), 4)
	k.clock.step(-time.Hour)
	k.must(k.Health())
	k.wantHeld(k.reading(2), 0)
	k.clock.advance(30 * time.Minute)
	k.wantHeld(k.reading(6), 4)
}
