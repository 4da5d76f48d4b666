package lockstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// gated is a kit whose disk syncs only when it gets a token. It must be used in
// a synctest bubble.
type gated struct {
	*kit
	sync chan struct{}
}

func openGated(t *testing.T, p lockstore.Policy, change ...func(*lockstore.Options)) *gated {
	g := &gated{sync: make(chan struct{})}
	g.kit = &kit{tester: t, ctx: t.Context(), clock: newTestClock()}
	g.disk = memengine.New(memengine.Options{Sync: func() { <-g.sync }})
	g.opts = lockstore.Options{Policy: p}
	for _, c := range change {
		c(&g.opts)
	}
	g.start()
	return g
}

// do runs f beside the test and returns where its error will be. When do
// returns, f has ended or waits for the disk.
func (g *gated) do(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	synctest.Wait()
	return done
}

// let lets one sync through.
func (g *gated) let() {
	g.sync <- struct{}{}
	synctest.Wait()
}

// synced runs f, which needs one sync.
func (g *gated) synced(f func() error) {
	g.Helper()
	done := g.do(f)
	g.let()
	g.must(<-done)
}

func waiting(done <-chan error) bool { return len(done) == 0 }

func TestB2NothingIsAnsweredBeforeItIsDurable(t *testing.T) {
	commands := map[string]func(*kit) error{
		"repeat": func(k *kit) error {
			_, created, err := k.Lock(k.ctx, k.request("RX1", 8, 10))
			if created {
				return errors.New("created twice")
			}
			return err
		},
		"precheck of a repeat": func(k *kit) error { _, _, err := k.Precheck(k.ctx, k.request("RX1", 8, 10)); return err },
		"shortage": func(k *kit) error {
			_, _, err := k.Lock(k.ctx, k.request("RX2", 3, 10))
			if _, ok := errors.AsType[*lockstore.ShortageError](err); !ok {
				return fmt.Errorf("not refused: %w", err)
			}
			return nil
		},
		"reused order_no": func(k *kit) error {
			_, _, err := k.Lock(k.ctx, k.request("RX1", 7, 10))
			if !errors.Is(err, lockstore.ErrOrderNoReused) {
				return fmt.Errorf("not refused: %w", err)
			}
			return nil
		},
		"get":      func(k *kit) error { _, err := k.Get(k.ctx, alice, "RX1"); return err },
		"attempts": func(k *kit) error { _, err := k.Attempts(k.ctx, "RX1"); return err },
		"list":     func(k *kit) error { _, _, err := k.List(k.ctx, lockstore.Query{}); return err },
		"ignored event": func(k *kit) error {
			_, err := k.Record(k.ctx, lockstore.ID{OrderNo: "RX1", Attempt: 1}, lockstore.Event{Kind: lockstore.EvClock})
			return err
		},
		"due": func(k *kit) error {
			k.clock.advance(time.Hour)
			if len(k.Due(1)) != 1 {
				return errors.New("nothing is due")
			}
			return nil
		},
	}
	for name, command := range commands {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := openGated(t, noFreeze())
				lock := g.do(func() error { _, _, err := g.Lock(g.ctx, g.request("RX1", 8, 10)); return err })
				second := g.do(func() error { return command(g.kit) })
				if !waiting(lock) || !waiting(second) {
					t.Fatal("answered before the lock was on the disk")
				}
				g.let()
				if waiting(lock) || waiting(second) {
					t.Fatal("not answered when it was")
				}
				g.must(<-lock)
				g.must(<-second)
			})
		})
	}
}

