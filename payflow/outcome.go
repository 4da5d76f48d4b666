package payflow

import "errors"

// What an outside call can come to, as a Trouble's kind.
const (
	kindDone          = "done"
	kindPending       = "pending"       // being found out
	kindUnavailable   = "unavailable"   // certainly nothing happened
	kindMisconfigured = "misconfigured" // our calls as such are refused: alert, never refund because of it
	kindUnsettled     = "unsettled"     // the last attempt could still be applied
	kindUnknown       = "unknown"       // anything may have happened
	kindRefused       = "refused"
	kindShort         = "short"
	kindEnded         = "ended"
	kindConfirmed     = "confirmed"
	kindNotFound      = "not_found"
	kindForgotten     = "forgotten"  // of before a restore, and the HIS cannot be asked
	kindNotEnough     = "not_enough" // the merchant's balance
	kindPanic         = "panic"
)

// The outside calls, as a Trouble's op.
const (
	opCheck       = "check"
	opLock        = "lock"
	opConfirm     = "confirm"
	opRelease     = "release"
	opCancel      = "cancel_his_order"
	opPrepay      = "prepay"
	opQuery       = "query"
	opClose       = "close"
	opRefund      = "refund"
	opRefundQuery = "refund_query"
)

// outcomeOf names the kind of an error of either port. What is not recognised is
// unknown: nothing may be concluded from it.
func outcomeOf(err error) string {
	var short *ShortError
	var refused *RefusedError
	var channel *ChannelError
	switch {
	case err == nil:
		return kindDone
	case errors.As(err, &short):
		return kindShort
	case errors.As(err, &refused):
		return kindRefused
	case errors.As(err, &channel):
		switch channel.Outcome {
		case ChannelRefused:
			return kindRefused
		case ChannelNotSent:
			return kindUnavailable
		case ChannelMisconfigured:
			return kindMisconfigured
		default:
			return kindUnknown
		}
	case errors.Is(err, ErrForgotten):
		return kindForgotten
	case errors.Is(err, ErrPending):
		return kindPending
	case errors.Is(err, ErrUnavailable):
		return kindUnavailable
	case errors.Is(err, ErrMisconfigured):
		return kindMisconfigured
	case errors.Is(err, ErrUnsettled):
		return kindUnsettled
	case errors.Is(err, ErrEnded):
		return kindEnded
	case errors.Is(err, ErrConfirmed):
		return kindConfirmed
	case errors.Is(err, ErrNotFound):
		return kindNotFound
	default:
		return kindUnknown
	}
}

// codeOf is the other side's own code, "" when it gave none.
func codeOf(err error) string {
	var refused *RefusedError
	var channel *ChannelError
	switch {
	case errors.As(err, &refused):
		return refused.Code
	case errors.As(err, &channel):
		return channel.Code
	default:
		return ""
	}
}

// retryLater notes that a call did not bring the order further.
func (u *unit) retryLater(op string, err error) {
	u.fail(op, outcomeOf(err), codeOf(err), err.Error())
}

// refusedWith tells whether WeChat refused with one of the codes, verified.
func refusedWith(err error, codes ...string) bool {
	var c *ChannelError
	if !errors.As(err, &c) || c.Outcome != ChannelRefused {
		return false
	}
	for _, code := range codes {
		if c.Code == code {
			return true
		}
	}
	return false
}
