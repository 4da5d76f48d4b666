package systems

import (
	"fmt"
	"strconv"
)

// OrderNo is the order number of a call: 14 characters, as they sort.
func OrderNo(i int64) string {
	b := []byte("RX000000000000")
	digits := strconv.AppendInt(make([]byte, 0, 20), i, 10)
	copy(b[len(b)-len(digits):], digits)
	return string(b)
}

// Drugs names so many drugs, sorted.
func Drugs(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%08d", 10000+i)
	}
	return out
}

// Basket picks the drugs of call i: so many next to each other, anywhere among
// all, and so that neighbours in time are far apart.
func Basket(drugs []string, items int, i int64) []string {
	groups := int64(len(drugs) / items)
	at := (i * 7919 % groups) * int64(items)
	return drugs[at : at+int64(items)]
}
