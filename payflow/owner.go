package payflow

import "time"

// LockOwner answers the gateway about a lock whose expire_time has come [B6]. A
// lock is kept as long as its order may need it, and given back only when the
// order is durably over. It reads memory, or the store for an ended order, and
// asks nobody.
func (s *Service) LockOwner(orderNo string, attempt int) LockVerdict {
	now := s.now()
	o, _, err := s.load(orderNo)
	if err != nil {
		s.log.Error("lock owner", "order_no", orderNo, "error", err)
		return LockVerdict{Known: true, KeepUntil: now.Add(time.Minute)}
	}
	if o == nil {
		return LockVerdict{}
	}
	keep := func(t time.Time) LockVerdict {
		return LockVerdict{Known: true, KeepUntil: later(t, now.Add(time.Minute))}
	}
	if s.restored().asksAbout(o) {
		return keep(now) // WeChat may know better where it stands
	}
	switch o.State {
	case Closed, Rejected, Refunded:
		return LockVerdict{Known: true, Release: true}
	case Refunding:
		if !o.fenced() {
			return keep(now)
		}
		return LockVerdict{Known: true, Release: true}
	case NeedsAttention, Paid:
		return keep(now.Add(10 * time.Minute))
	case Fulfilled:
		if o.ByHand || attempt < o.Lock.Attempt {
			return LockVerdict{Known: true, Release: true}
		}
		return keep(now.Add(10 * time.Minute))
	default:
		return keep(o.PayDeadline.Add(time.Minute))
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
