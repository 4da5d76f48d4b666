package badgerengine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/dgraph-io/ristretto/v2/z"
	"google.golang.org/protobuf/proto"
)

// tableReader reads the tables of a folder that nobody has open.
type tableReader struct {
	dir     string
	keys    *badger.KeyRegistry
	indexes *ristretto.Cache[uint64, *fb.TableIndex] // of encrypted tables, decrypted
}

func newTableReader(dir string, keys *badger.KeyRegistry) (tableReader, error) {
	indexes, err := ristretto.NewCache(&ristretto.Config[uint64, *fb.TableIndex]{
		NumCounters: 100, MaxCost: cacheSize, BufferItems: 64,
	})
	return tableReader{dir: dir, keys: keys, indexes: indexes}, err
}

func (r tableReader) close() { r.indexes.Close() }

// verify reads every table that the manifest names and compares all checksums.
func (r tableReader) verify(manifest badger.Manifest) error {
	for id, entry := range manifest.Tables {
		_, err := r.read(table.NewFilename(id, r.dir), entry.KeyID, entry.Compression)
		if err != nil {
			return fmt.Errorf("%s: %w", table.IDToFilename(id), err)
		}
	}
	return nil
}

// orphan returns the newest transaction in a table that no manifest describes, 0
// if it is not whole. We write without compression; the keys are numbered from 1.
func (r tableReader) orphan(name string) (newest uint64) {
	for key := uint64(0); ; key++ {
		if _, err := r.keys.DataKey(key); err != nil {
			return 0
		}
		if newest, err := r.read(name, key, options.None); err == nil {
			return newest
		}
	}
}

// read reads one table, compares its checksums and returns the newest transaction
// in it. Badger's own reader panics on some damage: that is an error here.
func (r tableReader) read(name string, keyID uint64, compression options.CompressionType) (newest uint64, err error) {
	key, err := r.keys.DataKey(keyID)
	if err != nil {
		return 0, err
	}
	file, err := z.OpenMmapFile(name, os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	// Closed, not released: the last reference to a table deletes its file.
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("unreadable: %v", cause)
		}
		err = errors.Join(err, file.Close(-1))
	}()
	if err := verifyFooter(file.Data); err != nil {
		return 0, err
	}
	r.indexes.Clear() // or the index of the last try with another key would serve
	t, err := table.OpenTable(file, table.Options{
		Compression: compression, BlockSize: blockSize, DataKey: key, IndexCache: r.indexes,
	})
	if err != nil {
		return 0, err
	}
	return t.MaxVersion(), t.VerifyChecksum()
}

// verifyFooter checks what Badger reads first and ends the process over: from
// the end of the file backwards the length of the checksum, the checksum of the
// index, the length of the index, the index.
func verifyFooter(data []byte) error {
	cut := func(n int) ([]byte, bool) {
		if n < 0 || n > len(data) {
			return nil, false
		}
		tail := data[len(data)-n:]
		data = data[:len(data)-n]
		return tail, true
	}
	number := func() (int, bool) {
		b, ok := cut(4)
		if !ok {
			return 0, false
		}
		return int(int32(binary.BigEndian.Uint32(b))), true
	}
	var sum pb.Checksum
	n, ok := number()
	if !ok {
		return errors.New("cut off")
	}
	if b, ok := cut(n); !ok || proto.Unmarshal(b, &sum) != nil {
		return errors.New("no checksum at its end")
	}
	if n, ok = number(); !ok {
		return errors.New("cut off")
	}
	index, ok := cut(n)
	if !ok {
		return errors.New("no index at its end")
	}
	return y.VerifyChecksum(index, &sum)
}
