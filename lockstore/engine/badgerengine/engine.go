package badgerengine

import (
	"errors"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// dataPrefix stands before every key of the owner, metaPrefix before ours.
const (
	dataPrefix = 'd'
	metaPrefix = 'm'
)

// Engine is an open folder. It is an [engine.Engine].
type Engine struct {
	db    *badger.DB
	dir   string
	epoch uint64

	applying sync.Mutex // Apply calls take turns; guards what follows
	wal      wal
	chain    chain
	linkDue  bool // the log in use has no link yet
	calls

	closeOnce sync.Once
	closeErr  error
}

var _ engine.Engine = (*Engine)(nil)

// Apply implements [engine.Engine].
func (e *Engine) Apply(writes []engine.Write) error {
	if err := engine.CheckWrites(writes); err != nil {
		return err
	}
	if len(writes) == 0 {
		return nil
	}
	e.applying.Lock()
	defer e.applying.Unlock()
	version, err := e.enter()
	if err != nil {
		return err
	}
	defer e.leave(version)

	if err := e.commit(version+1, writes, nil); err != nil {
		return e.fail(err)
	}
	return nil
}

// commit makes one Badger transaction of the owner's writes and of our own, adds
// a link of the chain when one is due, and makes it all durable. Badger has
// copied everything when it returns.
func (e *Engine) commit(version uint64, writes, own []engine.Write) error {
	chain := e.chain
	if e.linkDue {
		var links []engine.Write
		chain, links = chain.next()
		own = append(own, links...)
	}
	txn := e.db.NewTransactionAt(version-1, true)
	defer txn.Discard()
	if err := errors.Join(stage(txn, dataPrefix, writes), stage(txn, metaPrefix, own)); err != nil {
		return err
	}
	if err := txn.CommitAt(version, nil); err != nil {
		return err
	}
	begun, err := e.wal.sync()
	if err != nil {
		return err
	}
	e.chain, e.linkDue = chain, begun
	e.db.SetDiscardTs(e.advance(version))
	return nil
}

// stage puts the writes into the transaction.
func stage(txn *badger.Txn, prefix byte, writes []engine.Write) error {
	size := len(writes)
	for i := range writes {
		size += len(writes[i].Key)
	}
	keys := make([]byte, 0, size) // one buffer for all the prefixed keys
	entries := make([]badger.Entry, len(writes))
	for i := range writes {
		start := len(keys)
		keys = append(keys, prefix)
		keys = append(keys, writes[i].Key...)
		key := keys[start:len(keys):len(keys)]
		var err error
		if writes[i].Delete {
			err = txn.Delete(key)
		} else {
			entries[i].Key, entries[i].Value = key, writes[i].Value
			err = txn.SetEntry(&entries[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Get implements [engine.Reader].
func (e *Engine) Get(key []byte) ([]byte, error) {
	version, err := e.enter()
	if err != nil {
		return nil, err
	}
	defer e.leave(version)
	return get(e.db, version, append([]byte{dataPrefix}, key...))
}

// Scan implements [engine.Reader].
func (e *Engine) Scan(start, end []byte, fn func(key, value []byte) error) error {
	return e.View(func(r engine.Reader) error { return r.Scan(start, end, fn) })
}

// View implements [engine.Engine].
func (e *Engine) View(fn func(engine.Reader) error) error {
	version, err := e.enter()
	if err != nil {
		return err
	}
	defer e.leave(version)
	return fn(&view{db: e.db, version: version, epoch: e.epoch, failed: e.failed})
}

// Epoch implements [engine.Engine].
func (e *Engine) Epoch() uint64 { return e.epoch }

// Free implements [engine.Engine]. Of this, Badger may claim up to [Reserve]
// without a further write.
func (e *Engine) Free() (uint64, error) { return freeBytes(e.dir) }

// Close implements [engine.Engine]. After a failed Apply it leaves everything as
// it is and returns the failure: flushing to a disk that has just failed may
// never end, and only the end of the process gives the folder back.
func (e *Engine) Close() error {
	e.closeOnce.Do(func() {
		e.mu.Lock()
		e.closing = true
		if e.active == 0 {
			close(e.idle)
		}
		e.mu.Unlock()
		<-e.idle
		if e.err != nil { // final, and nobody is left to set it
			e.closeErr = e.err
			return
		}
		e.closeErr = errors.Join(e.db.Close(), e.wal.close())
	})
	return e.closeErr
}
