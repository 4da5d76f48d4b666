package lockstore_test

import (
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
