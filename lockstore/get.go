package lockstore

import (
	"context"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// Get returns the newest attempt of a principal's order, or of anybody's when
// principal is empty; a tombstone where there is nothing else. It blocks until
// what it returns is durable.
//
// Errors: ErrNotFound, also for a stranger's [E1]; ErrOutcomeUnknown, ErrClosed,
// or ctx's.
func (l *Ledger) Get(ctx context.Context, principal, orderNo string) (Lock, error) {
	var out *Lock
	err := l.read(ctx, principal, orderNo, func(v view) {
		a := v.top()
		if principal != "" {
			a = v.of(principal)
		}
		if a != nil {
			out = a.lock()
			return
		}
		out = l.anyTombstone(principal, orderNo)
	})
	switch {
	case err != nil:
		return Lock{}, err
	case out == nil:
		return Lock{}, ErrNotFound
	default:
		return *out, nil
	}
}

func (l *Ledger) anyTombstone(principal, orderNo string) *Lock {
	if principal != "" {
		return l.tombstone(principal, orderNo)
	}
	for p := range l.graves {
		if tomb := l.tombstone(p, orderNo); tomb != nil {
			return tomb
		}
	}
	return nil
}

// Attempts returns all attempts of an order, whoever made them, from the first;
// tombstones are none. It blocks until what it returns is durable.
//
// Errors: ErrOutcomeUnknown, ErrClosed, or ctx's.
func (l *Ledger) Attempts(ctx context.Context, orderNo string) ([]Lock, error) {
	p, err := l.readPast(orderNo, true)
	if err != nil {
		return nil, err
	}
	var out []Lock
	for {
		l.mu.Lock()
		if err := l.unusable(); err != nil {
			l.mu.Unlock()
			return nil, err
		}
		l.tick()
		v, ok := l.wholeView(orderNo, p)
		out = out[:0]
		for i := range v {
			out = append(out, *v[i].lock())
		}
		t := l.disk.Barrier()
		l.mu.Unlock()
		if ok {
			return out, l.await(ctx, t)
		}
		if p, err = l.readPast(orderNo, true); err != nil {
			return nil, err
		}
	}
}

// read shows f the view of an order and waits until that is durable [B2].
func (l *Ledger) read(ctx context.Context, principal, orderNo string, f func(view)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t, err := l.judge(orderNo, principal, false, func(v view, _ moment) engine.Ticket {
		f(v)
		return l.disk.Barrier()
	})
	if err != nil {
		return err
	}
	return l.await(ctx, t)
}
