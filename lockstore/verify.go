package lockstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// Finding is one thing that is not as it must be.
type Finding struct {
	Key  string // of the record, or what it is about in the memory
	What string // what differs, in words
}

// Verification counts what was verified. What was found went to the function that
// Verify and Audit are given.
type Verification struct {
	Active     int // locks in force
	Ended      int
	Tombstones int
	Mornings   int // first figures of a day
}

// Verify holds every record of the ledger against the rules: it can be read, it
// stands where it belongs, its fields fit its status, no order holds stock twice,
// no number at the HIS has two owners, the index of the ended knows each of them
// once. report is called for each thing that differs.
//
// r must be one moment. Memory is bounded; what it costs is reading everything
// once, and the ended ones' index. Errors: ctx's, or what the storage says.
func Verify(ctx context.Context, r engine.Reader, report func(Finding)) (Verification, error) {
	v := &verifier{ctx: ctx, r: r, report: report}
	for _, step := range []func() error{v.active, v.ended, v.index, v.tombstones, v.mornings, v.marks, v.strangers} {
		if err := step(); err != nil {
			return v.seen, fmt.Errorf("verifying the ledger: %w", err)
		}
	}
	return v.seen, nil
}

type verifier struct {
	ctx     context.Context
	r       engine.Reader
	report  func(Finding)
	seen    Verification
	looked  int
	indexed int // keys of the index
}

func (v *verifier) found(key []byte, format string, args ...any) {
	v.report(Finding{Key: fmt.Sprintf("%q", key), What: fmt.Sprintf(format, args...)})
}

// each scans one kind of records.
func (v *verifier) each(prefix string, fn func(key, rec []byte) error) error {
	return v.r.Scan([]byte(prefix), prefixEnd(prefix), func(key, rec []byte) error {
		if v.looked++; v.looked%1024 == 0 && v.ctx.Err() != nil {
			return v.ctx.Err()
		}
		return fn(key, rec)
	})
}

// there reports whether a key is stored.
func (v *verifier) there(key []byte) (bool, error) {
	switch _, err := v.r.Get(key); {
	case err == nil:
		return true, nil
	case errors.Is(err, engine.ErrNotFound):
		return false, nil
	default:
		return false, err
	}
}

// attempt reads one record of an attempt; nil when it cannot be one.
func (v *verifier) attempt(prefix string, key, rec []byte) *Lock {
	lock, err := decodeLock(rec)
	if err != nil {
		v.found(key, "%v", err)
		return nil
	}
	if !bytes.Equal(key, attemptKey(prefix, lock.ID())) {
		v.found(key, "holds the record of attempt %d of %q", lock.Attempt, lock.OrderNo)
		return nil
	}
	for _, what := range wrongWith(lock) {
		v.found(key, "%s", what)
	}
	return lock
}

// active verifies the locks in force. The attempts of an order are neighbours.
func (v *verifier) active() error {
	var last *Lock // of those that hold stock
	return v.each(prefixActive, func(key, rec []byte) error {
		v.seen.Active++
		lock := v.attempt(prefixActive, key, rec)
		if lock == nil {
			return nil
		}
		if lock.Status != Confirmed && lock.Status != Released {
			if last != nil && last.OrderNo == lock.OrderNo {
				v.found(key, "the order holds stock twice: attempt %d is %s, attempt %d is %s", last.Attempt, last.Status, lock.Attempt, lock.Status)
			}
			last = lock
		}
		if lock.Status == Released && releasedAtRest(lock) {
			v.found(key, "nothing is left to be done for it, and it stands among the active ones")
		}
		if twice, err := v.there(attemptKey(prefixEnded, lock.ID())); err != nil {
			return err
		} else if twice {
			v.found(key, "stands among the active and among the ended ones")
		}
		return v.namesake(key, lock)
	})
}

// namesake looks for another order with the same number at the HIS [B5].
func (v *verifier) namesake(key []byte, lock *Lock) error {
	if lock.Attempt < 2 {
		return nil // seen from the other side
	}
	for _, prefix := range []string{prefixActive, prefixEnded} {
		other := ID{lock.HISNo, 1}
		taken, err := v.there(attemptKey(prefix, other))
		if err != nil {
			return err
		}
		if taken {
			v.found(key, "its number at the HIS, %s, is that of the order %s", lock.HISNo, other.OrderNo)
		}
	}
	return nil
}

