package badgerengine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
)

// registryHead is the length of what comes before the keys in Badger's registry
// of encryption keys: an initialisation vector and the words "Hello Badger".
const registryHead = 16 + 12

// openKeys reads Badger's registry of encryption keys. Badger believes the lengths
// that it finds there, and panics on some damage: both are errors here.
func openKeys(dir string, encryptionKey []byte) (keys *badger.KeyRegistry, err error) {
	data, err := os.ReadFile(filepath.Join(dir, badger.KeyRegistryFileName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &OpenError{Dir: dir, Reason: ErrNotWritable, Detail: err.Error()}
	}
	damaged := func(what any) error {
		return &OpenError{Dir: dir, Reason: ErrDamaged, Detail: fmt.Sprintf("its %s: %v", badger.KeyRegistryFileName, what)}
	}
	if len(data) > 0 && len(data) < registryHead {
		return nil, damaged("cut off")
	}
	for rest := data[min(registryHead, len(data)):]; len(rest) > 0; {
		const head = 8 // length and checksum
		if len(rest) < head || uint64(binary.BigEndian.Uint32(rest)) > uint64(len(rest)-head) {
			return nil, damaged("cut off")
		}
		rest = rest[head+binary.BigEndian.Uint32(rest):]
	}
	defer func() {
		if cause := recover(); cause != nil {
			err = damaged(cause)
		}
	}()
	keys, err = badger.OpenKeyRegistry(badger.KeyRegistryOptions{
		Dir: dir, ReadOnly: true, EncryptionKey: encryptionKey,
	})
	switch {
	case errors.Is(err, badger.ErrEncryptionKeyMismatch):
		return nil, explain(dir, err)
	case err != nil:
		return nil, damaged(err)
	}
	return keys, nil
}
