package feedtest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// Source is one place of a source (a stream, a queue, a topic, a table) that a
// test has to itself, and the hand on its other side. What an optional field
// leaves out is not tested.
type Source struct {
	// Driver reads the place, and reaches the server through Proxy alone.
	Driver feed.Driver
	Proxy  *Proxy
	// Publish puts bodies into a lane in their order and returns when the server
	// keeps them, through a restart too. It reaches the server past the proxy.
	Publish func(t testing.TB, lane int, bodies []string)
	// Lanes is the number of lanes (partitions) within which the source keeps an
	// order; 0 is 1.
	Lanes int

	// Kill ends the server as a crash would and starts it again over the same disk,
	// behind the same proxy. Optional.
	Kill func(t testing.TB)
	// Buried reads what lies in the dead letter place. Optional, for drivers that
	// are a feed.Burier.
	Buried func(t testing.TB) []Letter
	// Held says how many messages the server has given to the driver without having
	// an acknowledgement for them. Optional.
	Held func(t testing.TB) int
	// LookBegins says that a look of the driver shows what is published from its
	// beginning on, and not what waits.
	LookBegins bool
	// Lag says that the driver tells how many messages wait.
	Lag bool
	// Silence says that the driver notices by itself, and with these settings within
	// seconds, that nothing comes over its connection any more.
	Silence bool
}

// Letter is a dead letter.
type Letter struct{ Body, ID, Reason string }

func (s *Source) lanes() int { return max(s.Lanes, 1) }

// publish puts the numbers from first to last into every lane.
func (s *Source) publish(t testing.TB, first, last int) {
	t.Helper()
	s.publishWide(t, first, last, 0)
}

// publishWide makes the bodies so many bytes wide.
func (s *Source) publishWide(t testing.TB, first, last, width int) {
	t.Helper()
	for lane := range s.lanes() {
		bodies := make([]string, 0, last-first+1)
		for n := first; n <= last; n++ {
			bodies = append(bodies, fmt.Sprintf("%-*s", width, body(lane, n)))
		}
		s.Publish(t, lane, bodies)
	}
}

func body(lane, n int) string { return strconv.Itoa(lane) + "/" + strconv.Itoa(n) }

// number reads a body; blanks behind the number make it as long as one likes.
func number(b []byte) (lane, n int, ok bool) {
	l, r, ok := strings.Cut(strings.TrimRight(string(b), " "), "/")
	lane, err1 := strconv.Atoi(l)
	n, err2 := strconv.Atoi(r)
	return lane, n, ok && err1 == nil && err2 == nil
}
