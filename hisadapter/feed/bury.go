package feed

import (
	"context"
	"errors"
	"time"
)

// buryWithin bounds what a source's own place for dead letters may take.
const buryWithin = 5 * time.Second

// buryAgain is how long the source is spared dead letters, which go to the local
// file, after it was slow to fail with one: many of them would hold up the rest.
const (
	burySlow  = time.Second
	buryAgain = time.Minute
)

// bury puts a message that cannot be read where somebody finds it. It never
// fails: at the worst the message is a line of the log, and counted as lost.
func (f *Feed) bury(ctx context.Context, m *Message, reason string) {
	// Told each time: dead letters are rare, or everything is wrong.
	f.log.Warn("a message cannot be read", "id", m.ID, "reason", reason)
	if b, ok := f.o.Driver.(Burier); ok && f.o.Now().Sub(f.state.hungAt()) >= buryAgain {
		began := f.o.Now()
		ctx, cancel := context.WithTimeout(ctx, buryWithin)
		err := b.Bury(ctx, *m, reason)
		cancel()
		if err == nil {
			f.state.buried(true)
			return
		}
		if !errors.Is(err, ErrNoBurial) {
			if f.o.Now().Sub(began) >= burySlow {
				f.state.hung()
			}
			f.log.Warn("the source did not take a dead letter; it goes to the local file", "id", m.ID, "error", err)
		}
	}
	if err := f.o.Letters.Put(f.o.Name, m, reason, f.o.Now()); err != nil {
		f.state.buried(false)
		f.log.Error("a dead letter is lost: the local file does not take it", "id", m.ID, "reason", reason, "bytes", len(m.Body), "error", err)
		return
	}
	f.state.buried(true)
}
