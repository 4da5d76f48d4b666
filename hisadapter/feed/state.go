package feed

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// Phase is where a feed's connection stands.
type Phase uint8

// The phases; doc.go draws them.
const (
	Connecting   Phase = iota // Run has begun, and nothing can arrive yet
	Connected                 // messages can arrive
	Disconnected              // the driver mends its connection
	Waiting                   // the driver has given up; it is called again after a pause
)

// String returns the phase as metrics show it.
func (p Phase) String() string {
	return [...]string{"connecting", "connected", "disconnected", "waiting"}[p]
}

// DelayBounds are the upper bounds of State.Delays, in seconds.
var DelayBounds = [...]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

// State is what is known of a feed at one moment. Counts are since New.
type State struct {
	Name   string
	Phase  Phase
	Since  time.Time     // when the phase began
	Err    error         // of the last connection that failed; nil while connected
	Lag    int64         // messages that wait at the source; -1 = it does not say
	Quiet  time.Duration // since the last message, or since New where there was none
	Silent bool          // Quiet is more than the settings allow

	Taken   uint64 // messages that took effect, those with nothing to apply included
	Skipped uint64 // of these, messages that are about no change
	Dead    uint64 // messages that could not be read, or not all of them, and were buried
	Lost    uint64 // the same, and could not even be buried
	Refused uint64 // posts that were turned away: not signed, too old, seen before
	Losses  uint64 // connections that were lost, and tries that failed
	Gaps    uint64 // times that the source had lost changes, where it says

	Applied uint64 // changes shown to readers
	Older   uint64 // changes dropped because a later one of the key came before
	Ignored uint64 // rows that are nobody's here

	// Delays counts, by DelayBounds and above, how long changes took from their time
	// at the source to readers; DelaySum is the sum. Clocks of two machines are
	// compared; less than nothing counts as nothing.
	Delays   [len(DelayBounds) + 1]uint64
	DelaySum time.Duration
}

// tracker keeps the state.
type tracker struct {
	o      *Options
	driven bool

	mu    sync.Mutex
	s     State
	heard time.Time // when the last message came
	hang  time.Time // when the source was last slow to fail with a dead letter
}

func (t *tracker) open(o *Options) {
	t.o, t.driven = o, o.Driver != nil
	t.s = State{Name: o.Name, Since: o.Now(), Lag: -1}
	t.heard = t.s.Since
	if !t.driven {
		t.s.Phase = Connected
	}
}

// State returns what is known now.
func (f *Feed) State() State {
	t := &f.state
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.s
	s.Quiet = f.o.Now().Sub(t.heard)
	s.Silent = f.o.SilentAfter > 0 && s.Quiet > f.o.SilentAfter
	return s
}

// lateConnect is how long a first connection may take before health complains.
const lateConnect = 10 * time.Second

// Health returns in words why the feed is degraded; nothing when all is well.
func (f *Feed) Health() []string {
	s := f.State()
	since := f.o.Now().Sub(s.Since).Round(time.Second)
	switch {
	case s.Phase == Connecting && s.Err == nil && since < lateConnect, s.Phase == Connected:
	case s.Err != nil:
		return []string{fmt.Sprintf("feed %s: %s for %v: %v", s.Name, s.Phase, since, s.Err)}
	default:
		return []string{fmt.Sprintf("feed %s: %s for %v", s.Name, s.Phase, since)}
	}
	if s.Silent {
		return []string{fmt.Sprintf("feed %s: no message for %v (silent_after)", s.Name, s.Quiet.Round(time.Second))}
	}
	return nil
}

// enter begins a phase, unless it is the one that is; under mu.
func (t *tracker) enter(p Phase) bool {
	if t.s.Phase == p {
		return false
	}
	t.s.Phase, t.s.Since = p, t.o.Now()
	return true
}

// connecting keeps the time of the trouble: a try that has begun mends nothing.
func (t *tracker) connecting() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.s.Err == nil {
		t.enter(Connecting)
	}
}

func (t *tracker) connected() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.Err = nil
	return t.enter(Connected)
}

func (t *tracker) disconnected(err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		err = errors.New("the connection was lost")
	}
	news := t.enter(Disconnected)
	if t.s.Err = err; news {
		t.s.Losses++
	}
	return news
}

// lost notes that Run returned, and says how long the connection stood.
func (t *tracker) lost(err error) (stood time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.s.Phase == Connected {
		stood = t.o.Now().Sub(t.s.Since)
	}
	t.s.Err, t.s.Lag = err, -1
	t.s.Losses++
	t.enter(Waiting)
	return stood
}

func (t *tracker) ended() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.enter(Waiting)
}

func (t *tracker) lag(messages int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.Lag = messages
}

// took notes what a message brought.
func (t *tracker) took(said *httphis.Changes, applied, dropped int) {
	now := t.o.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heard = now
	t.s.Taken++
	if said.Skipped != "" {
		t.s.Skipped++
	}
	t.s.Applied += uint64(applied)
	t.s.Older += uint64(dropped)
	t.s.Ignored += uint64(said.Ignored)
	for i := range said.List {
		if at := said.List[i].At; !at.IsZero() {
			t.delay(max(now.Sub(at), 0))
		}
	}
}

func (t *tracker) delay(d time.Duration) {
	i := 0
	for i < len(DelayBounds) && d.Seconds() > DelayBounds[i] {
		i++
	}
	t.s.Delays[i]++
	t.s.DelaySum += d
}

// buried notes a dead letter, which is none of the messages that were taken.
func (t *tracker) buried(kept bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.Taken--
	if kept {
		t.s.Dead++
	} else {
		t.s.Lost++
	}
}

// hung notes that the source was slow to fail with a dead letter.
func (t *tracker) hung() {
	now := t.o.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hang = now
}

// hungAt is when that was last; zero where it never was.
func (t *tracker) hungAt() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hang
}

func (t *tracker) missed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.Gaps++
}

func (t *tracker) refused() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.Refused++
}
