package lockstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// ReadLocks calls fn for each lock in force, and then, if wanted, for each that
// has ended, as they are stored in a folder that nobody works on; each kind by
// order_no. Tombstones are none. Memory is bounded.
//
// Errors: ctx's, fn's, a record that cannot be read, or what the storage says.
func ReadLocks(ctx context.Context, r engine.Reader, ended bool, fn func(*Lock) error) error {
	prefixes := []string{prefixActive}
	if ended {
		prefixes = append(prefixes, prefixEnded)
	}
	for _, prefix := range prefixes {
		if err := r.Scan([]byte(prefix), prefixEnd(prefix), func(key, rec []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			lock, err := decodeLock(rec)
			if err != nil {
				return fmt.Errorf("key %q: %w", key, err)
			}
			return fn(lock)
		}); err != nil {
			return err
		}
	}
	return nil
}

// ReadAttempts returns all attempts of an order as they are stored in a folder
// that nobody works on, from the first; where there are none, its tombstone.
//
// Errors: a record that cannot be read, or what the storage says.
func ReadAttempts(r engine.Reader, orderNo string) ([]Lock, error) {
	var locks []Lock
	take := func(key, rec []byte) error {
		lock, err := decodeLock(rec)
		if err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
		locks = append(locks, *lock)
		return nil
	}
	for _, prefix := range []string{prefixEnded, prefixActive} {
		start, end := rangeOf(prefix, orderNo)
		if err := r.Scan(start, end, take); err != nil {
			return nil, err
		}
	}
	if len(locks) > 0 {
		slices.SortFunc(locks, func(a, b Lock) int { return a.Attempt - b.Attempt })
		return locks, nil
	}
	err := r.Scan([]byte(prefixTombstone), prefixEnd(prefixTombstone), func(key, rec []byte) error {
		if _, no, err := parsePairKey(prefixTombstone, key); err != nil || no != orderNo || len(locks) > 0 {
			return err
		}
		return take(key, rec)
	})
	return locks, err
}

// rangeOf spans the attempts of one order under a prefix.
func rangeOf(prefix, orderNo string) (start, end []byte) {
	start = append([]byte(prefix), orderNo...)
	return append(start, 0), append(bytes.Clone(start), 1)
}
