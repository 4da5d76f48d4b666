package lockstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"
)

// The keys of the ledger, in the engine that it shares with the orders:
//
//	l/a/<order_no> 00 <attempt>             an active attempt
//	l/e/<order_no> 00 <attempt>             an ended attempt
//	l/t/<created><order_no> 00 <attempt>    index of the ended ones, by creation
//	l/x/<principal> 00 <order_no>           a tombstone
//	l/d/<pharmacy id> 00 <drug id>          the day's first figure
//	l/m/clock                               no record by a clock that was trusted is later by more than clockStep
//	l/m/restored                            the last restore from a backup
//	l/m/rest                                the opening that ended with no call under way
//
// Numbers are big-endian, so that they sort. Ids hold no control characters.
const (
	prefixActive    = "l/a/"
	prefixEnded     = "l/e/"
	prefixIndex     = "l/t/"
	prefixTombstone = "l/x/"
	prefixMorning   = "l/d/"
	keyClock        = "l/m/clock"
	keyRestored     = "l/m/restored"
	keyRest         = "l/m/rest"
)

func attemptKey(prefix string, id ID) []byte {
	k := make([]byte, 0, len(prefix)+len(id.OrderNo)+5)
	k = append(k, prefix...)
	return appendID(k, id)
}

func appendID(k []byte, id ID) []byte {
	k = append(k, id.OrderNo...)
	k = append(k, 0)
	return binary.BigEndian.AppendUint32(k, uint32(id.Attempt))
}

// orderRange spans the ended attempts of one order.
func orderRange(orderNo string) (start, end []byte) {
	start = append([]byte(prefixEnded), orderNo...)
	return append(start, 0), append(bytes.Clone(start), 1)
}

func indexKey(created time.Time, id ID) []byte {
	k := make([]byte, 0, len(prefixIndex)+8+len(id.OrderNo)+5)
	return appendID(indexStart(k, created), id)
}

// indexStart appends where the index of a moment begins.
func indexStart(k []byte, created time.Time) []byte {
	k = append(k, prefixIndex...)
	return binary.BigEndian.AppendUint64(k, uint64(created.UnixNano()))
}

var errKey = errors.New("a key of the ledger is garbled")

func parseIndexKey(k []byte) (created time.Time, id ID, err error) {
	rest, ok := bytes.CutPrefix(k, []byte(prefixIndex))
	if !ok || len(rest) < 8+5 {
		return time.Time{}, ID{}, errKey
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(rest))).UTC(), idOf(rest[8:]), nil
}

// idOf reads what appendID wrote; it has at least 5 bytes.
func idOf(k []byte) ID {
	n := len(k) - 5
	return ID{OrderNo: string(k[:n]), Attempt: int(binary.BigEndian.Uint32(k[n+1:]))}
}

func pairKey(prefix, a, b string) []byte {
	k := make([]byte, 0, len(prefix)+len(a)+1+len(b))
	k = append(k, prefix...)
	k = append(k, a...)
	k = append(k, 0)
	return append(k, b...)
}

func parsePairKey(prefix string, k []byte) (a, b string, err error) {
	rest, ok := bytes.CutPrefix(k, []byte(prefix))
	first, second, found := bytes.Cut(rest, []byte{0})
	if !ok || !found {
		return "", "", errKey
	}
	return string(first), string(second), nil
}

// prefixEnd is the first key behind all that begin with the prefix.
func prefixEnd(prefix string) []byte {
	end := []byte(prefix)
	end[len(end)-1]++
	return end
}
