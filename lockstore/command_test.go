package lockstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/lockstore"
)

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func TestRepeatsGetTheSameLock(t *testing.T) {
	k := open(t, noFreeze())
	req := k.request("RX1", 8, 10)
	req.Attributes = map[string]string{"patient_id": "P1"}
	first, created, err := k.Lock(k.ctx, req)
	if err != nil || !created {
		t.Fatal(err)
	}
	again := k.request("RX1", 8, 10) // 2 are left: its own hold must not block it
	again.TTL, again.Attributes = time.Hour, map[string]string{"patient_id": "P2"}
	second, created, err := k.Lock(k.ctx, again)
	if err != nil || created {
		t.Fatalf("created %v, %v", created, err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Fatal(diff)
	}
	for _, status := range []lockstore.Status{lockstore.Confirming, lockstore.Confirmed} {
		if status == lockstore.Confirming {
			k.confirm("RX1")
		} else {
			k.confirmed("RX1")
		}
		l, created, err := k.Lock(k.ctx, again)
		if err != nil || created || l.Status != status {
			t.Fatalf("a repeat at %s: %s, %v, %v", status, l.Status, created, err)
		}
	}
	k.must(k.Observe(keyA, k.reading(2)))
	if l, created, err := k.Lock(k.ctx, k.request("RX1", 8, 2)); err != nil || created || l.Status != lockstore.Confirmed {
		t.Fatalf("a repeat after it left the memory: %s, %v, %v", l.Status, created, err)
	}
}

func TestFingerprintIsPharmacyAndMergedItems(t *testing.T) {
	k := open(t, noFreeze())
	items := func(pairs ...any) (out []lockstore.Item) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, lockstore.Item{DrugID: pairs[i].(string), Quantity: int64(pairs[i+1].(int)), LineFen: 7})
		}
		return out
	}
	req := k.request("RX1", 0, 100)
	req.Readings[drugB] = k.reading(100)
	req.Items = items(drugB, 1, drugA, 2, drugB, 3)
	l, _, err := k.Lock(k.ctx, req)
	k.must(err)
	want := []lockstore.Item{{DrugID: drugA, Quantity: 2, LineFen: 7}, {DrugID: drugB, Quantity: 4, LineFen: 14}}
	if diff := cmp.Diff(want, l.Items); diff != "" {
		t.Fatal(diff)
	}
	tests := []struct {
		name   string
		change func(*lockstore.LockRequest)
		want   error
	}{
		{"other order, other prices", func(r *lockstore.LockRequest) { r.Items = items(drugA, 2, drugB, 4); r.Items[0].LineFen = 0 }, nil},
		{"other quantity", func(r *lockstore.LockRequest) { r.Items = items(drugA, 2, drugB, 5) }, lockstore.ErrOrderNoReused},
		{"a drug less", func(r *lockstore.LockRequest) { r.Items = items(drugA, 2) }, lockstore.ErrOrderNoReused},
		{"other pharmacy", func(r *lockstore.LockRequest) { r.PharmacyID = "other" }, lockstore.ErrOrderNoReused},
		{"other principal", func(r *lockstore.LockRequest) { r.Principal = bob }, lockstore.ErrOrderNoReused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := req
			tt.change(&r)
			_, _, err := k.Lock(k.ctx, r)
			wantErr(t, err, tt.want)
			_, repeat, err := k.Precheck(k.ctx, r)
			wantErr(t, err, tt.want)
			if repeat != (tt.want == nil) {
				t.Fatalf("Precheck says repeat %v", repeat)
			}
		})
	}
}