// The intent is on the disk before anybody is told to call the HIS.
func TestWorkIsHandedOutWhenItsIntentIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := openGated(t, noFreeze())
		locked := g.do(func() error { _, _, err := g.Lock(g.ctx, g.request("RX1", 8, 10)); return err })
		g.let()
		g.must(<-locked)
		confirm := g.do(func() error { _, _, err := g.Confirm(g.ctx, alice, "RX1", lockstore.Reference{}); return err })
		work := g.do(func() error {
			if w := g.Work(1); len(w) != 1 || w[0].Status != lockstore.Confirming {
				return errors.New("no work")
			}
			return nil
		})
		if !waiting(confirm) || !waiting(work) {
			t.Fatal("handed out before the intent was on the disk")
		}
		g.let()
		g.must(<-confirm)
		g.must(<-work)
	})
}

// A commit that failed may or may not be on the disk: nobody is told anything
// else any more, whatever the memory says.
func TestAFailedCommitIsTheEnd(t *testing.T) {
	for _, kept := range []bool{false, true} {
		t.Run(fmt.Sprintf("kept %v", kept), func(t *testing.T) {
			k := open(t, noFreeze())
			k.lock("RX1", 1)
			k.disk.FailNext(memengine.Fault{Kept: kept})
			_, _, err := k.Lock(k.ctx, k.request("RX2", 1, 10))
			wantErr(t, err, lockstore.ErrOutcomeUnknown)
			wantErr(t, err, memengine.ErrInjected)

			_, _, err = k.Lock(k.ctx, k.request("RX1", 1, 10))
			wantErr(t, err, lockstore.ErrOutcomeUnknown)
			_, _, err = k.Precheck(k.ctx, k.request("RX3", 1, 10))
			wantErr(t, err, lockstore.ErrOutcomeUnknown)
			_, _, err = k.Confirm(k.ctx, alice, "RX1", lockstore.Reference{})
			wantErr(t, err, lockstore.ErrOutcomeUnknown)
			_, err = k.Release(k.ctx, alice, "RX9", lockstore.ByCaller)
			wantErr(t, err, lockstore.ErrOutcomeUnknown)
			_, err = k.Get(k.ctx, alice, "RX1")
			wantErr(t, err, lockstore.ErrOutcomeUnknown)
			_, err = k.Attempts(k.ctx, "RX1")
			wantErr(t, err, lockstore.ErrOutcomeUnknown)
			_, _, err = k.List(k.ctx, lockstore.Query{})
			wantErr(t, err, lockstore.ErrOutcomeUnknown)
			_, err = k.Record(k.ctx, lockstore.ID{OrderNo: "RX1", Attempt: 1}, lockstore.Event{Kind: lockstore.EvCase})
			wantErr(t, err, lockstore.ErrOutcomeUnknown)
			_, err = k.Available(keyA, k.reading(10), nil)
			wantErr(t, err, lockstore.ErrOutcomeUnknown)
			wantErr(t, k.Observe(keyA, k.reading(10)), lockstore.ErrOutcomeUnknown)
			_, err = k.Purge(k.ctx, 10)
			wantErr(t, err, lockstore.ErrOutcomeUnknown)
			wantErr(t, k.Health(), lockstore.ErrOutcomeUnknown)
			k.clock.advance(time.Hour)
			if len(k.Due(10)) != 0 || len(k.Work(10)) != 0 {
				t.Fatal("handed out what may not be so")
			}

			_ = k.opts.Committer.Close()
			k.disk = k.disk.Reopen()
			k.start()
			k.wantStatus("RX1", lockstore.Locked)
			if _, err := k.Get(k.ctx, alice, "RX2"); (err == nil) != kept {
				t.Fatalf("RX2: %v", err)
			}
		})
	}
}

func TestAClosedLedgerRefuses(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 1)
	k.must(k.Close())
	_, _, err := k.Lock(k.ctx, k.request("RX2", 1, 10))
	wantErr(t, err, lockstore.ErrClosed)
	_, err = k.Get(k.ctx, alice, "RX1")
	wantErr(t, err, lockstore.ErrClosed)
	wantErr(t, k.Observe(keyA, k.reading(1)), lockstore.ErrClosed)
	if k.Work(1) != nil || k.Due(1) != nil {
		t.Fatal("a closed ledger hands out nothing")
	}
}

