package lockstore

import "time"

// Stamp orders readings and acknowledgements. It is taken from the ledger before
// the call to the HIS is queued, so that a reading with the later stamp cannot
// have been made before the earlier one's acknowledgement. Wall clocks never
// order anything [A2].
type Stamp struct {
	Epoch   uint64 // of the opened folder, rises with every opening
	Counter uint64
}

// Compare returns -1, 0 or 1 as s is earlier than, equal to or later than o.
func (s Stamp) Compare(o Stamp) int {
	switch {
	case s.Epoch != o.Epoch:
		if s.Epoch < o.Epoch {
			return -1
		}
		return 1
	case s.Counter != o.Counter:
		if s.Counter < o.Counter {
			return -1
		}
		return 1
	default:
		return 0
	}
}

// Reading is what the HIS said of one key, as far as availability needs it.
type Reading struct {
	Stamp    Stamp
	Began    time.Duration // Clock.Mono when the call was queued; figure_lag counts to it [A4]
	OnHand   int64         // smallest dispensing units
	Multiple int64         // the step in which it is sold; 0 and 1 mean any
}

// Availability is the judgement of one key.
type Availability struct {
	Held      int64 // holds that the reading cannot know of
	Safety    int64
	Available int64 // on-hand − held − safety, floored to the multiple, never below 0
}

// Clock is the ledger's time. Now labels records and is compared with
// expire_time; Mono never jumps and drives timers and lags.
type Clock interface {
	Now() time.Time
	Mono() time.Duration
}
