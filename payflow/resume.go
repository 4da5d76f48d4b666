package payflow

import (
	"cmp"
	"context"
	"slices"
)

// ResumeRefunds opens the hourly limit of automatic refunds again and lets the
// cases that it made go on, oldest first, as far as the new hour's limit reaches
// [D6]. Repeats of a request_id answer the same. Errors: *InvalidError,
// *EtagMismatchError, *RequestReusedError, ErrRecovering.
func (s *Service) ResumeRefunds(ctx context.Context, r ResumeRequest) (ResumeAnswer, error) {
	if err := s.alive(); err != nil {
		return ResumeAnswer{}, err
	}
	if s.restored().recovering() {
		return ResumeAnswer{}, ErrRecovering
	}
	if err := validRequestID(r.RequestID); err != nil {
		return ResumeAnswer{}, err
	}
	if !plain(r.Actor, idMax) {
		return ResumeAnswer{}, &InvalidError{Field: "actor", Reason: "is required"}
	}
	unlock, err := s.keys.lock(ctx, keyBrake) // "o/b" is no order_no
	if err != nil {
		return ResumeAnswer{}, err
	}
	defer unlock()
	made, repeat, err := s.openBrake(r)
	if err != nil {
		return ResumeAnswer{}, err
	}
	if !repeat || made.Unended {
		made.Resumed, made.Remaining = s.resumeCases(ctx, r)
		made.Unended = false
		if err := s.noteResume(made); err != nil {
			return ResumeAnswer{}, err
		}
	}
	return ResumeAnswer{
		Resumed: made.Resumed, Remaining: made.Remaining, Brake: s.brakeNow(),
		Next: wordsResumed(made.Resumed, made.Remaining),
	}, nil
}

// openBrake empties the hour, durably.
func (s *Service) openBrake(r ResumeRequest) (made resumeMade, repeat bool, err error) {
	u := &unit{s: s, no: keyBrake, cases: map[string]*Case{}}
	defer u.release()
	u.lockJudge()
	print := digest(r.Actor, r.Note)
	for _, m := range s.brake.Requests {
		if m.RequestID != r.RequestID {
			continue
		}
		if m.Digest != print {
			return resumeMade{}, false, &RequestReusedError{RequestID: r.RequestID}
		}
		return m, true, nil
	}
	if r.Etag != etag(s.brake.Version) {
		return resumeMade{}, false, &EtagMismatchError{Current: etag(s.brake.Version)}
	}
	made = resumeMade{RequestID: r.RequestID, Digest: print, Actor: r.Actor, Note: cut(r.Note, noteMax), At: s.now(), Unended: true}
	next := s.brake
	next.Times = nil
	next.Requests = append(slices.Clone(next.Requests), made)
	if n := len(next.Requests); n > resumesStored {
		next.Requests = next.Requests[n-resumesStored:]
	}
	if err := u.writeBrake(next); err != nil {
		return resumeMade{}, false, err
	}
	return made, false, u.commit()
}

// resumeCases sends the orders that the limit parked on; how many stay.
func (s *Service) resumeCases(ctx context.Context, r ResumeRequest) (resumed, remaining int) {
	s.mu.Lock()
	var parked []*Case
	for _, c := range s.cases {
		if c.Reason == CaseRefundLimit {
			parked = append(parked, c)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(parked, func(a, b *Case) int {
		return cmp.Or(a.OpenedAt.Compare(b.OpenedAt), cmp.Compare(a.ID, b.ID))
	})
	for _, c := range parked {
		if resumed >= s.set.AutoRefundsPerHour {
			remaining++
			continue
		}
		if _, err := s.change(ctx, c.OrderNo, func(u *unit) error {
			if u.o == nil {
				return ErrNotFound
			}
			_, err := u.fire(evResume, r.Actor, c.ID)
			u.o.Lock.Settled = false // hours may have passed: look again
			u.resend()
			return err
		}); err != nil {
			s.log.Warn("refund not resumed", "order_no", c.OrderNo, "error", err)
			remaining++
			continue
		}
		resumed++
	}
	return resumed, remaining
}

// noteResume keeps the outcome for repeats of the request.
func (s *Service) noteResume(made resumeMade) error {
	u := &unit{s: s, no: keyBrake, cases: map[string]*Case{}}
	defer u.release()
	u.lockJudge()
	next := s.brake
	next.Requests = slices.Clone(next.Requests)
	for i := range next.Requests {
		if next.Requests[i].RequestID == made.RequestID {
			next.Requests[i] = made
		}
	}
	if err := u.writeBrake(next); err != nil {
		return err
	}
	return u.commit()
}
