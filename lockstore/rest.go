package lockstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/internal/tlv"
)

// Rest notes durably that no call to the HIS is under way, that the end of each
// one is recorded, and that none will be made before the next opening: so that a
// process which ended in order is not taken for one that lost its calls. It is the
// last word of whoever makes the calls, and counts for the very next opening only.
// It blocks for the disk.
//
// Errors: ErrOutcomeUnknown, ErrClosed, or ctx's; then the next opening takes calls
// for lost, which is safe.
func (l *Ledger) Rest(ctx context.Context) error {
	t, err := l.rest()
	if err != nil {
		return err
	}
	return l.await(ctx, t)
}

func (l *Ledger) rest() (t engine.Ticket, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.unusable(); err != nil {
		return t, err
	}
	m := l.tick()
	// The next opening will find nothing lost.
	for len(l.marked) > 0 {
		l.storeMarks(m)
	}
	w := tlv.NewWriter(16)
	w.Uint(1, l.epoch)
	return l.append(m, putWrite([]byte(keyRest), w.Bytes())), nil
}

// readRest returns the epoch of the opening that ended with the last Rest, 0 for
// none.
func readRest(disk engine.Reader) (epoch uint64, err error) {
	rec, err := disk.Get([]byte(keyRest))
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	}
	r := tlv.NewReader(rec)
	for r.Next() {
		if r.Field() == 1 {
			epoch = r.Uint()
		}
	}
	if r.Err() != nil {
		return 0, fmt.Errorf("the note of the last end: %w", r.Err())
	}
	return epoch, nil
}
