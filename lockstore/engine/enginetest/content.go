package enginetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/hisgate/hisgate/lockstore/engine"
)

func testGetAndApply(t *testing.T, store Store) {
	e := opened(t, store)
	wantAll(t, e, nil)
	want(t, e, "a", nil)
	apply(t, e, put("a", "1"), put("b", ""), put("c", "3"))
	want(t, e, "a", []byte("1"))
	want(t, e, "b", []byte{}) // an empty value is there
	apply(t, e, put("a", "2"), del("c"), del("never there"))
	wantAll(t, e, []pair{{"a", "2"}, {"b", ""}})
	want(t, e, "c", nil)
	want(t, e, "", nil)
	apply(t, e) // nothing at all
	apply(t, e, del("a"), del("b"))
	wantAll(t, e, nil)
	apply(t, e, put("a", "3"))
	wantAll(t, e, []pair{{"a", "3"}})
}

func testLastWriteOfABatchStays(t *testing.T, store Store) {
	e := opened(t, store)
	apply(t, e, put("a", "old"), put("b", "old"))
	apply(t, e, put("a", "1"), put("a", "2"), put("b", "1"), del("b"), del("c"), put("c", "1"))
	wantAll(t, e, []pair{{"a", "2"}, {"c", "1"}})
}

func testBinaryKeysInByteOrder(t *testing.T, store Store) {
	e := opened(t, store)
	keys := []string{
		"\x00", "\x00\x00", "\x00\xff", "!badger!txn", "0", "a", "a\x00", "a\x00\x00\x00\x00\x00\x00\x00\x00", "a\x01", "aa",
		"a\xff\xff\xff\xff\xff\xff\xff\xff\xff", "b", "锁", "\xfe", "\xff", "\xff\x00", "\xff\xff",
		string(bytes.Repeat([]byte{0xff}, engine.MaxKey)),
	}
	var writes []engine.Write
	var all []pair
	for _, key := range keys {
		value := "v\x00" + key
		all = append(all, pair{key, value})
		writes = append(writes, put(key, value))
	}
	slices.Reverse(writes)
	apply(t, e, writes...)
	wantAll(t, e, all)
	for _, p := range all {
		want(t, e, p.key, []byte(p.value))
	}
	for i := range all {
		if got := dump(t, e, []byte(all[i].key), nil); !slices.Equal(got, all[i:]) {
			t.Errorf("from %q: %s", all[i].key, show(got))
		}
		if got := dump(t, e, nil, []byte(all[i].key)); !slices.Equal(got, all[:i]) {
			t.Errorf("up to %q: %s", all[i].key, show(got))
		}
	}
}

func testScanRanges(t *testing.T, store Store) {
	e := opened(t, store)
	apply(t, e, put("a/1", "1"), put("a/2", "2"), put("b/1", "3"), put("b/2", "4"), put("c", "5"))
	apply(t, e, del("b/1"))
	tests := []struct {
		start, end string // "-" is nil
		want       string
	}{
		{"-", "-", "1245"},
		{"", "-", "1245"},
		{"a/", "a0", "12"},
		{"a/2", "b/2", "2"},
		{"a/2", "b/20", "24"},
		{"a/10", "-", "245"},
		{"b/", "b0", "4"},
		{"b/1", "b/2", ""},
		{"c", "c", ""},
		{"c", "a", ""},
		{"c\x00", "-", ""},
		{"-", "", ""},
		{"-", "a", ""},
		{"-", "a/1\x00", "1"},
	}
	nilOr := func(s string) []byte {
		if s == "-" {
			return nil
		}
		return []byte(s)
	}
	for _, tt := range tests {
		var got string
		for _, p := range dump(t, e, nilOr(tt.start), nilOr(tt.end)) {
			got += p.value
		}
		if got != tt.want {
			t.Errorf("Scan(%q, %q) showed %q, want %q", tt.start, tt.end, got, tt.want)
		}
	}
}

