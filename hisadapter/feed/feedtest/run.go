package feedtest

import (
	"os"
	"strconv"
	"testing"
)

// Run holds a driver to the port's promises. open gives a fresh place each time
// and cleans up after itself.
func Run(t *testing.T, open func(t *testing.T) *Source) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, *Source)
	}{
		{"everything in order, nothing twice", testEverything},
		{"what waited while nobody ran", testWaiting},
		{"server killed in the middle", testKilled},
		{"connection cut in mid-batch", testCut},
		{"connection falls silent", testSilent},
		{"refused batches come again", testRefused},
		{"poison is buried, the rest flows", testPoison},
		{"burial without a connection fails", testNoBurial},
		{"slow readers bound what is fetched", testBackPressure},
		{"stops when told to", testStop},
		{"a look has no effect", testLook},
		{"server that is not there", testAbsent},
		{"finding takes nothing", testFind},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// howMany is the number of messages of the large tests.
func howMany(t testing.TB) int {
	s := os.Getenv("HISGATE_FEED_MESSAGES")
	if s == "" {
		return messages
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1000 {
		t.Fatalf("HISGATE_FEED_MESSAGES: %q is not a number from 1000 on", s)
	}
	return n
}

// begun runs the driver for one message of each lane: from now on the place keeps
// messages for it, wherever it begins the first time.
func begun(t testing.TB, s *Source, batch int) *reader {
	t.Helper()
	r := newReader(t, s, batch)
	f := start(t, s.Driver, r)
	r.await("connected", func() bool { return r.connected })
	s.publish(t, 1, 1)
	r.all(1)
	f.stop()
	r.certain()
	return r
}

// testEverything publishes while the driver runs, and again after it stopped in
// good order.
func testEverything(t *testing.T, s *Source) {
	r := begun(t, s, 256)
	n := howMany(t) / s.lanes()
	f := start(t, s.Driver, r)
	for first := 2; first <= n; first += n / 10 {
		s.publish(t, first, min(first+n/10-1, n))
	}
	r.all(n)
	if s.Lag {
		r.await("a lag of 0", func() bool { return r.lag == 0 })
	}
	f.stop()
	r.certain()
	if _, d := r.count(); d != n*s.lanes() {
		t.Errorf("%d deliveries of %d messages", d, n*s.lanes())
	}
	if errs := f.failures(); len(errs) > 0 {
		t.Errorf("Run failed: %v", errs)
	}

	f = start(t, s.Driver, r)
	s.publish(t, n+1, n+10) // and nothing of before
	r.all(n + 10)
	f.stop()
}

// testWaiting publishes while nobody runs.
func testWaiting(t *testing.T, s *Source) {
	r := begun(t, s, 100)
	s.publish(t, 2, 5000)
	f := start(t, s.Driver, r)
	r.all(5000)
	f.stop()
	if s.Lag && r.maxLag < 1000 {
		t.Errorf("5000 messages waited in each lane, and the greatest lag told was %d", r.maxLag)
	}
}