func TestInvalidRequestsNameTheField(t *testing.T) {
	k := open(t, noFreeze())
	tests := []struct {
		field  string
		change func(*lockstore.LockRequest)
	}{
		{"principal", func(r *lockstore.LockRequest) { r.Principal = "" }},
		{"order_no", func(r *lockstore.LockRequest) { r.OrderNo = "" }},
		{"order_no", func(r *lockstore.LockRequest) { r.OrderNo = "RX\x00" }},
		{"order_no", func(r *lockstore.LockRequest) { r.OrderNo = strings.Repeat("9", 129) }},
		{"pharmacy_id", func(r *lockstore.LockRequest) { r.PharmacyID = "" }},
		{"ttl", func(r *lockstore.LockRequest) { r.TTL = 0 }},
		{"items", func(r *lockstore.LockRequest) { r.Items = nil }},
		{"items", func(r *lockstore.LockRequest) { r.Items = make([]lockstore.Item, 101) }},
		{"items[0].quantity", func(r *lockstore.LockRequest) { r.Items[0].Quantity = 0 }},
		{"items[0].quantity", func(r *lockstore.LockRequest) { r.Items[0].Quantity = -1 }},
		{"items[0].drug_id", func(r *lockstore.LockRequest) { r.Items[0].DrugID = "" }},
		{"items[0].line_fen", func(r *lockstore.LockRequest) { r.Items[0].LineFen = -1 }},
		{"items[1]", func(r *lockstore.LockRequest) {
			r.Items = []lockstore.Item{{DrugID: drugA, Quantity: 1<<63 - 1}, {DrugID: drugA, Quantity: 1}}
		}},
		{"attributes", func(r *lockstore.LockRequest) { r.Attributes = map[string]string{"a": strings.Repeat("x", 9000)} }},
	}
	for _, tt := range tests {
		r := k.request("RX1", 1, 10)
		tt.change(&r)
		_, _, err := k.Lock(k.ctx, r)
		if invalid, ok := errors.AsType[*lockstore.InvalidError](err); !ok || invalid.Field != tt.field {
			t.Errorf("got %v, want field %s", err, tt.field)
		}
	}
	if _, err := k.Get(k.ctx, alice, "RX1"); !errors.Is(err, lockstore.ErrNotFound) {
		t.Fatalf("something was stored: %v", err)
	}
}

func TestC7OneItemWithoutAtomicItems(t *testing.T) {
	p := noFreeze()
	p.AtomicItems = false
	k := open(t, p)
	req := k.request("RX1", 1, 10)
	req.Items = append(req.Items, lockstore.Item{DrugID: drugA, Quantity: 1})
	if _, _, err := k.Lock(k.ctx, req); err != nil {
		t.Fatalf("one drug in two lines is one item: %v", err)
	}
	req = k.request("RX2", 1, 10)
	req.Items = append(req.Items, lockstore.Item{DrugID: drugB, Quantity: 1})
	_, _, err := k.Lock(k.ctx, req)
	if invalid, ok := errors.AsType[*lockstore.InvalidError](err); !ok || invalid.Field != "items" {
		t.Fatalf("got %v", err)
	}
}

func TestC3FreezeNeedsAHISThatCanBeAsked(t *testing.T) {
	p := netFreeze()
	p.Find = false
	if _, err := lockstore.Open(t.Context(), lockstore.Options{Policy: p}); err == nil ||
		!strings.Contains(err.Error(), "what became of a freeze") || !strings.Contains(err.Error(), "no committer") {
		t.Fatalf("got %v, want both faults named", err)
	}
}

// A refusal for stock by the HIS leaves no end: the next attempt has its own
// number at the HIS.
func TestB5ShortageStartsTheNextAttempt(t *testing.T) {
	k := open(t, netFreeze())
	l := k.lock("RX1", 8)
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvFreezeRefused, Shortages: []lockstore.Shortage{{DrugID: drugA, Requested: 8, Available: 2}}})
	k.wantHeld(k.reading(10), 0)
	l = k.lock("RX1", 8)
	if l.Attempt != 2 || l.HISNo != "RX1-2" || l.Status != lockstore.Pending {
		t.Fatalf("got %+v", l)
	}
	all, err := k.Attempts(k.ctx, "RX1")
	k.must(err)
	if len(all) != 2 || all[0].Attempt != 1 || all[0].Shortages[0].Available != 2 || all[1].Attempt != 2 {
		t.Fatalf("got %+v", all)
	}
}

