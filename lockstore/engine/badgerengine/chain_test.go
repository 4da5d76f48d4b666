package badgerengine

import (
	"encoding/binary"
	"testing"
)

// However long it grows, the chain is consecutive and bounded, and its last link
// says where it begins.
func TestChainIsBounded(t *testing.T) {
	links := map[string]uint64{}
	var c chain
	for n := uint64(1); n <= 3*chainLength; n++ {
		next, writes := c.next()
		for _, w := range writes {
			if w.Delete {
				delete(links, string(w.Key))
			} else {
				links[string(w.Key)] = binary.BigEndian.Uint64(w.Value)
			}
		}
		c = next
		if c.newest != n || links[string(link(n))] != c.oldest {
			t.Fatalf("after %d links: %+v, the last says %d", n, c, links[string(link(n))])
		}
		if expected := min(n, chainLength); uint64(len(links)) != expected || c.newest+1-c.oldest != expected {
			t.Fatalf("after %d links %d are kept, from %d on", n, len(links), c.oldest)
		}
		for k := c.oldest; k <= c.newest; k++ {
			if _, ok := links[string(link(k))]; !ok {
				t.Fatalf("after %d links: %d is missing", n, k)
			}
			if n > 2*chainLength {
				break
			}
		}
	}
}
