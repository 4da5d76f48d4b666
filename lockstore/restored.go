package lockstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/internal/tlv"
)

// Restore is what a folder knows of its last restore from a backup [B9].
//
//	(none) ──MarkRestored──► RECOVERING ──Recovered──► asking first ──AskFirstFor──► over
//
// While it is RECOVERING no attempt begins, and every active lock is asked about
// at the HIS. After that, until AskFirstFor is over, each new number is asked
// about before it is first used.
type Restore struct {
	At          time.Time     // when the folder was restored; zero = never
	RecoveredAt time.Time     // when all that the backup knew was looked at; zero = not yet
	From        time.Duration // the ledger's running time when it was first opened after; 0 = not noted
}

// AskFirstFor is how long after the end of the recovery a number is asked about
// at the HIS and at WeChat Pay before it is first used. An order_no that was given
// out between the backup and its restore can be paid for at most 110 minutes,
// WeChat repeats its notice of that for a day and 4 minutes, and the caller asks
// again as long as they were not answered: for a weekend, we take it.
const AskFirstFor = 72 * time.Hour

// Recovering reports whether the folder's recovery is still to be done.
func (r Restore) Recovering() bool { return !r.At.IsZero() && r.RecoveredAt.IsZero() }

// AskFirst reports whether somebody may know more of a number than we do.
func (r Restore) AskFirst(now time.Time) bool {
	return r.Recovering() || !r.At.IsZero() && now.Before(r.RecoveredAt.Add(AskFirstFor))
}

// MarkRestored marks a folder as restored from a backup, durably: what is opened
// on it next begins with the recovery, and no restart ends that. A mark that
// stands already is replaced. e is the engine of a folder on which neither a
// ledger nor a committer is at work; MarkRestored blocks for one disk sync.
//
// Errors: those of engine.Engine.Apply; then the folder must not be used.
func MarkRestored(e engine.Engine, at time.Time) error {
	if at.IsZero() {
		return errors.New("marking a restored folder: the time is missing")
	}
	// Epochs may begin anew here, so that an opening of then could be taken for the last.
	if err := e.Apply([]engine.Write{restoreWrite(Restore{At: plain(at)}), deleteWrite([]byte(keyRest))}); err != nil {
		return fmt.Errorf("marking a restored folder: %w", err)
	}
	return nil
}

// ReadRestore tells what a folder knows of its last restore. Errors: what the
// storage says, or a record that cannot be read.
func ReadRestore(e engine.Reader) (Restore, error) {
	var r Restore
	rec, err := e.Get([]byte(keyRestored))
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return r, nil
	case err != nil:
		return r, err
	}
	t := tlv.NewReader(rec)
	for t.Next() {
		switch t.Field() {
		case 1:
			r.At = t.Time()
		case 2:
			r.RecoveredAt = t.Time()
		case 3:
			r.From = time.Duration(t.Int())
		}
	}
	switch {
	case t.Err() != nil:
		return r, fmt.Errorf("the mark of a restore: %w", t.Err())
	case r.At.IsZero():
		return r, errors.New("the mark of a restore: without a time")
	}
	return r, nil
}

func restoreWrite(r Restore) engine.Write {
	w := tlv.NewWriter(32)
	w.Time(1, r.At)
	w.Time(2, r.RecoveredAt)
	w.Int(3, int64(r.From))
	return putWrite([]byte(keyRestored), w.Bytes())
}
