package sparse_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/internal/sparse"
)

// Of a flood sixty lines a minute are let through, and the rest is counted.
func TestLet(t *testing.T) {
	var l sparse.Lines
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	flood := func(n int) (let, missing int) {
		for range n {
			ok, m := l.Let(at)
			if ok {
				let++
			}
			missing += m
			at = at.Add(time.Millisecond)
		}
		return let, missing
	}
	if let, missing := flood(1000); let != 60 || missing != 0 {
		t.Errorf("%d of 1000 let through, %d missing", let, missing)
	}
	at = at.Add(time.Minute)
	if let, missing := flood(1); let != 1 || missing != 940 {
		t.Errorf("the next minute: %d, %d missing", let, missing)
	}
	at = at.Add(-time.Hour) // a clock that was set back
	if let, missing := flood(61); let != 60 || missing != 0 {
		t.Errorf("an hour earlier: %d, %d missing", let, missing)
	}
}
