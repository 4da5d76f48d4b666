package guard

import (
	"fmt"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// Cause says why the guard did not let a call go.
type Cause string

// The causes of a rejection.
const (
	CauseBreakerOpen   Cause = "breaker_open"
	CauseHalfOpen      Cause = "half_open"     // probes are under way
	CauseQueueFull     Cause = "queue_full"    // too many of its class wait
	CauseGaveUp        Cause = "gave_up"       // its caller's time ended while it waited for a slot
	CauseTooLate       Cause = "too_late"      // its caller's time will end before its turn can come
	CauseLimited       Cause = "limited"       // one of the last three, for the rate's sake
	CauseMisconfigured Cause = "misconfigured" // the operation is paused
)

// Rejection is the cause inside an *hisadapter.Error of a call that the guard
// itself turned away. Nothing was sent.
type Rejection struct {
	Cause Cause
	Class Class
	Err   error // the caller's own end of time, if that was it

	wait time.Duration // what a turn would have taken at the least, as far as is known
}

// Error says the cause in words.
func (r *Rejection) Error() string {
	if r.Err != nil {
		return fmt.Sprintf("guard: %s (class %s): %v", r.Cause, r.Class, r.Err)
	}
	return fmt.Sprintf("guard: %s (class %s)", r.Cause, r.Class)
}

// Unwrap returns the caller's own end of time, or nil.
func (r *Rejection) Unwrap() error { return r.Err }

func (r *Rejection) notSent(op string, retryAfter time.Duration) error {
	return &hisadapter.Error{
		Op: op, Outcome: hisadapter.NotSent, RetryAfter: max(retryAfter, minRetryAfter), Err: r,
	}
}

// minRetryAfter keeps callers from knocking without pause.
const minRetryAfter = 100 * time.Millisecond