// Who leaves early takes nothing back, and a repeat tells.
func TestACallerWhoLeavesMayAskAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := openGated(t, noFreeze())
		ctx, cancel := context.WithCancel(g.ctx)
		lock := g.do(func() error { _, _, err := g.Lock(ctx, g.request("RX1", 8, 10)); return err })
		cancel()
		wantErr(t, <-lock, context.Canceled)
		again := g.do(func() error {
			_, created, err := g.Lock(g.ctx, g.request("RX1", 8, 10))
			if created {
				return errors.New("made twice")
			}
			return err
		})
		g.let()
		g.must(<-again)
		_, _, err := g.Lock(ctx, g.request("RX2", 1, 10))
		wantErr(t, err, context.Canceled)
	})
}

// slowReads is a disk whose next Get answers what it found only when it is let.
type slowReads struct {
	engine.Engine
	next chan chan struct{}
}

func (s *slowReads) Get(key []byte) ([]byte, error) {
	value, err := s.Engine.Get(key)
	select {
	case let := <-s.next:
		<-let
	default:
	}
	return value, err
}

// An order that was locked and released while the disk was being asked for it is
// found all the same, however long the disk took.
func TestNothingIsMissedBetweenMemoryAndDisk(t *testing.T) {
	for _, turns := range []int{0, 1, 2, 3} {
		t.Run(fmt.Sprint(turns), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := &slowReads{Engine: memengine.New(memengine.Options{}), next: make(chan chan struct{}, 1)}
				k := &gated{kit: &kit{tester: t, ctx: t.Context(), clock: newTestClock()}}
				k.opts = lockstore.Options{Policy: noFreeze(), Clock: k.clock, Committer: engine.NewCommitter(disk, engine.CommitterOptions{})}
				t.Cleanup(func() { _ = k.opts.Committer.Close() })
				l, err := lockstore.Open(k.ctx, k.opts)
				k.must(err)
				k.Ledger = l

				let := make(chan struct{})
				disk.next <- let
				late := k.do(func() error { _, _, err := k.Lock(k.ctx, k.request("RX1", 1, 100)); return err })
				end := func(no string) {
					k.lock(no, 1)
					_, err := k.Release(k.ctx, alice, no, lockstore.ByCaller)
					k.must(err)
				}
				end("RX1")
				for i := range turns {
					k.clock.advance(time.Minute)
					end(fmt.Sprint("OTHER", i))
				}
				close(let)
				wantErr(t, <-late, lockstore.ErrLockEnded)
			})
		})
	}
}

// Nor when the disk was asked before it had what had just ended, and that left the
// memory before the answer came.
func TestNothingIsMissedWhenATurnOvertakesTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := openGated(t, noFreeze())
		_ = g.opts.Committer.Close()
		disk := &slowReads{Engine: g.disk, next: make(chan chan struct{}, 1)}
		g.opts.Committer = engine.NewCommitter(disk, engine.CommitterOptions{})
		t.Cleanup(func() { _ = g.opts.Committer.Close() })
		l, err := lockstore.Open(g.ctx, g.opts)
		g.must(err)
		g.Ledger = l
		orders := []string{"RX1", "OTHER1", "OTHER2"}
		for _, no := range orders {
			g.synced(func() error { _, _, err := g.Lock(g.ctx, g.request(no, 1, 100)); return err })
		}
		end := func(no string) <-chan error {
			g.clock.advance(time.Minute)
			return g.do(func() error { _, err := g.Release(g.ctx, alice, no, lockstore.ByCaller); return err })
		}
		ends := []<-chan error{end("RX1"), end("OTHER1")}
		let := make(chan struct{})
		disk.next <- let
		late := g.do(func() error { _, _, err := g.Lock(g.ctx, g.request("RX1", 1, 100)); return err })
		g.let()
		g.let()
		ends = append(ends, end("OTHER2"))
		g.let()
		for _, end := range ends {
			g.must(<-end)
		}
		close(let)
		synctest.Wait()
		if waiting(late) {
			g.let() // it is being made anew
		}
		wantErr(t, <-late, lockstore.ErrLockEnded)
	})
}