func TestB5NewAttemptsNeedLeaveAndASettledEnd(t *testing.T) {
	k := open(t, netFreeze())
	k.frozen("RX1", 8, 0)
	_, err := k.Release(k.ctx, alice, "RX1", lockstore.ByCaller)
	k.must(err)
	next := k.request("RX1", 8, 100)
	next.NewAttempt = true
	_, _, err = k.Lock(k.ctx, next)
	wantErr(t, err, lockstore.ErrLockEnded) // still RELEASING

	id := lockstore.ID{OrderNo: "RX1", Attempt: 1}
	k.record(id, lockstore.Event{Kind: lockstore.EvUnfreezeDone})
	_, _, err = k.Lock(k.ctx, k.request("RX1", 8, 100))
	wantErr(t, err, lockstore.ErrLockEnded) // without leave

	k.record(id, lockstore.Event{Kind: lockstore.EvUnknown, Op: lockstore.OpUnfreeze})
	_, _, err = k.Lock(k.ctx, next)
	wantErr(t, err, lockstore.ErrNotSettled)

	k.record(id, lockstore.Event{Kind: lockstore.EvUnfreezeDone})
	for attempt := 2; attempt <= 4; attempt++ {
		l, created, err := k.Lock(k.ctx, next)
		if err != nil || !created || l.Attempt != attempt || l.HISNo != fmt.Sprintf("RX1-%d", attempt) {
			t.Fatalf("attempt %d: %+v, %v", attempt, l, err)
		}
		if l, created, err := k.Lock(k.ctx, next); err != nil || created || l.Attempt != attempt {
			t.Fatalf("a repeat of attempt %d: %+v, %v", attempt, l, err)
		}
		k.record(l.ID(), lockstore.Event{Kind: lockstore.EvFreezeRefused})
		if attempt == 3 {
			k.reopen()
			next.Readings = k.request("RX1", 8, 100).Readings
		}
	}
	// An order of an early attempt turns up: no further one until that is settled.
	k.record(id, lockstore.Event{Kind: lockstore.EvOrderPlaced, HISOrderNo: "H1"})
	_, _, err = k.Lock(k.ctx, next)
	wantErr(t, err, lockstore.ErrNotSettled)
	k.record(id, lockstore.Event{Kind: lockstore.EvCancelled})
	if l, _, err := k.Lock(k.ctx, next); err != nil || l.Attempt != 5 {
		t.Fatalf("got %+v, %v", l, err)
	}
}

func TestB5TheHISNumberHasABound(t *testing.T) {
	p := noFreeze()
	p.HisNoMax = 4
	k := open(t, p)
	_, _, err := k.Lock(k.ctx, k.request("RX100", 1, 10))
	if invalid, ok := errors.AsType[*lockstore.InvalidError](err); !ok || invalid.Field != "order_no" {
		t.Fatalf("got %v", err)
	}
	k.lock("RX10", 1)
	_, err = k.Release(k.ctx, alice, "RX10", lockstore.ByCaller)
	k.must(err)
	req := k.request("RX10", 1, 10)
	req.NewAttempt = true
	if _, _, err = k.Lock(k.ctx, req); err == nil || !strings.Contains(err.Error(), "RX10-2") {
		t.Fatalf("got %v", err)
	}
}

func TestB5TheReferenceNeverChanges(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 1)
	paid := k.clock.Now()
	first, started, err := k.Confirm(k.ctx, alice, "RX1", lockstore.Reference{TransactionID: "T1", DrugsFen: 5, PaidAt: paid})
	if err != nil || !started {
		t.Fatal(err)
	}
	second, started, err := k.Confirm(k.ctx, alice, "RX1", lockstore.Reference{TransactionID: "T2", DrugsFen: 6})
	if err != nil || started {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" || second.Reference.TransactionID != "T1" {
		t.Fatal(diff)
	}
}

// E1: locks belong to the principal that made them.
func TestE1StrangersFindNothing(t *testing.T) {
	k := open(t, noFreeze())
	k.lock("RX1", 1)
	_, err := k.Get(k.ctx, bob, "RX1")
	wantErr(t, err, lockstore.ErrNotFound)
	_, _, err = k.Confirm(k.ctx, bob, "RX1", lockstore.Reference{})
	wantErr(t, err, lockstore.ErrNotFound)
	_, err = k.Release(k.ctx, bob, "RX1", lockstore.ByCaller)
	wantErr(t, err, lockstore.ErrNotFound)
	theirs := k.request("RX1", 1, 10)
	theirs.Principal = bob
	_, _, err = k.Lock(k.ctx, theirs)
	wantErr(t, err, lockstore.ErrOrderNoReused)
	k.wantStatus("RX1", lockstore.Locked)

	// When it is over, the order_no is free, but its number at the HIS is not.
	_, err = k.Release(k.ctx, alice, "RX1", lockstore.ByCaller)
	k.must(err)
	l, created, err := k.Lock(k.ctx, theirs)
	if err != nil || !created || l.Attempt != 2 || l.HISNo != "RX1-2" || l.Principal != bob {
		t.Fatalf("got %+v, %v", l, err)
	}
	if l, err := k.Get(k.ctx, alice, "RX1"); err != nil || l.Attempt != 1 || l.Status != lockstore.Released {
		t.Fatalf("got %+v, %v", l, err)
	}
	if l, err := k.Release(k.ctx, alice, "RX1", lockstore.ByCaller); err != nil || l.Attempt != 1 {
		t.Fatalf("got %+v, %v", l, err)
	}
	if l := k.get("RX1"); l.Principal != bob || l.Status != lockstore.Locked {
		t.Fatalf("got %+v", l)
	}
}

