package lockstore

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/hisgate/hisgate/lockstore/internal/tlv"
)

func drawTime(t *rapid.T, label string) time.Time {
	if rapid.Bool().Draw(t, label+" is zero") {
		return time.Time{}
	}
	return time.Unix(0, rapid.Int64().Draw(t, label)).UTC()
}

func drawMap(t *rapid.T, label string) map[string]string {
	m := rapid.MapOfN(rapid.StringN(1, -1, 20), rapid.StringN(0, -1, 300), 0, 3).Draw(t, label)
	if len(m) == 0 {
		return nil
	}
	return m
}

func drawLock(t *rapid.T) *Lock {
	text := func(label string) string { return rapid.StringN(0, -1, 200).Draw(t, label) }
	flag := func(label string) bool { return rapid.Bool().Draw(t, label) }
	l := &Lock{
		OrderNo: rapid.StringN(1, -1, 64).Draw(t, "order_no"), Attempt: rapid.IntRange(0, 1000).Draw(t, "attempt"),
		HISNo: text("his_no"), Principal: text("principal"), PharmacyID: text("pharmacy"),
		Attributes: drawMap(t, "attributes"), Status: Status(rapid.IntRange(1, int(Released)).Draw(t, "status")),
		Cause: Cause(rapid.IntRange(0, int(AsTombstone)).Draw(t, "cause")), Version: rapid.Uint64().Draw(t, "version"),
		Freeze: flag("freeze"), HISLockID: text("his_lock_id"), FreezeExpires: drawTime(t, "freeze expires"),
		HISOrderNo: text("his_order_no"), Word: HISWord(rapid.IntRange(0, int(WordCancelled)).Draw(t, "word")),
		Owner: flag("owner"), ExpireTime: drawTime(t, "expire"), Degraded: flag("degraded"), ReleaseWanted: flag("rw"),
		CreatedAt: drawTime(t, "created"), UpdatedAt: drawTime(t, "updated"), CancelledAt: drawTime(t, "cancelled"),
		Unknown: flag("unknown"), UnknownSince: drawTime(t, "unknown since"),
		UnknownFrom: time.Duration(rapid.Int64().Draw(t, "unknown from")), OrderSent: flag("sent"),
		Watch: rapid.IntRange(0, 3).Draw(t, "watch"), WatchAt: drawTime(t, "watch at"), CaseReason: text("case"),
		FreezeFrom: drawTime(t, "freeze from"), FreezeDoubt: flag("freeze doubt"), CaseKind: CaseKind(rapid.IntRange(0, 2).Draw(t, "case kind")),
	}
	if l.Status >= Confirming {
		l.Reference = Reference{
			TransactionID: text("transaction"), PaidAt: drawTime(t, "paid"), DrugsFen: rapid.Int64().Draw(t, "fen"),
			Attributes: drawMap(t, "reference attributes"),
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "items") {
		l.Items = append(l.Items, Item{text("drug"), rapid.Int64().Draw(t, "quantity"), rapid.Int64().Draw(t, "line")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "shortages") {
		l.Shortages = append(l.Shortages, Shortage{text("drug"), rapid.Int64().Draw(t, "wanted"), rapid.Int64().Draw(t, "there")})
	}
	for range rapid.IntRange(0, 3).Draw(t, "steps") {
		at := time.Unix(0, rapid.Int64Max(math.MaxInt64-1).Draw(t, "step")).UTC()
		l.History = append(l.History, Step{
			Time: at, Last: at.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "later"))), Count: rapid.IntRange(1, 9).Draw(t, "count"),
			From: Status(rapid.IntRange(0, 6).Draw(t, "from")), To: Status(rapid.IntRange(0, 6).Draw(t, "to")),
			Event: EventKind(rapid.IntRange(1, 22).Draw(t, "event")), Code: text("code"), Message: text("message"), Actor: text("actor"),
		})
	}
	return l
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLock(t)
		rec := encodeLock(l)
		got, err := decodeLock(rec)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(l, got); diff != "" {
			t.Fatal(diff)
		}
		if !slices.Equal(rec, encodeLock(got)) {
			t.Fatal("the same lock has two encodings")
		}
	})
}

// skimmed is what skim leaves of a lock.
func skimmed(l *Lock) Lock {
	s := *l
	s.HISNo, s.HISLockID, s.HISOrderNo, s.Attributes = "", "", "", nil
	s.Reference, s.Shortages, s.History = Reference{}, nil, nil
	if len(l.History) > 0 {
		s.History = []Step{{Time: l.History[0].Time}}
	}
	return s
}