// Nor while the disk takes so long that nothing which ended is on it yet.
func TestNothingIsMissedWhileTheDiskIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := openGated(t, noFreeze())
		orders := []string{"RX0", "RX1", "RX2", "RX3"}
		for _, no := range orders {
			locked := g.do(func() error { _, _, err := g.Lock(g.ctx, g.request(no, 1, 100)); return err })
			g.let()
			g.must(<-locked)
		}
		var ends []<-chan error
		for _, no := range orders {
			g.clock.advance(time.Minute)
			ends = append(ends, g.do(func() error { _, err := g.Release(g.ctx, alice, no, lockstore.ByCaller); return err }))
		}
		again := g.do(func() error { _, _, err := g.Lock(g.ctx, g.request("RX0", 1, 100)); return err })
		g.let()
		g.let()
		for _, end := range ends {
			g.must(<-end)
		}
		wantErr(t, <-again, lockstore.ErrLockEnded)
	})
}

// What was acknowledged is there after the plug was pulled, and nothing else.
func TestCrashKeepsWhatWasAcknowledged(t *testing.T) {
	for _, inFlightSurvives := range []bool{false, true} {
		t.Run(fmt.Sprintf("in flight survives %v", inFlightSurvives), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := openGated(t, noFreeze())
				first := g.do(func() error { _, _, err := g.Lock(g.ctx, g.request("RX1", 3, 10)); return err })
				g.let()
				g.must(<-first)
				lost := g.do(func() error { _, _, err := g.Lock(g.ctx, g.request("RX2", 4, 10)); return err })
				old, oldDisk := g.opts.Committer, g.disk
				if inFlightSurvives {
					g.disk = oldDisk.CrashKeepingInFlight()
				} else {
					g.disk = oldDisk.Crash()
				}
				g.let()
				wantErr(t, <-lost, lockstore.ErrOutcomeUnknown)
				_ = old.Close()
				g.start()
				want := int64(3)
				if inFlightSurvives {
					want = 7
				}
				g.wantHeld(g.reading(10), want)
				again := g.do(func() error { _, _, err := g.Lock(g.ctx, g.request("RX2", 4, 10)); return err })
				if !inFlightSurvives {
					g.let()
				}
				g.must(<-again)
				g.wantHeld(g.reading(10), 7)
			})
		})
	}
}

// Every field of every lock is the same after an opening, where no call can have
// been under way.
func TestOpeningFindsWhatWasLeft(t *testing.T) {
	k := open(t, noFreeze())
	for i := range 20 {
		no := fmt.Sprintf("RX%02d", i)
		req := k.request(no, int64(i+1), 1000)
		req.Attributes = map[string]string{"patient_id": fmt.Sprint("P", i), "rx_no": "CF1"}
		req.Owner, req.Degraded = i%2 == 0, i%3 == 0
		_, _, err := k.Lock(k.ctx, req)
		k.must(err)
		switch i % 4 {
		case 1:
			k.confirmed(no)
		case 2:
			_, err := k.Release(k.ctx, alice, no, lockstore.ByCaller)
			k.must(err)
		}
	}
	before := k.listAll(lockstore.Query{PageSize: 7})
	r := k.reading(1000)
	held := k.held(r)
	k.reopen()
	if diff := cmp.Diff(before, k.listAll(lockstore.Query{PageSize: 7})); diff != "" {
		t.Fatal(diff)
	}
	early := k.reading(1000)
	early.Stamp.Counter = 0
	k.wantHeld(early, held+k.confirmedUnits(before)) // CONFIRMED ones count again until they are read
	k.wantHeld(k.reading(1000), held)
}

