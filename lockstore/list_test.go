package lockstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore"
)

// shelf is a ledger with locks in all states, one a minute.
func shelf(t *testing.T) *kit {
	k := open(t, noFreeze())
	for i := range 30 {
		no := fmt.Sprintf("RX%02d", i)
		req := k.request(no, 1, 1000)
		if i%2 == 1 {
			req.Principal = bob
		}
		if i%5 == 0 {
			req.Items = []lockstore.Item{{DrugID: drugB, Quantity: 1}}
			req.Readings[drugB] = k.reading(1000)
		}
		if i%10 == 9 {
			req.PharmacyID = "other"
		}
		_, _, err := k.Lock(k.ctx, req)
		k.must(err)
		switch i % 3 {
		case 0:
			_, err = k.Release(k.ctx, req.Principal, no, lockstore.ByCaller)
		case 1:
			var l lockstore.Lock
			l, _, err = k.Confirm(k.ctx, req.Principal, no, lockstore.Reference{})
			k.must(err)
			if i%2 == 0 {
				k.record(l.ID(), lockstore.Event{Kind: lockstore.EvOrderPlaced})
			}
		}
		k.must(err)
		k.clock.advance(time.Minute)
	}
	k.must(k.Observe(keyA, k.reading(1000)))
	return k
}

func TestListSelectsAndPages(t *testing.T) {
	k := shelf(t)
	start := newTestClock().wall
	all := func(i int) bool { return true }
	tests := []struct {
		name string
		q    lockstore.Query
		want func(i int) bool
	}{
		{"all", lockstore.Query{}, all},
		{"of alice", lockstore.Query{Principal: alice}, func(i int) bool { return i%2 == 0 }},
		{"of nobody", lockstore.Query{Principal: "nobody"}, func(int) bool { return false }},
		{"released", lockstore.Query{Statuses: []lockstore.Status{lockstore.Released}}, func(i int) bool { return i%3 == 0 }},
		{"held or confirming", lockstore.Query{Statuses: []lockstore.Status{lockstore.Locked, lockstore.Confirming}}, func(i int) bool {
			return i%3 == 2 || i%3 == 1 && i%2 == 1
		}},
		{"confirmed", lockstore.Query{Statuses: []lockstore.Status{lockstore.Confirmed}}, func(i int) bool { return i%3 == 1 && i%2 == 0 }},
		{"of a drug", lockstore.Query{DrugID: drugB}, func(i int) bool { return i%5 == 0 }},
		{"of a pharmacy", lockstore.Query{PharmacyID: "other"}, func(i int) bool { return i%10 == 9 }},
		{"of a drug in a pharmacy", lockstore.Query{PharmacyID: "other", DrugID: drugB}, func(int) bool { return false }},
		{"since", lockstore.Query{Since: start.Add(10 * time.Minute)}, func(i int) bool { return i >= 10 }},
		{"until", lockstore.Query{Until: start.Add(10 * time.Minute)}, func(i int) bool { return i < 10 }},
		{"between", lockstore.Query{Since: start.Add(5 * time.Minute), Until: start.Add(25 * time.Minute)}, func(i int) bool { return 5 <= i && i < 25 }},
		{"of an order", lockstore.Query{OrderNo: "RX07"}, func(i int) bool { return i == 7 }},
		{"of an order of somebody else", lockstore.Query{OrderNo: "RX07", Principal: alice}, func(int) bool { return false }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var want []string
			for i := range 30 {
				if tt.want(i) {
					want = append(want, fmt.Sprintf("RX%02d", i))
				}
			}
			for _, size := range []int{0, 1, 4, 500} {
				tt.q.PageSize = size
				var got []string
				for _, l := range k.listAll(tt.q) {
					got = append(got, l.OrderNo)
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("pages of %d: got %v, want %v", size, got, want)
				}
			}
		})
	}
}

