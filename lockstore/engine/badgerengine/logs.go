package badgerengine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// The records of Badger's log, as far as we write any: a head of 20 bytes, then
// records of
//
//	meta, user meta (1 byte each), length of key, length of value, expiry
//	(uvarints), key, value, CRC-32C of all that (4 bytes, big endian)
//
// Key and value may be encrypted, the rest is not. A transaction is a run of
// records with metaTxn and one with metaEnd; zeros follow the last one.
const (
	logHead   = 20
	metaDel   = 1 << 0
	metaTxn   = 1 << 6
	metaEnd   = 1 << 7
	maxLogKey = 1 + engine.MaxKey + 8 // our prefix and Badger's version
)

// verifyLogs looks for damage in the logs of an opening that was not closed.
//
// A crash may leave the one transaction that was being written unreadable; it
// was not acknowledged, and Badger cuts it off. But a transaction is begun only
// when the one before is durable. So if an unreadable place is followed by more
// than one complete transaction, acknowledged data was damaged, and Badger would
// cut off all that follows as well.
func verifyLogs(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if at, lost := damage(data); lost > 1 {
			return fmt.Errorf("%s is unreadable at byte %d, and %d complete transactions follow",
				filepath.Base(name), at, lost)
		}
	}
	return nil
}

// damage returns the first unreadable place and how many complete transactions
// follow it.
func damage(data []byte) (at, lost int) {
	at = min(logHead, len(data))
	for {
		n, _ := record(data[at:])
		if n == 0 {
			break
		}
		at += n
	}
	for rest := data[at:]; ; {
		// Most of a log is zeros that were never written.
		rest = bytes.TrimLeft(rest, "\x00")
		if len(rest) == 0 {
			return at, lost
		}
		n, meta := record(rest)
		if n > 0 && meta == metaEnd {
			lost++
		}
		rest = rest[max(n, 1):]
	}
}

// record returns the length and the meta of the record that data begins with, or
// 0 when there is none.
func record(data []byte) (length int, meta byte) {
	if len(data) < 2 || data[1] != 0 {
		return 0, 0
	}
	switch meta = data[0]; meta {
	case metaTxn, metaTxn | metaDel, metaEnd:
	default:
		return 0, 0
	}
	head := 2
	var sizes [3]uint64 // key, value, expiry
	for i := range sizes {
		v, n := binary.Uvarint(data[head:min(head+10, len(data))])
		if n <= 0 {
			return 0, 0
		}
		sizes[i] = v
		head += n
	}
	if sizes[0] > maxLogKey || sizes[1] > engine.MaxValue || sizes[2] != 0 {
		return 0, 0
	}
	end := head + int(sizes[0]+sizes[1])
	if end+crc32.Size > len(data) {
		return 0, 0
	}
	sum := crc32.Checksum(data[:end], crc32.MakeTable(crc32.Castagnoli))
	if sum != binary.BigEndian.Uint32(data[end:]) {
		return 0, 0
	}
	return end + crc32.Size, meta
}
