// Package tlv writes and reads the ledger's records: numbered fields in the wire
// format of protocol buffers, by hand, because records are small, written often
// and known to one package only. A field that a reader does not ask for is
// skipped, so that older code reads what newer code wrote.
package tlv

import (
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Writer gathers the fields of one record. Zero values are left out.
type Writer struct{ b []byte }

// NewWriter returns a writer with room for size bytes.
func NewWriter(size int) *Writer { return &Writer{b: make([]byte, 0, size)} }

// Bytes returns the record.
func (w *Writer) Bytes() []byte { return w.b }

// Uint writes an unsigned number.
func (w *Writer) Uint(field int, v uint64) {
	if v == 0 {
		return
	}
	w.varint(field, v)
}

// Int writes a signed number.
func (w *Writer) Int(field int, v int64) {
	if v == 0 {
		return
	}
	w.varint(field, protowire.EncodeZigZag(v))
}

// Time writes nanoseconds since 1970. It must lie within the years 1678 to 2262.
func (w *Writer) Time(field int, t time.Time) {
	if t.IsZero() {
		return
	}
	w.varint(field, protowire.EncodeZigZag(t.UnixNano()))
}

func (w *Writer) varint(field int, v uint64) {
	w.b = protowire.AppendTag(w.b, protowire.Number(field), protowire.VarintType)
	w.b = protowire.AppendVarint(w.b, v)
}

// String writes a text.
func (w *Writer) String(field int, s string) {
	if s == "" {
		return
	}
	w.b = protowire.AppendTag(w.b, protowire.Number(field), protowire.BytesType)
	w.b = protowire.AppendString(w.b, s)
}

// Nested writes a record within the record, even when it is empty.
func (w *Writer) Nested(field int, write func(*Writer)) {
	w.b = protowire.AppendTag(w.b, protowire.Number(field), protowire.BytesType)
	w.b = append(w.b, 0) // the length, when it is short
	start := len(w.b)
	write(w)
	n := len(w.b) - start
	if n < 0x80 {
		w.b[start-1] = byte(n)
		return
	}
	var length [10]byte
	more := protowire.AppendVarint(length[:0], uint64(n))
	w.b = append(w.b, more[1:]...) // make room
	copy(w.b[start-1+len(more):], w.b[start:start+n])
	copy(w.b[start-1:], more)
}

var (
	errCut  = errors.New("the record is cut or garbled")
	errType = errors.New("a field has another type than expected")
)

// Reader walks over the fields of a record. The first fault ends the walk; ask
// Err when it is over.
type Reader struct {
	rest   []byte
	field  protowire.Number
	typ    protowire.Type
	num    uint64
	bytes  []byte
	check  bool   // texts are not wanted
	err    *error // shared with the readers of nested records
	failed error
}

// NewReader returns a reader of b, which is not changed.
func NewReader(b []byte) *Reader {
	r := &Reader{rest: b}
	r.err = &r.failed
	return r
}

// Next goes to the next field; it returns false at the end or at a fault.
func (r *Reader) Next() bool {
	if *r.err != nil || len(r.rest) == 0 {
		return false
	}
	num, typ, n := protowire.ConsumeTag(r.rest)
	if n < 0 {
		return r.fail(errCut)
	}
	r.field, r.typ = num, typ
	r.rest = r.rest[n:]
	switch typ {
	case protowire.VarintType:
		r.num, n = protowire.ConsumeVarint(r.rest)
	case protowire.BytesType:
		r.bytes, n = protowire.ConsumeBytes(r.rest)
	default: // not ours; skipped when it is whole
		n = protowire.ConsumeFieldValue(num, typ, r.rest)
	}
	if n < 0 {
		return r.fail(errCut)
	}
	r.rest = r.rest[n:]
	return true
}

// Err returns the first fault of this record and of those nested in it, or nil.
func (r *Reader) Err() error { return *r.err }

// Field returns the number of the current field.
func (r *Reader) Field() int { return int(r.field) }

// Uint returns the current field as an unsigned number.
func (r *Reader) Uint() uint64 {
	if r.typ != protowire.VarintType {
		r.fail(errType)
		return 0
	}
	return r.num
}

// Byte returns the current field as a number that must fit into a byte.
func (r *Reader) Byte() uint8 {
	v := r.Uint()
	if v > math.MaxUint8 {
		r.fail(errType)
		return 0
	}
	return uint8(v)
}

// Int returns the current field as a signed number.
func (r *Reader) Int() int64 { return protowire.DecodeZigZag(r.Uint()) }

// Time returns the current field as a time in UTC.
func (r *Reader) Time() time.Time { return time.Unix(0, r.Int()).UTC() }

// String returns the current field as a text of its own memory.
func (r *Reader) String() string {
	b := r.Bytes()
	if r.check {
		return ""
	}
	return string(b)
}

// Nested returns a reader of the record in the current field.
func (r *Reader) Nested() *Reader { return &Reader{rest: r.Bytes(), check: r.check, err: r.err} }

// Checked is Nested for a record that is only to be checked: its texts are all
// empty, and cost nothing.
func (r *Reader) Checked() *Reader { return &Reader{rest: r.Bytes(), check: true, err: r.err} }

// Bytes returns the current field as a part of the record, not to be changed.
func (r *Reader) Bytes() []byte {
	if r.typ != protowire.BytesType {
		r.fail(errType)
		return nil
	}
	return r.bytes
}

func (r *Reader) fail(cause error) bool {
	if *r.err == nil {
		*r.err = fmt.Errorf("field %d: %w", r.field, cause)
	}
	return false
}