func TestTombstonesRefuseALateLock(t *testing.T) {
	k := open(t, noFreeze())
	tomb, err := k.Release(k.ctx, alice, "RX1", lockstore.ByCaller)
	if err != nil || tomb.Status != lockstore.Released || tomb.Cause != lockstore.AsTombstone || !tomb.Settled() {
		t.Fatalf("got %+v, %v", tomb, err)
	}
	check := func() {
		t.Helper()
		_, _, err := k.Lock(k.ctx, k.request("RX1", 1, 10))
		wantErr(t, err, lockstore.ErrLockEnded)
		_, _, err = k.Precheck(k.ctx, k.request("RX1", 1, 10))
		wantErr(t, err, lockstore.ErrLockEnded)
		_, _, err = k.Confirm(k.ctx, alice, "RX1", lockstore.Reference{})
		wantErr(t, err, lockstore.ErrLockEnded)
		for _, again := range []func() (lockstore.Lock, error){
			func() (lockstore.Lock, error) { return k.Release(k.ctx, alice, "RX1", lockstore.ByCaller) },
			func() (lockstore.Lock, error) { return k.Get(k.ctx, alice, "RX1") },
			func() (lockstore.Lock, error) { return k.Get(k.ctx, "", "RX1") },
		} {
			l, err := again()
			k.must(err)
			if diff := cmp.Diff(tomb, l); diff != "" {
				t.Fatal(diff)
			}
		}
	}
	check()
	k.reopen()
	check()
	// It is alice's alone, and a paid order's new attempt passes it.
	theirs := k.request("RX1", 1, 10)
	theirs.Principal = bob
	if l, _, err := k.Lock(k.ctx, theirs); err != nil || l.Attempt != 1 || l.HISNo != "RX1" {
		t.Fatalf("got %+v, %v", l, err)
	}
	_, err = k.Release(k.ctx, bob, "RX1", lockstore.ByCaller)
	k.must(err)
	mine := k.request("RX1", 1, 10)
	mine.NewAttempt = true
	if l, _, err := k.Lock(k.ctx, mine); err != nil || l.Attempt != 2 {
		t.Fatalf("got %+v, %v", l, err)
	}
	if n := k.Stats().Tombstones; n != 0 {
		t.Fatalf("%d tombstones are left", n)
	}
}

func TestTombstonesAreBounded(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.MaxTombstones = 3 })
	bury := func(no string) error {
		_, err := k.Release(k.ctx, alice, no, lockstore.ByCaller)
		return err
	}
	for i := range 3 {
		k.must(bury(fmt.Sprint("RX", i)))
	}
	wantErr(t, bury("RX3"), lockstore.ErrTooManyLocks)
	if _, err := k.Release(k.ctx, bob, "RX3", lockstore.ByCaller); err != nil {
		t.Fatalf("another principal: %v", err)
	}
	k.clock.advance(25 * time.Hour)
	k.must(bury("RX4")) // makes room
	if _, err := k.Get(k.ctx, alice, "RX0"); !errors.Is(err, lockstore.ErrNotFound) {
		t.Fatalf("the oldest must have gone: %v", err)
	}
	k.reopen()
	if n := k.Stats().Tombstones; n != 4 {
		t.Fatalf("%d tombstones after opening, want 4", n)
	}
}

func TestOneTombstoneMakesRoomForTheNext(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.MaxTombstones = 1 })
	k.release("RX1")
	k.clock.advance(25 * time.Hour)
	k.release("RX2")
	_, _, err := k.Lock(k.ctx, k.request("RX2", 1, 100))
	wantErr(t, err, lockstore.ErrLockEnded)
	if n := k.Stats().Tombstones; n != 1 {
		t.Fatalf("%d tombstones", n)
	}
	_, err = k.Release(k.ctx, alice, "RX3", lockstore.ByCaller)
	wantErr(t, err, lockstore.ErrTooManyLocks)
}

