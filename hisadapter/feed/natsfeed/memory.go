package natsfeed

import (
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// memory is what a driver remembers from one Run to the next, for when the consumer
// is deleted meanwhile, with its stream or alone: then another begins with what
// was not taken yet, and sequences go on rising. All times are the server's.
type memory struct {
	made   time.Time // when the consumer was made; zero = none was found yet
	since  time.Time // all messages before were taken; zero = nobody knows
	rising feed.Rising
}

// found notes the consumer, and reports whether it is another than before.
func (m *memory) found(s Settings, made time.Time) (another bool) {
	another = !m.made.IsZero() && !made.Equal(m.made)
	if another {
		m.rising.Anew()
	}
	if m.since.IsZero() && s.Start == StartNew {
		m.since = made
	}
	m.made = made
	return another
}

// took notes that a message was taken, which the stream stored at a time, and all
// before it.
func (m *memory) took(stored time.Time) {
	if stored.After(m.since) {
		m.since = stored
	}
}
