package payflow

import "context"

// Watch calls fn with the order now and after each change, one at a time; changes
// that come together are one. It blocks until ctx ends (its error) or fn returns
// an error (that one). Errors: ErrNotFound, ErrBusy.
func (s *Service) Watch(ctx context.Context, principal, orderNo string, fn func(Order) error) error {
	if err := s.alive(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.watchers >= s.set.MaxWatchers {
		s.mu.Unlock()
		return ErrBusy
	}
	s.watchers++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.watchers--
		s.mu.Unlock()
	}()
	b, stop := s.listen(orderNo)
	defer stop()
	for seen := int64(0); ; {
		o, err := s.Get(ctx, principal, orderNo)
		if err != nil {
			return err
		}
		if o.Version > seen {
			seen = o.Version
			if err := fn(o); err != nil {
				return err
			}
		}
		select {
		case <-b.rung:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.dead:
			return ErrStopped
		}
	}
}
