package lockstore

import (
	"bytes"
	"testing"
	"time"
)

// Keys come back as they were, sort as their orders and attempts do, and stay
// within the range of their order, whatever the ids are.
func FuzzKeys(f *testing.F) {
	f.Add("RX1", "RX10", 1, 2, int64(0))
	f.Add("订单", "00010041", 1, 300, int64(1)<<60)
	f.Add("9007199254740993", "9007199254740992", 1<<31-1, 1, int64(-5))
	f.Fuzz(func(t *testing.T, a, b string, m, n int, nanos int64) {
		if checkID("a", a) != nil || checkID("b", b) != nil || min(m, n) < 1 || max(m, n) > 1<<31-1 || nanos < 0 {
			return
		}
		x, y := ID{a, m}, ID{b, n}
		kx, ky := attemptKey(prefixEnded, x), attemptKey(prefixEnded, y)
		if bytes.Equal(kx, ky) != (x == y) {
			t.Fatalf("%v and %v have the keys %q and %q", x, y, kx, ky)
		}
		if a == b && bytes.Compare(kx, ky) < 0 != (m < n) {
			t.Fatalf("attempts %d and %d do not sort", m, n)
		}
		start, end := orderRange(a)
		if within := bytes.Compare(start, ky) <= 0 && bytes.Compare(ky, end) < 0; within != (a == b) {
			t.Fatalf("the range of %q has %q: %v", a, b, within)
		}
		created := time.Unix(0, nanos).UTC()
		if c, id, err := parseIndexKey(indexKey(created, x)); err != nil || id != x || !c.Equal(created) {
			t.Fatalf("%v of %v came back as %v of %v (%v)", x, created, id, c, err)
		}
		if p, q, err := parsePairKey(prefixMorning, pairKey(prefixMorning, a, b)); err != nil || p != a || q != b {
			t.Fatalf("%q, %q came back as %q, %q (%v)", a, b, p, q, err)
		}
	})
}

// Garbled keys are refused or read, and never panic.
func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(prefixIndex))
	f.Add(indexKey(time.Unix(1, 0), ID{"RX1", 1}))
	f.Add(pairKey(prefixTombstone, "p", "RX1"))
	f.Fuzz(func(t *testing.T, k []byte) {
		_, _, _ = parseIndexKey(k)
		for _, prefix := range []string{prefixTombstone, prefixMorning} {
			if a, b, err := parsePairKey(prefix, k); err == nil && !bytes.Equal(pairKey(prefix, a, b), k) {
				t.Fatalf("%q was read as %q, %q", k, a, b)
			}
		}
	})
}