func (v *verifier) ended() error {
	order := "" // the last one; its attempts are neighbours
	return v.each(prefixEnded, func(key, rec []byte) error {
		v.seen.Ended++
		lock := v.attempt(prefixEnded, key, rec)
		if lock == nil {
			return nil
		}
		if lock.OrderNo != order && lock.Attempt > 1 {
			switch known, err := v.there(attemptKey(prefixActive, ID{lock.OrderNo, 1})); {
			case err != nil:
				return err
			case !known: // and so the order would be taken for a new one
				v.found(key, "attempt %d has ended, and there is no attempt 1", lock.Attempt)
			}
		}
		order = lock.OrderNo
		switch {
		case lock.Status == Released && releasedAtRest(lock), lock.Status == Confirmed && lock.CaseReason == "":
		default:
			v.found(key, "stands among the ended ones, and is %s with work left", lock.Status)
		}
		switch known, err := v.there(indexKey(lock.CreatedAt, lock.ID())); {
		case err != nil:
			return err
		case !known:
			v.found(key, "the index of the ended ones does not know it")
		}
		return v.namesake(key, lock)
	})
}

// index counts the index of the ended ones. Each of those was looked up in it, so
// only an index that is longer has to be walked again.
func (v *verifier) index() error {
	if err := v.each(prefixIndex, func([]byte, []byte) error { v.indexed++; return nil }); err != nil {
		return err
	}
	if v.indexed == v.seen.Ended {
		return nil
	}
	return v.each(prefixIndex, func(key, _ []byte) error {
		created, id, err := parseIndexKey(key)
		if err != nil {
			v.found(key, "%v", err)
			return nil
		}
		rec, err := v.r.Get(attemptKey(prefixEnded, id))
		if errors.Is(err, engine.ErrNotFound) {
			v.found(key, "the index of the ended ones names attempt %d of %s, which is not there", id.Attempt, id.OrderNo)
			return nil
		}
		if err != nil {
			return err
		}
		if lock, err := decodeLock(rec); err == nil && !lock.CreatedAt.Equal(created) {
			v.found(key, "the index of the ended ones has another time for attempt %d of %s", id.Attempt, id.OrderNo)
		}
		return nil
	})
}

func (v *verifier) tombstones() error {
	return v.each(prefixTombstone, func(key, rec []byte) error {
		v.seen.Tombstones++
		tomb, err := decodeLock(rec)
		switch {
		case err != nil:
			v.found(key, "%v", err)
			return nil
		case !bytes.Equal(key, pairKey(prefixTombstone, tomb.Principal, tomb.OrderNo)):
			v.found(key, "holds the tombstone of %q for %q", tomb.OrderNo, tomb.Principal)
			return nil
		case tomb.Status != Released || tomb.Cause != AsTombstone || tomb.Attempt != 0:
			v.found(key, "is no tombstone: %s, cause %s, attempt %d", tomb.Status, tomb.Cause, tomb.Attempt)
			return nil
		}
		for _, prefix := range []string{prefixActive, prefixEnded} {
			start, end := rangeOf(prefix, tomb.OrderNo)
			if err := v.r.Scan(start, end, func(other, rec []byte) error {
				if lock, err := decodeLock(rec); err == nil && lock.Principal == tomb.Principal {
					v.found(key, "a tombstone beside the lock %q", other)
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (v *verifier) mornings() error {
	return v.each(prefixMorning, func(key, rec []byte) error {
		v.seen.Mornings++
		if _, _, err := parsePairKey(prefixMorning, key); err != nil {
			v.found(key, "%v", err)
		}
		if _, err := decodeMorning(rec); err != nil {
			v.found(key, "%v", err)
		}
		return nil
	})
}

// marks verifies what there is one of.
func (v *verifier) marks() error {
	if _, err := readClock(v.r); err != nil {
		v.found([]byte(keyClock), "%v", err)
	}
	if _, err := readRest(v.r); err != nil {
		v.found([]byte(keyRest), "%v", err)
	}
	if _, err := ReadRestore(v.r); err != nil {
		v.found([]byte(keyRestored), "%v", err)
	}
	return nil
}

// strangers looks for keys that no rule knows.
func (v *verifier) strangers() error {
	return v.each("l/", func(key, _ []byte) error {
		for _, known := range []string{prefixActive, prefixEnded, prefixIndex, prefixTombstone, prefixMorning} {
			if strings.HasPrefix(string(key), known) {
				return nil
			}
		}
		switch string(key) {
		case keyClock, keyRestored, keyRest:
			return nil
		}
		v.found(key, "a record of a kind that this version does not know")
		return nil
	})
}
