package lockstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

const (
	defaultPageSize = 50
	maxPageSize     = 500
	// listBudget bounds how many records one List looks at; a page may be short
	// for it, and goes on with its token.
	listBudget = 20_000
	// listChunk bounds how many are looked at while commands wait.
	listChunk = 1_000
)

// List returns the locks that the query selects, oldest first by creation, a
// page at a time, and the token of the next page, "" at the end. A page may be
// short, or empty, before the end. Tombstones are not listed. A lock that is
// made or ends while the pages are read may be missed or come with an older
// state, never twice in a page. It blocks until what it returns is durable.
//
// Errors: *InvalidError, ErrOutcomeUnknown, ErrClosed, or ctx's.
func (l *Ledger) List(ctx context.Context, q Query) (locks []Lock, next string, err error) {
	s, err := newListing(&q)
	if err != nil {
		return nil, "", err
	}
	if q.OrderNo != "" {
		all, err := l.Attempts(ctx, q.OrderNo)
		for i := range all {
			if s.wants(&all[i]) {
				locks = append(locks, all[i])
			}
		}
		return locks, "", err
	}
	// First the memory, then the disk: what ends in between is seen twice rather
	// than never.
	if err := l.listActive(ctx, s); err != nil {
		return nil, "", err
	}
	if err := l.listEnded(ctx, s); err != nil {
		return nil, "", err
	}
	locks, next = s.page()
	return locks, next, nil
}

// listing is a List at work. Both halves gather, oldest first, what lies after
// the token and not after the horizon, the last creation time that both have
// looked at.
type listing struct {
	q       *Query
	after   time.Time
	size    int
	found   map[ID]*Lock
	horizon time.Time // zero = the end
}

func newListing(q *Query) (*listing, error) {
	s := &listing{q: q, size: q.PageSize, found: make(map[ID]*Lock)}
	switch {
	case s.size < 0 || s.size > maxPageSize:
		return nil, &InvalidError{Field: "page_size", Reason: "1 to 500 are possible"}
	case s.size == 0:
		s.size = defaultPageSize
	}
	if q.PageToken != "" {
		raw, err := base64.RawURLEncoding.DecodeString(q.PageToken)
		if err != nil || len(raw) != 8 {
			return nil, &InvalidError{Field: "page_token", Reason: "is not one of ours"}
		}
		s.after = time.Unix(0, int64(binary.BigEndian.Uint64(raw))).UTC()
	}
	return s, nil
}

// start is where both halves begin.
func (s *listing) start() time.Time {
	first := plain(s.q.Since)
	if s.after.IsZero() {
		return first
	}
	if next := s.after.Add(1); next.After(first) {
		return next
	}
	return first
}

func (s *listing) stopAt(t time.Time) {
	if s.horizon.IsZero() || t.Before(s.horizon) {
		s.horizon = t
	}
}

// over reports whether nothing of this creation time or later is wanted.
func (s *listing) over(created time.Time) bool {
	return !s.q.Until.IsZero() && !created.Before(s.q.Until) || !s.horizon.IsZero() && created.After(s.horizon)
}

func (s *listing) wants(lock *Lock) bool {
	q := s.q
	return (q.Principal == "" || q.Principal == lock.Principal) &&
		(!q.Cases || lock.CaseReason != "") &&
		(len(q.Statuses) == 0 || slices.Contains(q.Statuses, lock.Status)) &&
		(q.PharmacyID == "" || q.PharmacyID == lock.PharmacyID) &&
		(q.DrugID == "" || slices.ContainsFunc(lock.Items, func(it Item) bool { return it.DrugID == q.DrugID })) &&
		(q.Since.IsZero() || !lock.CreatedAt.Before(q.Since)) &&
		(q.Until.IsZero() || lock.CreatedAt.Before(q.Until))
}

// take keeps a lock if it is wanted; the first word about an attempt stays.
func (s *listing) take(lock *Lock) (taken bool) {
	if _, twice := s.found[lock.ID()]; twice || !s.wants(lock) {
		return false
	}
	s.found[lock.ID()] = lock
	return true
}