// A scan shows the moment of its beginning, also while its own function writes.
func testScanIsASnapshot(t *testing.T, store Store) {
	e := opened(t, store)
	var before []pair
	for i := range 300 {
		before = append(before, pair{fmt.Sprintf("k%03d", i), "before"})
		apply(t, e, put(before[i].key, "before"))
	}
	var got []pair
	err := e.Scan(nil, nil, func(key, value []byte) error {
		i := len(got)
		got = append(got, pair{string(key), string(value)})
		if i%50 == 0 { // ahead, behind, and between
			apply(t, e, del(fmt.Sprintf("k%03d", i+1)), put(fmt.Sprintf("k%03d", i+2), "after"),
				put(fmt.Sprintf("k%03d!", i), "after"), put(fmt.Sprintf("k%03d", i), "after"))
			want(t, e, fmt.Sprintf("k%03d", i), []byte("after"))
			inner := dump(t, e, []byte(fmt.Sprintf("k%03d", i)), []byte(fmt.Sprintf("k%03d", i+3)))
			if len(inner) != 3 || inner[0].value != "after" {
				t.Errorf("a new scan must show what was just applied, got %s", show(inner))
			}
		}
		return nil
	})
	if err != nil || !slices.Equal(got, before) {
		t.Errorf("err %v, showed %s, want %s", err, show(got), show(before))
	}
}

func testScanStopsAndFails(t *testing.T, store Store) {
	e := opened(t, store)
	apply(t, e, put("a", "1"), put("b", "2"), put("c", "3"))
	boom := errors.New("boom")
	for _, tt := range []struct{ give, want error }{
		{engine.ErrStop, nil},
		{fmt.Errorf("enough: %w", engine.ErrStop), nil},
		{boom, boom},
	} {
		calls := 0
		err := e.Scan(nil, nil, func([]byte, []byte) error {
			if calls++; calls == 2 {
				return tt.give
			}
			return nil
		})
		if !errors.Is(err, tt.want) || calls != 2 {
			t.Errorf("returning %v ended the scan with %v after %d calls", tt.give, err, calls)
		}
	}
}

// What the caller gave or got is the caller's.
func testSlicesAreNotShared(t *testing.T, store Store) {
	e := opened(t, store)
	key, value := []byte("key"), []byte("value")
	apply(t, e, engine.Write{Key: key, Value: value})
	copy(key, "xxx")
	copy(value, "xxxxx")
	wantAll(t, e, []pair{{"key", "value"}})
	got, err := e.Get([]byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	copy(got, "xxxxx")
	wantAll(t, e, []pair{{"key", "value"}})
}

func testInvalidWritesChangeNothing(t *testing.T, store Store) {
	e := opened(t, store)
	big := make([]byte, engine.MaxValue+1)
	for name, writes := range map[string][]engine.Write{
		"empty key":       {put("a", "1"), put("", "1")},
		"empty delete":    {put("a", "1"), del("")},
		"long key":        {put("a", "1"), put(string(big[:engine.MaxKey+1]), "1")},
		"long value":      {put("a", "1"), put("b", string(big))},
		"too many writes": slices.Repeat([]engine.Write{put("a", "1")}, engine.MaxWrites+1),
		"too many bytes":  slices.Repeat([]engine.Write{put("a", string(big[1:]))}, engine.MaxBytes/engine.MaxValue),
	} {
		var invalid *engine.InvalidWriteError
		if err := e.Apply(writes); !errors.As(err, &invalid) {
			t.Errorf("%s: got %v, want an InvalidWriteError", name, err)
		}
	}
	wantAll(t, e, nil)
	apply(t, e, put("a", "1")) // and the engine lives on
	wantAll(t, e, []pair{{"a", "1"}})
}

// What the limits permit is possible, by count and by size.
func testLargestBatch(t *testing.T, store Store) {
	e := opened(t, store)
	writes := make([]engine.Write, engine.MaxWrites)
	for i := range writes {
		writes[i] = put(fmt.Sprintf("k%06d", i), "")
	}
	pad := (engine.MaxBytes - engine.Size(writes)) / len(writes)
	for i := range writes {
		writes[i].Value = bytes.Repeat([]byte{byte(i)}, pad)
	}
	apply(t, e, writes...)
	got := dump(t, e, nil, nil)
	if len(got) != len(writes) {
		t.Fatalf("%d keys, want %d", len(got), len(writes))
	}
	for i, p := range got {
		if p.key != string(writes[i].Key) || p.value != string(writes[i].Value) {
			t.Fatalf("key %d is %q with %d bytes", i, p.key, len(p.value))
		}
	}
	huge := bytes.Repeat([]byte("锁药费"), engine.MaxValue)[:engine.MaxValue]
	apply(t, e, put("huge", string(huge)))
	want(t, e, "huge", huge)
}
