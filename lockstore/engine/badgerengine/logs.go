package badgerengine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/dgraph-io/ristretto/v2/z"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// Badger's log, as far as we write any: a head of the number of the encryption
// key (8 bytes, big endian, 0 for none) and an initialisation vector (12 bytes),
// then records of
//
//	meta, user meta (1 byte each), length of key, length of value, expiry
//	(uvarints), key, value, CRC-32C of all that (4 bytes, big endian)
//
// Key and value may be encrypted, the rest is not. A transaction is a run of
// records with metaTxn and one with metaEnd, whose key begins with endKey. Zeros
// follow the last one.
const (
	logHead = 20
	endKey  = "!badger!txn"

	metaDel = 1 << 0
	metaTxn = 1 << 6
	metaEnd = 1 << 7

	maxLogKey = 1 + engine.MaxKey + 8 // our prefix and Badger's version
)

// verifyLogs looks for damage in the logs of an opening that was not closed.
//
// A crash may leave the one transaction that was being written unreadable; it
// was not acknowledged, and Badger cuts it off. But a transaction is begun only
// when the one before is durable. So if an unreadable place is followed by more
// than one complete transaction, acknowledged data was damaged, and Badger would
// cut off all that follows as well.
func verifyLogs(dir string, keys *badger.KeyRegistry) error {
	names, err := writtenLogs(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		file, err := z.OpenMmapFile(name, os.O_RDONLY, 0)
		if err != nil {
			return err
		}
		damage := findDamage(file.Data, keys)
		if err := file.Close(-1); err != nil {
			return err
		}
		if damage != "" {
			return fmt.Errorf("%s %s", filepath.Base(name), damage)
		}
	}
	return nil
}

// writtenLogs are the logs that are not empty; a process that was killed right
// after it created one leaves it without a byte.
func writtenLogs(dir string) (names []string, err error) {
	all, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return nil, err
	}
	for _, name := range all {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if info.Size() > 0 {
			names = append(names, name)
		}
	}
	return names, nil
}

// findDamage returns in words what is wrong with a log, "" for nothing.
func findDamage(log []byte, keys *badger.KeyRegistry) string {
	if len(log) < logHead {
		return "" // made and never written
	}
	at, whole := logHead, 0
	for {
		r, ok := readRecord(log, at)
		if !ok {
			break
		}
		at = r.end
		if r.meta != metaEnd {
			continue
		}
		// The head is covered by no checksum: see whether it fits. A single
		// transaction may be the one that was being written.
		if whole++; whole == 2 && !r.decrypts(log, keys) {
			return "has a damaged head"
		}
	}
	lost := 0
	for next := skipZeros(log, at); next < len(log); next = skipZeros(log, next) {
		r, ok := readRecord(log, next)
		switch {
		case !ok:
			next++
			continue
		case r.meta == metaEnd:
			lost++
		}
		next = r.end
	}
	if lost > 1 {
		return fmt.Sprintf("is unreadable at byte %d, and %d complete transactions follow", at, lost)
	}
	return ""
}

// skipZeros returns the first place from at on that is not zero; most of a log is
// zeros that were never written.
func skipZeros(log []byte, at int) int {
	var zeros [4 << 10]byte
	for at+len(zeros) <= len(log) && bytes.Equal(log[at:at+len(zeros)], zeros[:]) {
		at += len(zeros)
	}
	for at < len(log) && log[at] == 0 {
		at++
	}
	return at
}

// record is where the parts of a record lie in its log.
type record struct {
	meta              byte
	start, key, value int
	sum, end          int
}

// readRecord reads the record at this place, if there is one.
func readRecord(log []byte, at int) (r record, ok bool) {
	if len(log)-at < 2 || log[at+1] != 0 {
		return r, false
	}
	r = record{meta: log[at], start: at, key: at + 2}
	switch r.meta {
	case metaTxn, metaTxn | metaDel, metaEnd:
	default:
		return r, false
	}
	var sizes [3]uint64 // key, value, expiry
	for i := range sizes {
		v, n := binary.Uvarint(log[r.key:min(r.key+binary.MaxVarintLen64, len(log))])
		if n <= 0 {
			return r, false
		}
		sizes[i] = v
		r.key += n
	}
	if sizes[0] > maxLogKey || sizes[1] > engine.MaxValue || sizes[2] != 0 {
		return r, false
	}
	r.value = r.key + int(sizes[0])
	r.sum = r.value + int(sizes[1])
	r.end = r.sum + crc32.Size
	if r.end > len(log) {
		return r, false
	}
	sum := crc32.Checksum(log[at:r.sum], y.CastagnoliCrcTable)
	return r, sum == binary.BigEndian.Uint32(log[r.sum:])
}

// decrypts says whether the end of a transaction has its key when it is decrypted
// as the head of the log says.
func (r record) decrypts(log []byte, keys *badger.KeyRegistry) bool {
	plain := log[r.key:r.sum]
	key, err := keys.DataKey(binary.BigEndian.Uint64(log))
	if err != nil {
		return false
	}
	if key != nil {
		iv := binary.BigEndian.AppendUint32(bytes.Clone(log[8:logHead]), uint32(r.start))
		if plain, err = y.XORBlockAllocate(plain, key.Data, iv); err != nil {
			return false
		}
	}
	return bytes.HasPrefix(plain, []byte(endKey))
}