func TestListRefusesBadPages(t *testing.T) {
	k := open(t, noFreeze())
	for field, q := range map[string]lockstore.Query{
		"page_size":  {PageSize: 501},
		"page_token": {PageToken: "x"},
	} {
		_, _, err := k.List(k.ctx, q)
		if invalid, ok := errors.AsType[*lockstore.InvalidError](err); !ok || invalid.Field != field {
			t.Errorf("got %v, want field %s", err, field)
		}
	}
}

// More locks than one look at the memory takes.
func TestListWalksLongLedgers(t *testing.T) {
	const n = 2500
	k := open(t, noFreeze())
	for i := range n {
		no := fmt.Sprint("RX", i)
		_, _, err := k.Lock(k.ctx, k.request(no, 1, 1<<20))
		k.must(err)
		if i%2 == 0 {
			_, err := k.Release(k.ctx, alice, no, lockstore.ByCaller)
			k.must(err)
		}
	}
	for _, size := range []int{500, 333} {
		all := k.listAll(lockstore.Query{PageSize: size})
		if len(all) != n {
			t.Fatalf("%d of %d locks were listed", len(all), n)
		}
		for i, l := range all {
			if l.OrderNo != fmt.Sprint("RX", i) {
				t.Fatalf("place %d has %s", i, l.OrderNo)
			}
		}
	}
	rare := k.listAll(lockstore.Query{Statuses: []lockstore.Status{lockstore.Released}, Since: k.get("RX2400").CreatedAt})
	if len(rare) != 50 {
		t.Fatalf("got %d", len(rare))
	}
}

func TestPurgeForgetsWhatIsOld(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.Retention = 24 * time.Hour })
	end := func(no string) {
		t.Helper()
		_, err := k.Release(k.ctx, alice, no, lockstore.ByCaller)
		k.must(err)
	}
	purge := func(limit, want int) {
		t.Helper()
		if n, err := k.Purge(k.ctx, limit); err != nil || n != want {
			t.Fatalf("purged %d, %v; want %d", n, err, want)
		}
	}
	gone := func(no string) {
		t.Helper()
		if l, err := k.Get(k.ctx, "", no); !errors.Is(err, lockstore.ErrNotFound) {
			t.Fatalf("%s is still there: %+v, %v", no, l, err)
		}
	}
	for i := range 5 {
		no := fmt.Sprint("OLD", i)
		k.lock(no, 1)
		end(no)
	}
	end("TOMB")
	k.lock("LIVES", 1)
	k.lock("LATE", 1)
	k.clock.advance(12 * time.Hour)
	end("LATE")
	// An order whose last attempt is young keeps all of them.
	again := k.request("OLD0", 1, 100)
	again.NewAttempt = true
	_, _, err := k.Lock(k.ctx, again)
	k.must(err)
	end("OLD0")
	purge(100, 0)
	k.clock.advance(12*time.Hour + time.Second)
	k.reopen()
	purge(2, 2)
	gone("TOMB")
	gone("OLD1")
	purge(100, 3)
	purge(100, 0)
	gone("OLD4")
	if all, err := k.Attempts(k.ctx, "OLD0"); err != nil || len(all) != 2 {
		t.Fatalf("OLD0 has %d attempts, %v", len(all), err)
	}
	k.wantStatus("LIVES", lockstore.Locked)
	k.wantStatus("LATE", lockstore.Released)
	k.clock.advance(12 * time.Hour)
	purge(100, 3)
	gone("OLD0")
	gone("LATE")
	if all := k.listAll(lockstore.Query{}); len(all) != 1 || all[0].OrderNo != "LIVES" {
		t.Fatalf("got %d", len(all))
	}
	if _, created, err := k.Lock(k.ctx, k.request("OLD0", 1, 100)); err != nil || !created {
		t.Fatalf("the order_no is new again: %v", err)
	}
}

