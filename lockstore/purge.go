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
	// purgePiece is how many locks PurgeAll purges in a go: so few that who waits
	// for the processor meanwhile, the group commit above all, waits a millisecond.
	purgePiece = 10
	// purgeRest is how many times as long as a piece took it rests after it.
	purgeRest = 4
	// purgeAttempts is how many attempts of one order go in one commit: far more than
	// an order has, unless somebody asks for what is out of stock all day.
	purgeAttempts = 100
)

// PurgeAll is Purge until nothing is left, and returns how many. It works a piece
// at a time and rests most of the time, so that commands hardly notice. Nothing
// remembers how far it came but the ledger itself: after a kill the next one goes
// on with what is left. Errors: those of Purge.
func (l *Ledger) PurgeAll(ctx context.Context) (total int, err error) {
	rest := time.NewTimer(0)
	defer rest.Stop()
	w := l.newWalk()
	for {
		select {
		case <-ctx.Done():
			return total, ctx.Err()
		case <-rest.C:
		}
		began := time.Now()
		n, err := l.purge(ctx, w, purgePiece)
		total += n
		if err != nil || n < purgePiece {
			return total, err
		}
		rest.Reset(purgeRest * time.Since(began))
	}
}

// Purge forgets ended locks and tombstones that are older than the retention,
// oldest first, until it has come to limit, and returns how many: all attempts of
// an order in one commit and also beyond the limit, so that no crash leaves a part
// of them and no number at the HIS is given out twice. While the clock is in doubt
// it does nothing. It blocks until that is durable.
//
// Errors: ErrOutcomeUnknown, ErrClosed, or ctx's.
func (l *Ledger) Purge(ctx context.Context, limit int) (int, error) {
	return l.purge(ctx, l.newWalk(), limit)
}

// walk is a purge's way through the index of the ended.
type walk struct {
	at   []byte // where it goes on
	left bool   // something stays behind it, at which the next walk looks again
}

// newWalk begins where the last walk ended, so that it does not walk again over
// what was deleted.
func (l *Ledger) newWalk() *walk {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &walk{at: l.purged}
}

// pass takes a walk past a key of the index.
func (l *Ledger) pass(w *walk, key []byte, gone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A lock that ended behind our back has moved the beginning of the next walk.
	w.left = w.left || !gone || !bytes.Equal(l.purged, w.at)
	w.at = append(key, 0)
	if !w.left {
		l.purged = w.at
	}
}

// purge is one piece of a walk. Purges take turns.
func (l *Ledger) purge(ctx context.Context, w *walk, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	l.purging.Lock()
	defer l.purging.Unlock()
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
	l.mu.Unlock()
	if err := l.await(ctx, t); err != nil {
		return 0, err
	}
	ended, err := l.purgeEnded(ctx, m, w, limit-tombs)
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

// purgeEnded goes on with a walk until it has forgotten so many locks, or there is
// nothing more that is old enough.
func (l *Ledger) purgeEnded(ctx context.Context, m moment, w *walk, limit int) (n int, err error) {
	cut := m.wall.Add(-l.opts.Retention)
	var last engine.Ticket
	for n < limit && err == nil {
		var keys [][]byte
		if keys, err = l.oldest(ctx, w.at, cut, limit-n); len(keys) == 0 {
			break
		}
		for _, key := range keys {
			var t engine.Ticket
			var locks int
			var gone bool
			if n >= limit {
				break
			}
			if locks, t, gone, err = l.purgeOrder(m, cut, key); err != nil {
				break
			}
			if locks > 0 {
				n, last = n+locks, t
			}
			l.pass(w, key, gone)
		}
	}
	if left := l.left(ctx, last); left != nil {
		return 0, left
	}
	return n, err
}

// oldest returns up to limit index keys of locks made before cut.
func (l *Ledger) oldest(ctx context.Context, from []byte, cut time.Time, limit int) (keys [][]byte, err error) {
	if from == nil {
		from = []byte(prefixIndex)
	}
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

// purgeOrder deletes all attempts of the order that a key of the index names,
// unless one of them has ended, or lives, within the retention. gone says that
// nothing of it is left, as when it went with another attempt a moment ago. Of
// more attempts than fit the newest go first, so that the rest is found again.
func (l *Ledger) purgeOrder(m moment, cut time.Time, key []byte) (locks int, t engine.Ticket, gone bool, err error) {
	_, id, err := parseIndexKey(key)
	if err != nil {
		return 0, t, false, fmt.Errorf("key %q: %w", key, err)
	}
	p, err := l.readPast(id.OrderNo, true)
	if err != nil {
		return 0, t, false, err
	}
	if slices.ContainsFunc(p.locks, func(lock *Lock) bool { return lock.UpdatedAt.After(cut) }) {
		return 0, t, false, nil
	}
	first, writes := 1, []engine.Write{deleteWrite(key)} // also where nothing stands behind it
	part := p.locks[max(len(p.locks)-purgeAttempts, 0):]
	if whole := len(part) == len(p.locks); !whole {
		first, writes = part[0].Attempt, nil
	}
	for _, lock := range part {
		writes = append(writes, deleteWrite(indexKey(lock.CreatedAt, lock.ID())), deleteWrite(attemptKey(prefixEnded, lock.ID())))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch from, leaving := l.leaving[id.OrderNo]; {
	case leaving:
		return 0, t, from == 1, nil
	case l.turns.Load() != p.turn || l.orders[id.OrderNo] != nil || len(l.ended.now[id.OrderNo])+len(l.ended.last[id.OrderNo]) > 0:
		return 0, t, false, nil
	}
	l.leaving[id.OrderNo] = first
	return max(len(part), 1), l.append(m, writes...), first == 1, nil
}

// isLeaving reports whether a purge has deleted an attempt that the disk may still
// show, under mu.
func (l *Ledger) isLeaving(id ID) bool {
	from, leaving := l.leaving[id.OrderNo]
	return leaving && id.Attempt >= from
}

// left waits until the disk shows no more what this piece of a walk has deleted.
// Until then it is hidden, and so nobody's patience ends the wait; after that who
// has read it reads again.
func (l *Ledger) left(ctx context.Context, last engine.Ticket) error {
	if err := l.await(context.WithoutCancel(ctx), last); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.leaving) > 0 {
		clear(l.leaving)
		l.turns.Add(1)
	}
	return nil
}
