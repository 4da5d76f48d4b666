package tlv_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore/internal/tlv"
)

// read walks over a record, taking each field as what its number says.
func read(r *tlv.Reader, w *tlv.Writer) {
	for r.Next() {
		switch r.Field() {
		case 1:
			w.Uint(1, r.Uint())
		case 2:
			w.Int(2, r.Int())
		case 3:
			w.String(3, r.String())
		case 4:
			w.Time(4, r.Time())
		case 5:
			nested := r.Nested()
			w.Nested(5, func(w *tlv.Writer) { read(nested, w) })
		case 6:
			w.Uint(6, uint64(r.Byte()))
		}
	}
}

func sample(text string) []byte {
	w := tlv.NewWriter(0)
	w.Uint(1, 1<<63)
	w.Int(2, -1)
	w.Time(4, time.Unix(1, 2))
	w.Nested(5, func(w *tlv.Writer) {
		w.String(3, text)
		w.Nested(5, func(*tlv.Writer) {})
	})
	w.Uint(6, 255)
	w.Uint(99, 7) // of a later version
	return w.Bytes()
}

// Whatever bytes there are, reading neither panics nor goes on after a fault,
// and what was read once is read the same again.
func FuzzReader(f *testing.F) {
	f.Add(sample("x"))
	f.Add(sample(strings.Repeat("长", 100)))
	f.Add([]byte{0x28, 0xff})
	f.Fuzz(func(t *testing.T, record []byte) {
		r := tlv.NewReader(record)
		first := tlv.NewWriter(len(record))
		read(r, first)
		if r.Err() != nil {
			if r.Next() {
				t.Fatal("went on after a fault")
			}
			return
		}
		again := tlv.NewWriter(len(record))
		r = tlv.NewReader(first.Bytes())
		read(r, again)
		if r.Err() != nil || !bytes.Equal(first.Bytes(), again.Bytes()) {
			t.Fatalf("%x was read as %x and that as %x (%v)", record, first.Bytes(), again.Bytes(), r.Err())
		}
	})
}

// Every cut of a record is noticed, unless it falls between two fields.
func TestCutRecordsAreNoticed(t *testing.T) {
	whole := sample("text")
	faults := 0
	for n := range whole {
		r := tlv.NewReader(whole[:n])
		read(r, tlv.NewWriter(0))
		if r.Err() != nil {
			faults++
		}
	}
	if fields := 6; faults != len(whole)-fields {
		t.Fatalf("%d of %d cuts were noticed, and %d fall between fields", faults, len(whole), fields)
	}
}