func TestPurgeWaitsWhileTheClockIsInDoubt(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.Retention = time.Hour })
	k.lock("RX1", 1)
	_, err := k.Release(k.ctx, alice, "RX1", lockstore.ByCaller)
	k.must(err)
	k.reopen()
	k.clock.step(1000 * time.Hour)
	if n, err := k.Purge(k.ctx, 10); n != 0 || err != nil {
		t.Fatalf("purged %d, %v", n, err)
	}
}

// Much is purged in pieces, with rests between them.
func TestPurgeAllLeavesNothingThatIsOld(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.Retention = time.Hour })
	const many = 250
	for i := range many {
		no := fmt.Sprint("OLD", i)
		k.lock(no, 1)
		_, err := k.Release(k.ctx, alice, no, lockstore.ByCaller)
		k.must(err)
	}
	k.lock("LIVES", 1)
	k.clock.advance(2 * time.Hour)
	k.reopen()
	ended, stop := context.WithCancel(k.ctx)
	stop()
	if n, err := k.PurgeAll(ended); n != 0 || !errors.Is(err, context.Canceled) {
		t.Fatalf("after its end it purged %d, %v", n, err)
	}
	if n, err := k.PurgeAll(k.ctx); err != nil || n != many {
		t.Fatalf("purged %d, %v; want %d", n, err, many)
	}
	if all := k.listAll(lockstore.Query{}); len(all) != 1 {
		t.Fatalf("%d locks are left", len(all))
	}
}

// A process that dies in the middle of a purge leaves all attempts of an order, or
// none: without its first one nobody would look for the rest.
func TestB5AttemptsOfAnOrderArePurgedTogether(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.Retention = time.Hour })
	for i := range 3 {
		r := k.request("RX1", 1, 100)
		r.NewAttempt = i > 0
		_, _, err := k.Lock(k.ctx, r)
		k.must(err)
		_, err = k.Release(k.ctx, alice, "RX1", lockstore.ByCaller)
		k.must(err)
		k.clock.advance(time.Minute)
	}
	k.clock.advance(2 * time.Hour)
	k.reopen()
	if n, err := k.Purge(k.ctx, 1); err != nil || n != 3 {
		t.Errorf("purged %d attempts, %v", n, err)
	}
	k.crash()
	if all, err := k.Attempts(k.ctx, "RX1"); err != nil || len(all) != 0 && len(all) != 3 {
		t.Errorf("%d attempts are left, %v", len(all), err)
	}
	if _, err := lockstore.Verify(k.ctx, k.disk, func(f lockstore.Finding) { t.Errorf("%s: %s", f.Key, f.What) }); err != nil {
		t.Fatal(err)
	}
	l, created, err := k.Lock(k.ctx, k.request("RX1", 1, 100))
	if err != nil || !created || l.Attempt != 1 {
		t.Fatalf("attempt %d, created %v, %v", l.Attempt, created, err)
	}
}

// More attempts than one step takes go newest first, and the rest is found again.
func TestManyAttemptsOfAnOrderArePurgedFromTheirEnd(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.Retention = time.Hour })
	const many = 105
	for i := range many {
		r := k.request("RX1", 1, 100)
		r.NewAttempt = i > 0
		_, _, err := k.Lock(k.ctx, r)
		k.must(err)
		_, err = k.Release(k.ctx, alice, "RX1", lockstore.ByCaller)
		k.must(err)
	}
	k.clock.advance(2 * time.Hour)
	k.reopen()
	if n, err := k.Purge(k.ctx, 1); err != nil || n != 100 {
		t.Errorf("purged %d attempts, %v", n, err)
	}
	k.crash()
	if all, err := k.Attempts(k.ctx, "RX1"); err != nil || len(all) != 5 || all[4].Attempt != 5 {
		t.Errorf("%d attempts are left, %v", len(all), err)
	}
	if n, err := k.PurgeAll(k.ctx); err != nil || n != 5 {
		t.Errorf("purged %d attempts, %v", n, err)
	}
	if all := k.listAll(lockstore.Query{}); len(all) != 0 {
		t.Errorf("%d locks are left", len(all))
	}
}
