package lockstore

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

var damageTime = time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)

// sound is a ledger of one lock of each kind.
func sound(t *testing.T) (*Ledger, *memengine.Engine) {
	t.Helper()
	disk := memengine.New(memengine.Options{})
	l, err := Open(t.Context(), Options{
		Committer: engine.NewCommitter(disk, engine.CommitterOptions{}),
		Policy:    Policy{AtomicItems: true, IdempotentByHisNo: true, Find: true},
		Safety:    SafetyPolicy{Default: SafetyRule{Percent: 10}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(); _ = l.disk.Close() })
	for _, no := range []string{"HELD", "GONE", "DONE", "LATE"} {
		k := Key{"P", "A"}
		r := Reading{Stamp: l.Stamp(), Began: l.Mono(), OnHand: 1000}
		if err := l.Observe(k, r); err != nil {
			t.Fatal(err)
		}
		if no == "LATE" {
			if _, err := l.Release(t.Context(), "alice", no, ByCaller); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if _, _, err := l.Lock(t.Context(), LockRequest{
			OrderNo: no, Principal: "alice", PharmacyID: "P", Items: []Item{{DrugID: "A", Quantity: 3}},
			TTL: time.Hour, Readings: map[string]Reading{"A": r},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Release(t.Context(), "alice", "GONE", ByCaller); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Confirm(t.Context(), "alice", "DONE", Reference{}); err != nil {
		t.Fatal(err)
	}
	return l, disk
}

// findings is what Verify says, one line each.
func findings(t *testing.T, r engine.Reader) string {
	t.Helper()
	var b strings.Builder
	if _, err := Verify(t.Context(), r, func(f Finding) { fmt.Fprintln(&b, f.Key, f.What) }); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestVerifyFindsDamage(t *testing.T) {
	held, gone := attemptKey(prefixActive, ID{"HELD", 1}), attemptKey(prefixEnded, ID{"GONE", 1})
	edit := func(key []byte, f func(*Lock)) func(*testing.T, engine.Engine) []engine.Write {
		return func(t *testing.T, e engine.Engine) []engine.Write {
			rec, err := e.Get(key)
			if err != nil {
				t.Fatal(err)
			}
			lock, err := decodeLock(rec)
			if err != nil {
				t.Fatal(err)
			}
			f(lock)
			return []engine.Write{putWrite(key, encodeLock(lock))}
		}
	}
	write := func(w ...engine.Write) func(*testing.T, engine.Engine) []engine.Write {
		return func(*testing.T, engine.Engine) []engine.Write { return w }
	}
	another := func(key []byte, id ID) func(*testing.T, engine.Engine) []engine.Write {
		return func(t *testing.T, e engine.Engine) []engine.Write {
			w := edit(held, func(l *Lock) { l.OrderNo, l.Attempt, l.HISNo = id.OrderNo, id.Attempt, numbered(id) })(t, e)
			w[0].Key = key
			return w
		}
	}
	for name, tt := range map[string]struct {
		damage func(*testing.T, engine.Engine) []engine.Write
		want   string
	}{
		"garbled":           {write(putWrite(held, []byte{0xff, 1, 2})), "lock record"},
		"a garbled mark":    {write(putWrite([]byte(keyRest), []byte{0xff})), "the note of the last end"},
		"an unknown mark":   {write(putWrite([]byte("l/m/what"), nil)), "does not know"},
		"cut off":           {write(putWrite(held, nil)), "not a lock"},
		"a newer format":    {write(putWrite(held, []byte{1 << 3, 9, 2<<3 | 2, 1, 'x', 9 << 3, 2})), "newer hisgate"},
		"under another key": {another(attemptKey(prefixActive, ID{"OTHER", 1}), ID{"OTHER", 2}), "holds the record of attempt 2"},
		"held twice":        {another(attemptKey(prefixActive, ID{"HELD", 2}), ID{"HELD", 2}), "holds stock twice"},
		"a namesake": {func(t *testing.T, e engine.Engine) []engine.Write {
			return append(another(attemptKey(prefixActive, ID{"HELD-2", 1}), ID{"HELD-2", 1})(t, e),
				another(attemptKey(prefixActive, ID{"HELD", 2}), ID{"HELD", 2})(t, e)...)
		}, "is that of the order HELD-2"},
		"ended, and not known": {func(t *testing.T, e engine.Engine) []engine.Write {
			rec, err := e.Get(gone)
			if err != nil {
				t.Fatal(err)
			}
			lock, err := decodeLock(rec)
			if err != nil {
				t.Fatal(err)
			}
			return []engine.Write{deleteWrite(indexKey(lock.CreatedAt, ID{"GONE", 1}))}
		}, "does not know it"},
		"active among the ended":        {another(attemptKey(prefixEnded, ID{"HELD", 1}), ID{"HELD", 1}), "among the active and among the ended"},
		"ended without a first attempt": {another(attemptKey(prefixEnded, ID{"LONE", 2}), ID{"LONE", 2}), "there is no attempt 1"},
		"without units":                 {edit(held, func(l *Lock) { l.Items[0].Quantity = 0 }), "0 units"},
		"a drug twice":                  {edit(held, func(l *Lock) { l.Items = append(l.Items, l.Items[0]) }), "twice"},
		"no items":                      {edit(held, func(l *Lock) { l.Items = nil }), "no items"},
		"another number":                {edit(held, func(l *Lock) { l.HISNo = "X" }), "number at the HIS"},
		"a status without history":      {edit(held, func(l *Lock) { l.Status = Confirming }), "its history ends with LOCKED"},
		"released for no cause":         {edit(gone, func(l *Lock) { l.Cause = NoCause }), "RELEASED without a cause"},
		"locked with a cause":           {edit(held, func(l *Lock) { l.Cause = ByClock }), "LOCKED with cause"},
		"unknown since never":           {edit(held, func(l *Lock) { l.Unknown = true }), "without its time"},
		"deducted unseen":               {edit(held, func(l *Lock) { l.Word = WordDeducted }), "it is no case"},
		"confirmed unseen":              {edit(held, func(l *Lock) { l.Status = Confirmed }), "never said so"},
		"an order out of nowhere":       {edit(held, func(l *Lock) { l.HISOrderNo = "1" }), "never deducted"},
		"cancelled while held":          {edit(held, func(l *Lock) { l.CancelledAt = damageTime }), "cancelled at the HIS"},
		"a look without its time":       {edit(gone, func(l *Lock) { l.Watch = 2 }), "2 looks left"},
		"a tombstone that lives": {write(putWrite(pairKey(prefixTombstone, "alice", "HELD"),
			encodeLock(newTombstone(&Policy{}, "alice", "HELD", damageTime)))), "a tombstone beside the lock"},
		"a tombstone of another": {write(putWrite(pairKey(prefixTombstone, "alice", "X"),
			encodeLock(newTombstone(&Policy{}, "bob", "X", damageTime)))), `holds the tombstone of "X" for "bob"`},
		"an index of nothing":    {write(putWrite(indexKey(damageTime, ID{"NONE", 1}), nil)), "which is not there"},
		"a garbled first figure": {write(putWrite(pairKey(prefixMorning, "P", "A"), []byte{0xff})), ""},
		"a garbled clock":        {write(putWrite([]byte(keyClock), []byte{0xff})), "clock"},
		"something else":         {write(putWrite([]byte("l/z/1"), nil)), "does not know"},
	} {
		t.Run(name, func(t *testing.T) {
			l, disk := sound(t)
			if found := findings(t, disk); found != "" {
				t.Fatalf("a sound ledger: %s", found)
			}
			_ = l.Close()
			writes := tt.damage(t, disk)
			if err := disk.Apply(writes); err != nil {
				t.Fatal(err)
			}
			if found := findings(t, disk); found == "" || !strings.Contains(found, tt.want) {
				t.Errorf("found %q, want %q", found, tt.want)
			}
		})
	}
}

// What is derived can only go wrong in memory.
func TestAuditFindsWhatTheMemoryGetsWrong(t *testing.T) {
	entryOf := func(l *Ledger, no string) *entry { return l.entry(ID{no, 1}) }
	for name, tt := range map[string]struct {
		plant func(*Ledger)
		want  string
	}{
		"a sum":          {func(l *Ledger) { l.stocks[Key{"P", "A"}].made.total++ }, "not the sum of its holds"},
		"a tree":         {func(l *Ledger) { l.stocks[Key{"P", "A"}].made.tree[0]++ }, "the tree of its holds"},
		"a dropped hold": {func(l *Ledger) { h := &entryOf(l, "HELD").holds[0]; h.stock.set(h, notAtAll, ack{}) }, "way to count"},
		"units":          {func(l *Ledger) { entryOf(l, "HELD").holds[0].units++ }, "units"},
		"a status":       {func(l *Ledger) { entryOf(l, "HELD").status = Confirming }, "status"},
		"a lost timer":   {func(l *Ledger) { l.wheel.stop(&entryOf(l, "HELD").due) }, "expiry timer"},
		"lost work":      {func(l *Ledger) { l.work.remove(entryOf(l, "DONE")) }, "place in the work"},
		"a lost number":  {func(l *Ledger) { l.delist(entryOf(l, "HELD")) }, "place among the orders"},
		"a counter":      {func(l *Ledger) { l.stats.ByStatus[Locked]-- }, "locks that are LOCKED"},
		"tombstones":     {func(l *Ledger) { l.stats.Tombstones = 7 }, "tombstones: 7 are counted"},
		"a principal":    {func(l *Ledger) { l.holders["alice"]++ }, "locks by principal"},
		"a record that the disk lost": {func(l *Ledger) {
			_ = l.disk.Append(deleteWrite(attemptKey(prefixActive, ID{"HELD", 1}))).Wait(context.Background())
		}, "not on the disk"},
		"a record that the memory lost": {func(l *Ledger) { l.dismiss(entryOf(l, "HELD")) }, "not in memory"},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := sound(t)
			var b strings.Builder
			told := func(f Finding) { fmt.Fprintln(&b, f.Key, f.What) }
			if err := l.Audit(t.Context(), told); err != nil || b.Len() > 0 {
				t.Fatalf("a sound ledger: %s, %v", b.String(), err)
			}
			l.mu.Lock()
			tt.plant(l)
			l.mu.Unlock()
			if err := l.Audit(t.Context(), told); err != nil || !strings.Contains(b.String(), tt.want) {
				t.Errorf("found %q, %v, want %q", b.String(), err, tt.want)
			}
		})
	}
}
