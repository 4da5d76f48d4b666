package badgerengine

import (
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/hisgate/hisgate/lockstore/engine"
)

const (
	chainPrefix = "/log/"
	// chainLength is how many links are kept: what is older has been merged into
	// tables whose loss Badger notices.
	chainLength = 1000
)

// chain shows that no log is missing, nor the table that it became: a MANIFEST
// that was cut off forgets tables, and Badger deletes what it does not know
// without a word.
//
// Each log holds, in one of its first transactions, a link of the next number.
// So the links at an opening must be consecutive; their values say from where on.
// Only the end of the chain cannot prove itself.
type chain struct {
	oldest, newest uint64
}

// readChain reads the links and returns an error when one is missing.
func (e *Engine) readChain() (c chain, err error) {
	txn := e.db.NewTransactionAt(e.version, false)
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{Prefix: append([]byte{metaPrefix}, chainPrefix...)})
	defer it.Close()
	seen := uint64(0)
	for it.Rewind(); it.Valid(); it.Next() {
		value, err := it.Item().ValueCopy(nil)
		if err != nil {
			return c, err
		}
		number := it.Item().Key()[1+len(chainPrefix):]
		if len(number) != 8 || len(value) != 8 {
			return c, fmt.Errorf("its record %q makes no sense", it.Item().Key())
		}
		c = chain{oldest: binary.BigEndian.Uint64(value), newest: binary.BigEndian.Uint64(number)}
		seen++
	}
	if expected := c.newest + 1 - c.oldest; seen < expected {
		return c, fmt.Errorf("%d of %d logs and tables are missing", expected-seen, expected)
	}
	return c, nil
}

// next returns the chain with one link more, and the writes that make it.
func (c chain) next() (chain, []engine.Write) {
	if c.newest == 0 {
		c.oldest = 1
	}
	c.newest++
	var writes []engine.Write
	if c.newest-c.oldest >= chainLength {
		writes = append(writes, engine.Write{Key: link(c.oldest), Delete: true})
		c.oldest++
	}
	return c, append(writes, engine.Write{
		Key: link(c.newest), Value: binary.BigEndian.AppendUint64(nil, c.oldest),
	})
}

func link(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(chainPrefix), number)
}