func TestActiveLocksAreBounded(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.MaxActive = 2 })
	k.lock("RX1", 1)
	k.lock("RX2", 1)
	_, _, err := k.Lock(k.ctx, k.request("RX3", 1, 10))
	wantErr(t, err, lockstore.ErrTooManyLocks)
	_, err = k.Release(k.ctx, alice, "RX1", lockstore.ByCaller)
	k.must(err)
	k.lock("RX3", 1)
}

func TestB10BelowTheReserveOnlyWhatEnds(t *testing.T) {
	k := open(t, noFreeze(), func(o *lockstore.Options) { o.DiskReserve = 1 << 20 })
	k.lock("RX1", 1)
	k.lock("RX2", 1)
	k.disk.SetFree(1<<20-1, nil)
	k.clock.advance(time.Second)
	_, _, err := k.Lock(k.ctx, k.request("RX3", 1, 10))
	wantErr(t, err, lockstore.ErrDiskReserve)
	_, _, err = k.Precheck(k.ctx, k.request("RX3", 1, 10))
	wantErr(t, err, lockstore.ErrDiskReserve)
	if tomb, err := k.Release(k.ctx, alice, "RX4", lockstore.ByCaller); err != nil || !tomb.Settled() {
		t.Fatalf("the release of an order never locked: %+v, %v", tomb, err)
	}
	wantErr(t, k.Health(), lockstore.ErrDiskReserve)
	if !k.Stats().DiskLow {
		t.Error("the figures do not say that the disk is nearly full")
	}
	k.confirmed("RX1")
	if _, err := k.Release(k.ctx, alice, "RX2", lockstore.ByCaller); err != nil {
		t.Fatal(err)
	}
	paid := k.request("RX5", 1, 10)
	paid.Paid = true
	if _, _, err := k.Lock(k.ctx, paid); err != nil {
		t.Fatalf("the lock of a paid order: %v", err)
	}
	k.disk.SetFree(1<<20, nil)
	k.clock.advance(time.Second)
	k.must(k.Health())
	k.lock("RX3", 1)
}

func TestFaultsChangeNothing(t *testing.T) {
	k := open(t, noFreeze())
	l := k.lock("RX1", 1)
	_, err := k.Record(k.ctx, l.ID(), lockstore.Event{Kind: lockstore.EvOrderRefused})
	if fault, ok := errors.AsType[*lockstore.FaultError](err); !ok || fault.Status != lockstore.Locked {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff(l, k.get("RX1")); diff != "" {
		t.Fatal(diff)
	}
	if k.Stats().Faults != 1 {
		t.Fatalf("got %+v", k.Stats())
	}
	_, err = k.Record(k.ctx, lockstore.ID{OrderNo: "RX1", Attempt: 2}, lockstore.Event{Kind: lockstore.EvCase})
	wantErr(t, err, lockstore.ErrNotFound)
	for _, kind := range []lockstore.EventKind{0, lockstore.EvLock, lockstore.EvRelease, lockstore.EvRecalled + 1} {
		if _, err := k.Record(k.ctx, l.ID(), lockstore.Event{Kind: kind}); err == nil {
			t.Fatalf("event %s was recorded", kind)
		}
	}
}

func TestCasesAreToldOnceAndWaitForAPerson(t *testing.T) {
	p := noFreeze()
	p.Find = false
	k := open(t, p)
	k.lock("RX1", 1)
	l := k.confirm("RX1")
	l = k.record(l.ID(), lockstore.Event{Kind: lockstore.EvUnknown, Op: lockstore.OpPlaceOrder})
	k.record(l.ID(), lockstore.Event{Kind: lockstore.EvUnknown, Op: lockstore.OpPlaceOrder})
	if len(k.cases) != 1 || k.cases[0].CaseReason == "" || k.cases[0].OrderNo != "RX1" {
		t.Fatalf("got %d cases", len(k.cases))
	}
	if len(k.Work(10)) != 0 || k.Stats().Cases != 1 {
		t.Fatal("a lock with a case waits for a person")
	}
	k.reopen()
	if len(k.Work(10)) != 0 || k.Stats().Cases != 1 {
		t.Fatal("also after an opening")
	}
	k.clock.advance(20 * time.Second) // until then the call may still arrive
	l = k.record(l.ID(), lockstore.Event{Kind: lockstore.EvNotApplied, Actor: "pharmacist"})
	if l.Status != lockstore.Released || !l.Settled() || l.Cause != lockstore.ByPerson || l.History[len(l.History)-1].Actor != "pharmacist" {
		t.Fatalf("got %+v", l)
	}
}
