package sqlhis

import (
	"testing"
	"time"
)

// Of many readers at once one asks, and nobody for a minute.
func TestClockIsAskedOnceAMinute(t *testing.T) {
	var c clock
	at := time.Now()
	for _, x := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {0, false}, {clockEvery - 1, false}, {clockEvery, true}, {clockEvery + time.Second, false}} {
		if got := c.turn(at.Add(x.after)); got != x.want {
			t.Errorf("after %s: %t", x.after, got)
		}
	}
}
