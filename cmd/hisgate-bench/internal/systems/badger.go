package systems

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// Badger is the plain way to use the database that the ledger uses too: one
// Update, with SyncWrites, for each call.
type Badger struct {
	dir string
	db  *badger.DB
}

// NewBadger keeps the database below dir.
func NewBadger(dir string) *Badger { return &Badger{dir: filepath.Join(dir, "badger")} }

// Name implements [System].
func (s *Badger) Name() string { return "badger" }

// Reset implements [System].
func (s *Badger) Reset(context.Context, Shape) error {
	err := s.Close()
	if err != nil {
		return err
	}
	s.db, err = badger.Open(badger.DefaultOptions(s.dir).
		WithSyncWrites(true).WithCompression(options.None).WithMetricsEnabled(false).WithLogger(nil))
	return err
}

// Session implements [System].
func (s *Badger) Session(context.Context) (Session, error) { return badgerSession{s.db}, nil }

// Close implements [System].
func (s *Badger) Close() error {
	var err error
	if s.db != nil {
		err = s.db.Close()
		s.db = nil
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// An order is stored under o<order> as a status, then padding up to what such a
// record needs, then its drugs; what is held of a drug under s<drug>.
type badgerSession struct{ db *badger.DB }

const (
	held       = 'L'
	confirming = 'C'
	released   = 'R'

	orderPadding = 120
)

// update repeats what lost against another transaction.
func (s badgerSession) update(ctx context.Context, fn func(*badger.Txn) error) error {
	for {
		err := s.db.Update(fn)
		if !errors.Is(err, badger.ErrConflict) || ctx.Err() != nil {
			return err
		}
	}
}

// Lock implements [Session].
func (s badgerSession) Lock(ctx context.Context, order string, drugs []string) error {
	return s.update(ctx, func(txn *badger.Txn) error {
		key := []byte("o" + order)
		switch _, err := txn.Get(key); {
		case err == nil:
			return refused("badger", "lock", order)
		case !errors.Is(err, badger.ErrKeyNotFound):
			return err
		}
		rec := make([]byte, orderPadding, orderPadding+16*len(drugs))
		rec[0] = held
		for _, d := range drugs {
			if err := add(txn, d, 1, order); err != nil {
				return err
			}
			rec = append(append(rec, byte(len(d))), d...)
		}
		return txn.Set(key, rec)
	})
}

// add counts what is held of a drug.
func add(txn *badger.Txn, drug string, units int64, order string) error {
	key := []byte("s" + drug)
	var n int64
	switch item, err := txn.Get(key); {
	case errors.Is(err, badger.ErrKeyNotFound):
	case err != nil:
		return err
	default:
		err := item.Value(func(v []byte) error {
			n = int64(binary.BigEndian.Uint64(v))
			return nil
		})
		if err != nil {
			return err
		}
	}
	if n += units; n > onHand {
		return refused("badger", "lock", order)
	}
	return txn.Set(key, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// Confirm implements [Session].
func (s badgerSession) Confirm(ctx context.Context, order string) error {
	return s.update(ctx, func(txn *badger.Txn) error {
		_, err := move(txn, order, confirming)
		return err
	})
}

// Release implements [Session].
func (s badgerSession) Release(ctx context.Context, order string) error {
	return s.update(ctx, func(txn *badger.Txn) error {
		rec, err := move(txn, order, released)
		if err != nil {
			return err
		}
		for rest := rec[orderPadding:]; len(rest) > 0; {
			n := int(rest[0])
			if err := add(txn, string(rest[1:1+n]), -1, order); err != nil {
				return err
			}
			rest = rest[1+n:]
		}
		return nil
	})
}

// move gives an order that is held another status and returns its record.
func move(txn *badger.Txn, order string, to byte) ([]byte, error) {
	key := []byte("o" + order)
	item, err := txn.Get(key)
	if err != nil {
		return nil, err
	}
	rec, err := item.ValueCopy(nil)
	if err != nil {
		return nil, err
	}
	if rec[0] != held {
		return nil, refused("badger", "move", order)
	}
	rec[0] = to
	return rec, txn.Set(key, rec)
}

// Close implements [Session]; the database stays open.
func (s badgerSession) Close() error { return nil }
