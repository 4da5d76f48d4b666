package badgerengine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/dgraph-io/ristretto/v2/z"
	"google.golang.org/protobuf/proto"
)

// verifyTables reads every table that the manifest names and compares all
// checksums.
func verifyTables(dir string, manifest badger.Manifest, keys *badger.KeyRegistry) error {
	// An encrypted table keeps its decrypted index here while it is read.
	indexes, err := ristretto.NewCache(&ristretto.Config[uint64, *fb.TableIndex]{
		NumCounters: 100, MaxCost: cacheSize, BufferItems: 64,
	})
	if err != nil {
		return err
	}
	defer indexes.Close()
	for id, entry := range manifest.Tables {
		key, err := keys.DataKey(entry.KeyID)
		if err != nil {
			return fmt.Errorf("the key of table %d: %w", id, err)
		}
		name := table.NewFilename(id, dir)
		err = verifyTable(name, table.Options{
			Compression: entry.Compression, DataKey: key, IndexCache: indexes,
		})
		if err != nil {
			return fmt.Errorf("%s: %w", table.IDToFilename(id), err)
		}
	}
	return nil
}

// verifyTable reads one table. Badger's own reader panics on some damage: that
// is an error here.
func verifyTable(name string, opts table.Options) (err error) {
	file, err := z.OpenMmapFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	if err := verifyFooter(file.Data); err != nil {
		return errors.Join(err, file.Close(-1))
	}
	defer func() {
		if cause := recover(); cause != nil {
			err = errors.Join(fmt.Errorf("unreadable: %v", cause), file.Close(-1))
		}
	}()
	t, err := table.OpenTable(file, opts)
	if err != nil {
		return err
	}
	// Closed, not released: the last reference to a table deletes its file.
	return errors.Join(t.VerifyChecksum(), t.Close(-1))
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
