package gateway

import (
	"errors"
	"sync/atomic"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
)

// Result is what became of a call of Lock or Confirm, for rates. Calls that were
// wrong in themselves, or that nobody waited for, have none.
type Result uint8

// The results of Lock and Confirm.
const (
	ResultDone    Result = iota // the stock is held, or deducted
	ResultShort                 // there is not enough of it
	ResultRefused               // the HIS refused for another reason
	ResultFailed                // the HIS could not be asked, or its word is not known yet
	results
)

// String returns the result as it stands in metrics.
func (r Result) String() string {
	switch r {
	case ResultDone:
		return "done"
	case ResultShort:
		return "short"
	case ResultRefused:
		return "refused"
	case ResultFailed:
		return "failed"
	default:
		return "invalid"
	}
}

// resultOf reads the answer of a Lock or a Confirm; false when it is none of the
// HIS's or of the stock's, such as a wrong request or a shutdown.
func resultOf(err error) (Result, bool) {
	if err == nil {
		return ResultDone, true
	}
	if _, short := errors.AsType[*lockstore.ShortageError](err); short {
		return ResultShort, true
	}
	if r, refused := errors.AsType[*HISRefusedError](err); refused {
		if r.Kind == hisadapter.Insufficient {
			return ResultShort, true
		}
		return ResultRefused, true
	}
	_, unusable := errors.AsType[*HISError](err)
	return ResultFailed, unusable || errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrOverloaded)
}

// outcomes counts results.
type outcomes [results]atomic.Uint64

func (o *outcomes) count(err error) {
	if r, ok := resultOf(err); ok {
		o[r].Add(1)
	}
}

func (o *outcomes) read() map[Result]uint64 {
	m := make(map[Result]uint64, results)
	for r := range results {
		m[r] = o[r].Load()
	}
	return m
}
