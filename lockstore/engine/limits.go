package engine

import "fmt"

// What every engine takes, whatever storage is behind it. The figures leave room
// below Badger's own: it refuses keys above 65,000 bytes, moves values from 1 MiB
// on out of its tree into a second log with a sync of its own, and refuses
// transactions above 15 % of its memory table.
const (
	// MaxKey is the longest key, in bytes.
	MaxKey = 4 << 10
	// MaxValue is the longest value, in bytes.
	MaxValue = 512 << 10
	// MaxWrites is the largest number of writes in one Apply.
	MaxWrites = 8192
	// MaxBytes is the largest size of one Apply, counted by [Size].
	MaxBytes = 2 << 20
	// writeOverhead is what a write costs beside its key and value: record
	// headers, checksums and versions of the storage, rounded up.
	writeOverhead = 32
)

// Limits bound the writes that are made durable together.
type Limits struct {
	// Writes is the largest number of writes.
	Writes int
	// Bytes is the largest size, counted by [Size].
	Bytes int
}

// Size is what the writes count against [MaxBytes]: keys, values and an
// overhead for each write, in bytes.
func Size(writes []Write) int {
	n := len(writes) * writeOverhead
	for i := range writes {
		n += len(writes[i].Key) + len(writes[i].Value)
	}
	return n
}

// Check returns an [*InvalidWriteError] when the writes cannot be applied
// together under these limits, or one of them is not a valid write; it returns
// nil otherwise. Callers that judge in memory ask before they judge.
func (l Limits) Check(writes []Write) error {
	if len(writes) > l.Writes {
		return &InvalidWriteError{Reason: fmt.Sprintf("%d writes at once, at most %d are possible", len(writes), l.Writes)}
	}
	for i := range writes {
		switch key, value := len(writes[i].Key), len(writes[i].Value); {
		case key == 0:
			return &InvalidWriteError{Reason: "empty key"}
		case key > MaxKey:
			return &InvalidWriteError{Reason: fmt.Sprintf("key of %d bytes, at most %d are possible", key, MaxKey)}
		case value > MaxValue:
			return &InvalidWriteError{Reason: fmt.Sprintf("value of %d bytes, at most %d are possible", value, MaxValue)}
		}
	}
	if size := Size(writes); size > l.Bytes {
		return &InvalidWriteError{Reason: fmt.Sprintf("%d bytes at once, at most %d are possible", size, l.Bytes)}
	}
	return nil
}

// CheckWrites is what each engine asks before an Apply: [Limits.Check] with
// [MaxWrites] and [MaxBytes].
func CheckWrites(writes []Write) error {
	return Limits{Writes: MaxWrites, Bytes: MaxBytes}.Check(writes)
}
