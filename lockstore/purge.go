package lockstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

const (
	// purgePiece is how many PurgeAll purges in a go.
	purgePiece = 100
	// purgeRest is how many times as long as a piece took it rests after it.
	purgeRest = 4
)

// PurgeAll is Purge until nothing is left, and returns how many. It works a piece
// at a time and rests most of the time, so that commands hardly notice: without
// that a long purge makes each wait ten times as long. Errors: those of Purge.
func (l *Ledger) PurgeAll(ctx context.Context) (total int, err error) {
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return total, ctx.Err()
		case <-rest.C:
		}
		began := time.Now()
		n, err := l.Purge(ctx, purgePiece)
		total += n
		if err != nil || n < purgePiece {
			return total, err
		}
		rest.Reset(purgeRest * time.Since(began))
	}
}

// Purge forgets up to limit ended locks and tombstones that are older than the
// retention, oldest first, and returns how many. While the clock is in doubt it
// does nothing. All attempts of an order go together, so that a number at the
// HIS is not given out twice. It blocks until that is durable.
//
// Errors: ErrOutcomeUnknown, ErrClosed, or ctx's.
func (l *Ledger) Purge(ctx context.Context, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	l.mu.Lock()
	if err := l.unusable(); err != nil {
		l.mu.Unlock()
		return 0, err
	}
	m := l.tick()
	if l.watch.err() != nil {
		l.mu.Unlock()
		return 0, nil
	}
	tombs, t := l.purgeTombstones(m, limit)
	from := l.purged
	l.mu.Unlock()
	if err := l.await(ctx, t); err != nil {
		return 0, err
	}
	ended, err := l.purgeEnded(ctx, m, from, limit-tombs)
	return tombs + ended, err
}

func (l *Ledger) purgeTombstones(m moment, limit int) (n int, t engine.Ticket) {
	cut := m.wall.Add(-l.opts.Retention)
	for principal, g := range l.graves {
		for n < limit {
			old, ok := g.oldest()
			if !ok || old.at.After(cut) {
				break
			}
			t = l.append(m, l.exhume(principal, old.orderNo)...)
			n++
		}
	}
	return n, t
}

// purgeEnded walks the index from where the last purge ended, so that it does
// not walk again over what was deleted.
func (l *Ledger) purgeEnded(ctx context.Context, m moment, from []byte, limit int) (n int, err error) {
	if from == nil {
		from = []byte(prefixIndex)
	}
	var last engine.Ticket
	for advance := true; n < limit; {
		old, err := l.oldest(ctx, from, m.wall.Add(-l.opts.Retention), limit-n)
		if err != nil {
			return n, err
		}
		for _, k := range old {
			t, deleted, err := l.purgeOne(m, k)
			if err != nil {
				return n, err
			}
			if deleted {
				n++
				last = t
			} else {
				advance = false // the next purge looks at it again
			}
			from = append(k, 0)
			if advance {
				l.mu.Lock()
				l.purged = from
				l.mu.Unlock()
			}
		}
		if len(old) == 0 {
			break
		}
	}
	return n, l.await(ctx, last)
}

// oldest returns up to limit index keys of locks made before cut.
func (l *Ledger) oldest(ctx context.Context, from []byte, cut time.Time, limit int) (keys [][]byte, err error) {
	err = l.disk.Engine().Scan(from, indexStart(nil, cut), func(k, _ []byte) error {
		if len(keys) >= limit {
			return engine.ErrStop
		}
		keys = append(keys, bytes.Clone(k))
		return ctx.Err()
	})
	if err != nil {
		return nil, l.readError(err)
	}
	return keys, nil
}

// purgeOne deletes one ended attempt with its index, unless an attempt of its
// order has ended, or lives, within the retention.
func (l *Ledger) purgeOne(m moment, key []byte) (t engine.Ticket, deleted bool, err error) {
	_, id, err := parseIndexKey(key)
	if err != nil {
		return t, false, fmt.Errorf("key %q: %w", key, err)
	}
	p, err := l.readPast(id.OrderNo, true)
	if err != nil {
		return t, false, err
	}
	cut := m.wall.Add(-l.opts.Retention)
	young := slices.ContainsFunc(p.locks, func(lock *Lock) bool { return lock.UpdatedAt.After(cut) })
	l.mu.Lock()
	defer l.mu.Unlock()
	if young || l.orders[id.OrderNo] != nil || len(l.ended.now[id.OrderNo])+len(l.ended.last[id.OrderNo]) > 0 {
		return t, false, nil
	}
	return l.append(m, deleteWrite(key), deleteWrite(attemptKey(prefixEnded, id))), true, nil
}
