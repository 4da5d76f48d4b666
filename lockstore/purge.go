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
	// purgeAttempts is how many attempts of one order go in one step: far more than
	// an order has, unless somebody asks for what is out of stock all day.
	purgeAttempts = 100
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
// does nothing. All attempts of an order go together, in one durable step and
// also beyond the limit, so that a number at the HIS is not given out twice. It
// blocks until that is durable.
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
	gone := map[string]bool{} // orders that went, which the disk may still have
	for advance := true; n < limit; {
		old, err := l.oldest(ctx, from, m.wall.Add(-l.opts.Retention), limit-n)
		if err != nil {
			return n, err
		}
		for _, k := range old {
			if n >= limit {
				break
			}
			_, id, err := parseIndexKey(k)
			if err != nil {
				return n, fmt.Errorf("key %q: %w", k, err)
			}
			if !gone[id.OrderNo] {
				t, deleted, whole, err := l.purgeOrder(m, id.OrderNo, k)
				if err != nil {
					return n, err
				}
				if deleted > 0 {
					n += deleted
					last, gone[id.OrderNo] = t, true
				}
				advance = advance && whole // else the next purge looks at it again
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

// purgeOrder deletes the ended attempts of an order with their index, of which the
// key is one, in one durable step, and returns how many: none when an attempt has
// ended, or lives, within the retention. whole is false when they are too many for
// one step: then the newest go first, so that the rest is found again.
func (l *Ledger) purgeOrder(m moment, orderNo string, key []byte) (t engine.Ticket, deleted int, whole bool, err error) {
	p, err := l.readPast(orderNo, true)
	if err != nil {
		return t, 0, false, err
	}
	cut := m.wall.Add(-l.opts.Retention)
	if slices.ContainsFunc(p.locks, func(lock *Lock) bool { return lock.UpdatedAt.After(cut) }) {
		return t, 0, false, nil
	}
	part := p.locks[max(len(p.locks)-purgeAttempts, 0):]
	whole = len(part) == len(p.locks)
	var writes []engine.Write
	if whole {
		writes = append(writes, deleteWrite(key)) // also where nothing stands behind it
	}
	for _, lock := range part {
		if index := indexKey(lock.CreatedAt, lock.ID()); !whole || !bytes.Equal(index, key) {
			writes = append(writes, deleteWrite(index))
		}
		writes = append(writes, deleteWrite(attemptKey(prefixEnded, lock.ID())))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.orders[orderNo] != nil || len(l.ended.now[orderNo])+len(l.ended.last[orderNo]) > 0 {
		return t, 0, false, nil
	}
	return l.append(m, writes...), max(len(part), 1), whole, nil
}