// An opening decodes many records at a time, and takes them in one after the
// other: a lock's hold stands behind those of the older locks [A9].
func TestOpeningKeepsTheOrderOfCreation(t *testing.T) {
	p := noFreeze()
	p.Find = false
	k := open(t, p)
	const n = 3000
	no := func(i int) string { return fmt.Sprintf("RX%04d", i*7919%n) } // not in the order of the keys
	units := int64(0)
	for i := range n {
		_, _, err := k.Lock(k.ctx, k.request(no(i), int64(i+1), 1<<40))
		k.must(err)
		if i%700 == 0 { // it is under way when the process ends, and becomes a case
			_, _, err := k.Confirm(k.ctx, alice, no(i), lockstore.Reference{})
			k.must(err)
		}
	}
	k.reopen()
	for i := range n {
		a, err := k.Available(keyA, k.reading(1<<40), &lockstore.ID{OrderNo: no(i), Attempt: 1})
		k.must(err)
		if a.Held != units {
			t.Fatalf("before the lock %d of %d, %d units are held, want %d", i, n, a.Held, units)
		}
		units += int64(i + 1)
	}
	if len(k.cases) != (n+699)/700 {
		t.Fatalf("%d cases", len(k.cases))
	}
	for i, c := range k.cases {
		if want := []lockstore.Item{{DrugID: drugA, Quantity: int64(700*i + 1)}}; c.OrderNo != no(700*i) || !cmp.Equal(c.Items, want) || len(c.History) == 0 {
			t.Fatalf("case %d is that of %+v", i, c)
		}
	}
}

// One record that cannot be read is named, and nothing is opened without it.
func TestOpeningRefusesAGarbledRecord(t *testing.T) {
	k := open(t, noFreeze())
	for i := range 1200 {
		_, _, err := k.Lock(k.ctx, k.request(fmt.Sprintf("RX%04d", i), 1, 1<<40))
		k.must(err)
	}
	var key, rec []byte
	k.must(k.disk.Scan(nil, nil, func(at, value []byte) error {
		if bytes.Contains(at, []byte("RX0999")) {
			key, rec = bytes.Clone(at), bytes.Clone(value)
		}
		return nil
	}))
	k.must(k.Ledger.Close())
	elsewhere := bytes.Replace(key, []byte("RX0999"), []byte("RX9999"), 1)
	quantity := bytes.LastIndex(rec[:bytes.Index(rec, []byte(drugA))+len(drugA)+2], []byte{2 << 3, 2}) + 1 // zigzag: one unit
	negative := bytes.Clone(rec)
	negative[quantity] = 1 // less one
	for what, w := range map[string]engine.Write{
		"cut or garbled": {Key: key, Value: rec[:len(rec)-1]},
		`holds the record of attempt 1 of "RX0999"`: {Key: elsewhere, Value: rec},
		`it holds -1 units of "` + drugA + `"`:      {Key: key, Value: negative},
	} {
		k.must(k.opts.Committer.Append(w).Wait(k.ctx))
		if _, err := lockstore.Open(k.ctx, k.opts); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: got %v", what, err)
		}
		k.must(k.opts.Committer.Append(engine.Write{Key: elsewhere, Delete: true}, engine.Write{Key: key, Value: rec}).Wait(k.ctx))
	}
	l, err := lockstore.Open(k.ctx, k.opts)
	if err != nil {
		t.Fatalf("as it was: %v", err)
	}
	k.must(l.Close())
}

func (k *kit) confirmedUnits(locks []lockstore.Lock) (n int64) {
	for _, l := range locks {
		if l.Status == lockstore.Confirmed {
			n += l.Items[0].Quantity
		}
	}
	return n
}

func (k *kit) listAll(q lockstore.Query) (all []lockstore.Lock) {
	k.Helper()
	for {
		page, next, err := k.List(k.ctx, q)
		k.must(err)
		all = append(all, page...)
		if next == "" {
			return all
		}
		q.PageToken = next
	}
}
