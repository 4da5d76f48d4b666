package badgerengine

import (
	"bytes"
	"errors"

	"github.com/dgraph-io/badger/v4"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// view is one moment of a folder.
type view struct {
	db      *badger.DB
	version uint64 // of the newest transaction in sight
	epoch   uint64
	failed  func() error // why nothing may be read any more
}

var _ engine.Reader = (*view)(nil)

// Epoch implements [engine.Reader].
func (v *view) Epoch() uint64 { return v.epoch }

// Get implements [engine.Reader].
func (v *view) Get(key []byte) ([]byte, error) {
	if err := v.failed(); err != nil {
		return nil, err
	}
	return get(v.db, v.version, append([]byte{dataPrefix}, key...))
}

// get reads a key as Badger has it.
func get(db *badger.DB, version uint64, key []byte) ([]byte, error) {
	txn := db.NewTransactionAt(version, false)
	defer txn.Discard()
	item, err := txn.Get(key)
	switch {
	case errors.Is(err, badger.ErrKeyNotFound):
		return nil, engine.ErrNotFound
	case err != nil:
		return nil, err
	}
	return item.ValueCopy(nil)
}

// Scan implements [engine.Reader].
func (v *view) Scan(start, end []byte, fn func(key, value []byte) error) error {
	if err := v.failed(); err != nil {
		return err
	}
	txn := v.db.NewTransactionAt(v.version, false)
	defer txn.Discard()
	first := append([]byte{dataPrefix}, start...)
	it := txn.NewIterator(badger.IteratorOptions{
		// Tables without the common prefix are left alone. Values lie beside
		// their keys: prefetching would start a goroutine for each and read
		// nothing that is not there already.
		Prefix: first[:1+commonPrefix(start, end)],
	})
	defer it.Close()
	for it.Seek(first); it.Valid(); it.Next() {
		item := it.Item()
		key := item.Key()[1:]
		if end != nil && bytes.Compare(key, end) >= 0 {
			return nil
		}
		err := item.Value(func(value []byte) error { return fn(key, value) })
		if errors.Is(err, engine.ErrStop) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// commonPrefix is how many first bytes all keys of [start, end) share.
func commonPrefix(start, end []byte) int {
	n := 0
	for n < len(start) && n < len(end) && start[n] == end[n] {
		n++
	}
	return n
}