func TestSkimmingReadsWhatTheMemoryKeeps(t *testing.T) {
	var s skimmer
	rapid.Check(t, func(t *rapid.T) {
		l := drawLock(t)
		var got Lock
		if err := s.skim(encodeLock(l), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(skimmed(l), got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// A newer hisgate may add fields, of any type, in the record and within it.
func TestUnknownFieldsAreSkipped(t *testing.T) {
	l := &Lock{OrderNo: "RX1", Attempt: 1, Status: Locked, Items: []Item{{DrugID: "A", Quantity: 3}}}
	rec := encodeLock(l)
	rec = protowire.AppendTag(rec, 900, protowire.BytesType)
	rec = protowire.AppendString(rec, "new")
	rec = protowire.AppendTag(rec, 901, protowire.Fixed64Type)
	rec = protowire.AppendFixed64(rec, 7)
	w := tlv.NewWriter(0)
	w.Nested(fItems, func(w *tlv.Writer) {
		w.String(1, "B")
		w.Int(99, 5)
		w.Int(2, 4)
	})
	rec = append(rec, w.Bytes()...)
	got, err := decodeLock(rec)
	if err != nil {
		t.Fatal(err)
	}
	l.Items = append(l.Items, Item{DrugID: "B", Quantity: 4})
	if diff := cmp.Diff(l, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestBadRecordsAreRefused(t *testing.T) {
	good := encodeLock(&Lock{OrderNo: "RX1", Attempt: 1, Status: Locked, Items: []Item{{DrugID: "A", Quantity: 3}}})
	newer := tlv.NewWriter(0)
	newer.Uint(fVersionOfFormat, formatVersion+1)
	tests := []struct {
		name string
		rec  []byte
		want string
	}{
		{"nothing", nil, "not a lock"},
		{"cut", good[:len(good)-1], "cut or garbled"},
		{"newer format", append(slices.Clone(good), newer.Bytes()...), "newer hisgate"},
		{"no status", encodeLock(&Lock{OrderNo: "RX1", Attempt: 1}), "not a lock"},
		{"status out of range", encodeLock(&Lock{OrderNo: "RX1", Status: Released + 1}), "not a lock"},
		{"number where a text belongs", append(slices.Clone(good), byte(fOrderNo<<3), 1), "another type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := decodeLock(tt.rec); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	if _, err := decodeLock(tests[2].rec); !errors.Is(err, errNewerFormat) {
		t.Fatalf("got %v", err)
	}
}

// Whatever stands on the disk, reading it neither panics nor invents a lock that
// could not be stored again.
func FuzzDecodeLock(f *testing.F) {
	f.Add(encodeLock(subject(Confirming)))
	f.Add(encodeLock(&Lock{OrderNo: "RX1", Attempt: 2, Status: Released, History: []Step{{Count: 2, Message: strings.Repeat("无", 100)}}}))
	f.Add([]byte{8, 1})
	f.Fuzz(func(t *testing.T, rec []byte) {
		l, err := decodeLock(rec)
		var skim Lock
		if skimErr := new(skimmer).skim(rec, &skim); (skimErr == nil) != (err == nil) {
			t.Fatalf("decoding says %v, skimming %v", err, skimErr)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(skimmed(l), skim); diff != "" {
			t.Fatal(diff)
		}
		again, err := decodeLock(encodeLock(l))
		if err != nil {
			t.Fatalf("a lock that was read cannot be read again: %v", err)
		}
		if l.Status >= Confirming { // before, there is no reference to keep
			if diff := cmp.Diff(l, again); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestHistoryFoldsAndIsCapped(t *testing.T) {
	at := func(i int) time.Time { return testNow.Add(time.Duration(i) * time.Second) }
	var steps []Step
	for i := range 5 {
		steps = appendStep(steps, Step{Time: at(i), Last: at(i), Count: 1, Event: EvUnknown})
	}
	if len(steps) != 1 || steps[0].Count != 5 || !steps[0].Time.Equal(at(0)) || !steps[0].Last.Equal(at(4)) {
		t.Fatalf("five repeats are %+v", steps)
	}
	for i := range 100 {
		steps = appendStep(steps, Step{Time: at(i), Last: at(i), Count: 1, Event: EvNotDone, Code: string(rune('a' + i%26))})
	}
	if len(steps) != maxSteps || steps[0].Event != EvUnknown || !steps[maxSteps-1].Time.Equal(at(99)) {
		t.Fatalf("%d steps, from %+v to %+v", len(steps), steps[0], steps[len(steps)-1])
	}
	long := appendStep(nil, Step{Message: "a" + strings.Repeat("无", 300)})[0].Message
	if len(long) > maxWords || len(long) < maxWords-4 || strings.ContainsRune(long, '�') {
		t.Fatalf("a long message was cut to %d bytes: %q", len(long), long[len(long)-4:])
	}
}

func TestTimesFitTheRecord(t *testing.T) {
	never := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	if got := plain(never); got.Year() != 2262 {
		t.Fatalf("a freeze that ends in 9999 ends in %v", got)
	}
	if got := plain(time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)); got.Year() != 1677 {
		t.Fatalf("got %v", got)
	}
	if !plain(time.Time{}).IsZero() {
		t.Fatal("no time became some time")
	}
}
