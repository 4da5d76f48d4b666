package feedtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// patience is how long a test bears it that no message comes: a busy machine is
// twenty times slower.
const patience = 2 * time.Minute

// reader stands where the feed stands and checks what a driver delivers.
type reader struct {
	t     testing.TB
	batch int
	// hook, where there is one, sees a batch before it is taken; with an error the
	// batch is refused.
	hook func(context.Context, []feed.Message) error

	mu         sync.Mutex
	lanes      []lane
	known      map[string]string // body → ID, of the messages since the last restart of a Run
	batches    int
	deliveries int
	lag        int64
	maxLag     int64
	losses     int // of Disconnected
	connected  bool
	delivering bool
	faults     int
	changed    chan struct{} // closed at every change
}

// lane is one order of messages, numbered from 1.
type lane struct {
	at    int   // the last one delivered in this Run; 0: none yet
	seq   int64 // and its sequence
	done  int   // all up to here were delivered, and acknowledged or asked to be
	floor int   // all up to here were acknowledged for certain
}

func newReader(t testing.TB, s *Source, batch int) *reader {
	return &reader{
		t: t, batch: batch, lanes: make([]lane, s.lanes()),
		known: map[string]string{}, changed: make(chan struct{}),
	}
}

func (r *reader) sink() feed.Sink {
	return feed.Sink{
		Deliver:      r.deliver,
		Batch:        r.batch,
		Connected:    func() { r.change(func() { r.connect() }) },
		Disconnected: func(error) { r.change(func() { r.lose() }) },
		Lag:          func(n int64) { r.change(func() { r.lag, r.maxLag = n, max(r.maxLag, n) }) },
		Missed:       func(what string) { r.change(func() { r.fault("told that messages are lost: %s", what) }) },
	}
}

func (r *reader) connect() {
	if r.connected {
		r.fault("Connected twice")
	}
	r.connected = true
}

func (r *reader) lose() {
	r.connected = false
	r.losses++
	r.rewind()
}

// begin begins a Run: messages may come again, from any that was not
// acknowledged for certain.
func (r *reader) begin() {
	r.change(func() {
		r.connected = false
		r.rewind()
	})
}

func (r *reader) rewind() {
	for i := range r.lanes {
		r.lanes[i].at = 0
	}
}

// certain says that the last Run ended in good order: what was done then was
// acknowledged.
func (r *reader) certain() {
	r.change(func() {
		for i := range r.lanes {
			r.lanes[i].floor = r.lanes[i].done
		}
	})
}

// doubt says that the server is going to crash: it may have stored no
// acknowledgement yet.
func (r *reader) doubt() {
	r.change(func() {
		for i := range r.lanes {
			r.lanes[i].floor = 0
		}
	})
}

func (r *reader) deliver(ctx context.Context, batch []feed.Message) error {
	r.change(func() { r.enter(batch) })
	var err error
	if r.hook != nil {
		err = r.hook(ctx, batch)
	}
	r.change(func() {
		r.delivering = false
		if err != nil {
			return
		}
		for i := range r.lanes {
			r.lanes[i].done = max(r.lanes[i].done, r.lanes[i].at)
		}
	})
	return err
}

// enter checks a batch.
func (r *reader) enter(batch []feed.Message) {
	if r.delivering {
		r.fault("Deliver is called while it runs")
	}
	if !r.connected {
		r.fault("Deliver is called before Connected")
	}
	if len(batch) == 0 || len(batch) > r.batch {
		r.fault("a batch of %d messages, of at most %d", len(batch), r.batch)
	}
	r.delivering = true
	r.batches++
	r.deliveries += len(batch)
	for i := range batch {
		r.check(&batch[i])
	}
}

func (r *reader) check(m *feed.Message) {
	laneNo, n, ok := number(m.Body)
	if !ok || laneNo < 0 || laneNo >= len(r.lanes) {
		r.fault("a message that nobody published: %q", m.Body)
		return
	}
	l := &r.lanes[laneNo]
	switch {
	case l.at > 0 && n != l.at+1:
		r.fault("%d/%d delivered after %d/%d", laneNo, n, laneNo, l.at)
	case l.at == 0 && n > l.done+1:
		r.fault("%d/%d delivered first, %d/%d is lost", laneNo, n, laneNo, l.done+1)
	case n <= l.floor:
		r.fault("%d/%d delivered again after it was acknowledged", laneNo, n)
	}
	if m.Sequence != 0 {
		if l.at > 0 && m.Sequence <= l.seq {
			r.fault("%s has the sequence %d after %d", m.Body, m.Sequence, l.seq)
		}
		l.seq = m.Sequence
	}
	if m.ID == "" {
		r.fault("%s has no ID", m.Body)
	}
	key := body(laneNo, n)
	if id, again := r.known[key]; again && id != m.ID {
		r.fault("%s is %q, and was %q before", key, m.ID, id)
	}
	r.known[key] = m.ID
	l.at = n
}

// fault fails the test, and spares it the ten thousandth time.
func (r *reader) fault(format string, args ...any) {
	if r.faults++; r.faults <= 10 {
		r.t.Errorf(format, args...)
	}
}

func (r *reader) change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
	close(r.changed)
	r.changed = make(chan struct{})
}

// await waits until the condition holds, as long as something still changes.
func (r *reader) await(what string, holds func() bool) {
	r.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for seen := -1; ; {
		r.mu.Lock()
		ok, changed, faults, deliveries := holds(), r.changed, r.faults, r.deliveries
		state := fmt.Sprintf("%d batches, %d deliveries, lanes %+v, lag %d, connected %v", r.batches, deliveries, r.lanes, r.lag, r.connected)
		r.mu.Unlock()
		if ok {
			return
		}
		if faults > 0 {
			r.t.FailNow()
		}
		if deliveries > seen {
			seen = deliveries
			timeout.Reset(patience)
		}
		select {
		case <-changed:
		case <-timeout.C:
			r.t.Fatalf("%s: not after %v: %s", what, patience, state)
		}
	}
}

// all waits until every lane is done up to n.
func (r *reader) all(n int) {
	r.t.Helper()
	r.await(fmt.Sprintf("all messages up to %d", n), func() bool { return r.doneLocked(n) })
}

func (r *reader) doneLocked(n int) bool {
	for _, l := range r.lanes {
		if l.done < n {
			return false
		}
	}
	return true
}

func (r *reader) count() (batches, deliveries int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.batches, r.deliveries
}