// page cuts what was found to the size.
func (s *listing) page() (locks []Lock, next string) {
	for _, lock := range s.found {
		if s.horizon.IsZero() || !lock.CreatedAt.After(s.horizon) {
			locks = append(locks, *lock)
		}
	}
	slices.SortFunc(locks, func(a, b Lock) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.OrderNo, b.OrderNo), a.Attempt-b.Attempt)
	})
	if len(locks) > s.size {
		locks = locks[:s.size]
		return locks, token(locks[s.size-1].CreatedAt)
	}
	if !s.horizon.IsZero() {
		return locks, token(s.horizon)
	}
	return locks, ""
}

func token(t time.Time) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(t.UnixNano())))
}

// listActive gathers from memory, in chunks, so that commands wait for no more
// than one.
func (l *Ledger) listActive(ctx context.Context, s *listing) error {
	from, found := s.start(), 0
	for looked := 0; ; looked += listChunk {
		recs, last, more, t, err := l.activeChunk(s, from)
		if err != nil {
			return err
		}
		if err := l.await(ctx, t); err != nil {
			return err
		}
		for _, rec := range recs {
			lock := (&entry{rec: rec}).lock()
			if s.take(lock) {
				found++
			}
		}
		if !more {
			return nil
		}
		if found > s.size || looked >= listBudget {
			s.stopAt(last)
			return nil
		}
		from = last.Add(1)
	}
}

// activeChunk picks records by what the memory knows of them; last is the
// creation time of the last one looked at. The ticket stands for everything
// judged so far, so that what has ended before is found on the disk afterwards.
func (l *Ledger) activeChunk(s *listing, from time.Time) (recs [][]byte, last time.Time, more bool, t engine.Ticket, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.unusable(); err != nil {
		return nil, last, false, t, err
	}
	slots := l.made.slots[l.made.search(from):]
	for i, e := range slots {
		if s.over(e.created) {
			return recs, last, false, l.disk.Barrier(), nil
		}
		if i == listChunk {
			return recs, last, true, l.disk.Barrier(), nil
		}
		last = e.created
		if !e.gone && s.mayWant(e) {
			recs = append(recs, e.rec)
		}
	}
	return recs, last, false, l.disk.Barrier(), nil
}

// mayWant decides by what needs no decoding.
func (s *listing) mayWant(e *entry) bool {
	q := s.q
	if q.Principal != "" && q.Principal != e.principal || len(q.Statuses) > 0 && !slices.Contains(q.Statuses, e.status) || q.Cases && !e.hasCase {
		return false
	}
	if q.PharmacyID == "" && q.DrugID == "" {
		return true
	}
	return slices.ContainsFunc(e.holds, func(h hold) bool {
		k := h.stock.key
		return (q.PharmacyID == "" || q.PharmacyID == k.PharmacyID) && (q.DrugID == "" || q.DrugID == k.DrugID)
	})
}

// listEnded gathers from the disk by the index of creation.
func (l *Ledger) listEnded(ctx context.Context, s *listing) error {
	if s.q.Cases {
		return nil // a lock with a case has not ended
	}
	if len(s.q.Statuses) > 0 && !slices.Contains(s.q.Statuses, Confirmed) && !slices.Contains(s.q.Statuses, Released) {
		return nil // no others end
	}
	from := []byte(prefixIndex)
	if start := s.start(); start.After(time.Unix(0, 0)) {
		from = indexStart(nil, start)
	}
	l.mu.Lock()
	if bytes.Compare(from, l.purged) < 0 {
		from = l.purged
	}
	l.mu.Unlock()

	looked, found := 0, 0
	err := l.disk.Engine().Scan(from, prefixEnd(prefixIndex), func(k, _ []byte) error {
		created, id, err := parseIndexKey(k)
		if err != nil {
			return err
		}
		if s.over(created) || ctx.Err() != nil {
			return engine.ErrStop
		}
		rec, err := l.disk.Engine().Get(attemptKey(prefixEnded, id))
		if errors.Is(err, engine.ErrNotFound) {
			return nil // it came back to life, or was purged
		}
		if err != nil {
			return err
		}
		lock, err := decodeLock(rec)
		if err != nil {
			return err
		}
		if s.take(lock) {
			found++
		}
		if looked++; found > s.size || looked >= listBudget {
			s.stopAt(created)
			return engine.ErrStop
		}
		return nil
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return l.readError(err)
	}
	return nil
}
