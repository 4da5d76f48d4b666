package lockstore_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/hisgate/hisgate/lockstore"
)

// nextAttempt makes the next attempt of an order whose last one is over.
func (k *kit) nextAttempt(no string) (lockstore.Lock, error) {
	r := k.request(no, 1, 100)
	r.NewAttempt = true
	l, _, err := k.Lock(k.ctx, r)
	return l, err
}

func (k *kit) release(no string) {
	k.Helper()
	_, err := k.Release(k.ctx, alice, no, lockstore.ByCaller)
	k.must(err)
}

// B5: a number at the HIS belongs to one attempt of one order, whichever of the
// two came first, whether the other is active, over, or was over long ago.
func TestB5ANumberAtTheHISIsGivenOnce(t *testing.T) {
	for name, meanwhile := range map[string]func(*kit, string){
		"active":             func(*kit, string) {},
		"over":               (*kit).release,
		"over and reopened":  func(k *kit, no string) { k.release(no); k.reopen() },
		"active and crashed": func(k *kit, _ string) { k.crash() },
	} {
		t.Run("the order came first, "+name, func(t *testing.T) {
			k := open(t, noFreeze())
			k.lock("RX1", 1)
			k.release("RX1")
			k.lock("RX1-2", 1)
			meanwhile(k, "RX1-2")
			l, err := k.nextAttempt("RX1")
			if err != nil || l.Attempt != 3 || l.HISNo != "RX1-3" {
				t.Fatalf("the attempt after the first is %d with %q, %v", l.Attempt, l.HISNo, err)
			}
			k.release("RX1")
			k.reopen()
			if l, err = k.nextAttempt("RX1"); err != nil || l.HISNo != "RX1-4" {
				t.Fatalf("the one after the gap is %q, %v", l.HISNo, err)
			}
			all, err := k.Attempts(k.ctx, "RX1")
			if err != nil || len(all) != 3 {
				t.Fatalf("%d attempts, %v", len(all), err)
			}
		})
		t.Run("the attempt came first, "+name, func(t *testing.T) {
			k := open(t, noFreeze())
			k.lock("RX1", 1)
			k.release("RX1")
			_, err := k.nextAttempt("RX1")
			k.must(err)
			meanwhile(k, "RX1")
			theirs := k.request("RX1-2", 1, 100)
			theirs.Principal = bob
			_, _, err = k.Precheck(k.ctx, theirs)
			wantErr(t, err, lockstore.ErrOrderNoReused)
			_, _, err = k.Lock(k.ctx, theirs)
			wantErr(t, err, lockstore.ErrOrderNoReused)
			for _, free := range []string{"RX1-3", "RX1-02", "RX1-1", "RX1-", "RX1-x", "-2", "RX1-2-2", "RX1-99999999999999999999"} {
				if l := k.lock(free, 1); l.HISNo != free {
					t.Errorf("%s has number %q", free, l.HISNo)
				}
			}
		})
	}
}

// What was released before it was locked never reached the HIS.
func TestB5ATombstoneHasNoNumberAtTheHIS(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 1)
	k.release("RX1")
	k.release("RX1-2")
	if l, err := k.nextAttempt("RX1"); err != nil || l.HISNo != "RX1-2" {
		t.Fatalf("%q, %v", l.HISNo, err)
	}
	_, err := k.nextAttempt("RX1-2")
	wantErr(t, err, lockstore.ErrOrderNoReused)
}

func TestB5NamesakesRaceForTheirNumber(t *testing.T) {
	k := open(t, noFreeze())
	for i := range 50 {
		no := fmt.Sprintf("RX%d", i)
		k.lock(no, 1)
		k.release(no)
		next, theirs := k.request(no, 1, 1000), k.request(no+"-2", 1, 1000)
		next.NewAttempt, theirs.Principal = true, bob
		var wg sync.WaitGroup
		var a, b lockstore.Lock
		var errA, errB error
		wg.Go(func() { a, _, errA = k.Lock(k.ctx, next) })
		wg.Go(func() { b, _, errB = k.Lock(k.ctx, theirs) })
		wg.Wait()
		if errA != nil || errB != nil && !errors.Is(errB, lockstore.ErrOrderNoReused) || a.HISNo == b.HISNo {
			t.Fatalf("%q, %v and %q, %v", a.HISNo, errA, b.HISNo, errB)
		}
	}
}
