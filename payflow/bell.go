package payflow

import (
	"context"
	"slices"
	"time"
)

// bell wakes one waiting call when something happened to its order; rings that
// come together are one.
type bell struct{ rung chan struct{} }

func (s *Service) listen(no string) (b *bell, stop func()) {
	b = &bell{rung: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bells[no] = append(s.bells[no], b)
	return b, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		left := slices.DeleteFunc(s.bells[no], func(other *bell) bool { return other == b })
		if len(left) == 0 {
			delete(s.bells, no)
			return
		}
		s.bells[no] = left
	}
}

func (s *Service) ring(no string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.bells[no] {
		select {
		case b.rung <- struct{}{}:
		default:
		}
	}
}

// await returns the order once done says so, or as it stands after
// Settings.AnswerWithin. Errors: ErrStopped, the context's, or what the storage
// says.
func (s *Service) await(ctx context.Context, no string, done func(*Order) bool) (*Order, error) {
	b, stop := s.listen(no)
	defer stop()
	patience := time.NewTimer(s.set.AnswerWithin)
	defer patience.Stop()
	for late := false; ; {
		o, _, err := s.load(no)
		if err != nil {
			return nil, err
		}
		if o == nil {
			return nil, ErrNotFound
		}
		if late || done(o) {
			return o.clone(), nil
		}
		select {
		case <-b.rung:
		case <-patience.C:
			late = true
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.dead:
			return nil, ErrStopped
		}
	}
}
