package probe

import (
	"fmt"
	"slices"
	"strings"
)

// numberPrefix begins every number that a probe uses.
const numberPrefix = "HGPROBE"

// number is a his_no that was never used: the prefix, the seed of the run, and a
// letter.
func (p *probe) number() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	p.numbers++
	return numberPrefix + p.Seed + letters[p.numbers-1:p.numbers]
}

// unknown is the n-th of ids that no drug has: shaped like the first drug's, so
// that a HIS that wants digits has digits.
func (p *probe) unknown(n int) string {
	if p.Unknown != "" {
		if n == 0 {
			return p.Unknown
		}
		n--
	}
	for i := 0; ; i++ {
		id := shaped(p.DrugIDs[0], i)
		if slices.Contains(p.DrugIDs, id) || id == p.Unknown {
			continue
		}
		if n == 0 {
			return id
		}
		n--
	}
}

// shaped is the i-th id in the shape of another: all nines, counted down at the
// end.
func shaped(like string, i int) string {
	shape := []rune(strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return '9'
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
			return 'Z'
		default:
			return r
		}
	}, like))
	if i == 0 {
		return string(shape)
	}
	width, most := min(len(shape), 4), 10_000
	tail := fmt.Sprintf("%04d", most-1-i%most)[4-width:]
	return string(shape[:len(shape)-width]) + tail
}
