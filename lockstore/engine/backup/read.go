package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// Why a backup cannot be used; errors.Is finds them.
var (
	// ErrNotBackup says that the stream does not begin as a backup does, or is of
	// a later format.
	ErrNotBackup = errors.New("not a backup of this version of hisgate")
	// ErrCut says that the stream ends before its end.
	ErrCut = errors.New("the backup is cut off")
	// ErrDamaged says that the stream does not match its checksum, or makes no
	// sense.
	ErrDamaged = errors.New("the backup is damaged")
)

// Read reads a backup, calls start with its header and then fn for each key in
// ascending order. The slices are valid during that call only. What fn was given
// counts only when Read returns nil: the checksum comes last.
//
// Errors: [ErrNotBackup], [ErrCut], [ErrDamaged]; start's, fn's and the reader's
// own.
func Read(from io.Reader, start func(Header) error, fn func(key, value []byte) error) (Summary, error) {
	s := Summary{}
	r := &stream{from: bufio.NewReaderSize(from, buffer), sum: sha256.New()}
	if err := r.header(&s.Header); err != nil {
		return s, err
	}
	if err := start(s.Header); err != nil {
		return s, err
	}
	var key, value, last []byte
	for {
		kind, err := r.number()
		if err != nil {
			return s, err
		}
		if kind == recordEnd {
			s.Bytes, err = r.end(s.Keys)
			return s, err
		}
		if kind != recordPair {
			return s, fmt.Errorf("%w: at byte %d", ErrDamaged, r.n)
		}
		if key, err = r.block(key, engine.MaxKey); err != nil {
			return s, err
		}
		if value, err = r.block(value, engine.MaxValue); err != nil {
			return s, err
		}
		if len(key) == 0 || s.Keys > 0 && bytes.Compare(last, key) >= 0 {
			return s, fmt.Errorf("%w: at byte %d: keys out of order", ErrDamaged, r.n)
		}
		if err := fn(key, value); err != nil {
			return s, err
		}
		last = append(last[:0], key...)
		s.Keys++
	}
}

// stream reads, counts and sums up.
type stream struct {
	from *bufio.Reader
	sum  hash.Hash
	n    int64
}

func (r *stream) readByte() (byte, error) {
	b, err := r.from.ReadByte()
	if err == nil {
		r.n++
		_, _ = r.sum.Write([]byte{b})
	}
	return b, err
}

func (r *stream) number() (n uint64, err error) {
	for shift := 0; ; shift += 7 {
		b, err := r.readByte()
		switch {
		case errors.Is(err, io.EOF):
			return 0, fmt.Errorf("%w: after %d bytes", ErrCut, r.n)
		case err != nil:
			return 0, err
		case shift == 63 && b > 1:
			return 0, fmt.Errorf("%w: at byte %d: a number without end", ErrDamaged, r.n)
		}
		if n |= uint64(b&0x7f) << shift; b < 0x80 {
			return n, nil
		}
	}
}

// block reads a length and so many bytes, into room if it is enough.
func (r *stream) block(room []byte, most uint64) ([]byte, error) {
	n, err := r.number()
	if err != nil {
		return room, err
	}
	if n > most {
		return room, fmt.Errorf("%w: at byte %d: a length of %d", ErrDamaged, r.n, n)
	}
	if uint64(cap(room)) < n {
		room = make([]byte, n)
	}
	room = room[:n]
	return room, r.full(room)
}

func (r *stream) full(b []byte) error {
	n, err := io.ReadFull(r.from, b)
	r.n += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: after %d bytes", ErrCut, r.n)
	}
	_, _ = r.sum.Write(b[:n])
	return err
}

func (r *stream) header(h *Header) error {
	name := make([]byte, len(magic))
	if err := r.full(name); err != nil && !errors.Is(err, ErrCut) {
		return err
	}
	if string(name) != magic {
		return ErrNotBackup
	}
	b, err := r.block(nil, maxHeader)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, h); err != nil {
		return fmt.Errorf("%w: its header: %w", ErrDamaged, err)
	}
	return nil
}

// end holds the end of the stream against what was read.
func (r *stream) end(keys int64) (size int64, err error) {
	n, err := r.number()
	if err != nil {
		return 0, err
	}
	want := r.sum.Sum(nil)
	got := make([]byte, len(want))
	if err := r.full(got); err != nil {
		return 0, err
	}
	switch _, err := r.from.ReadByte(); {
	case err == nil:
		return 0, fmt.Errorf("%w: something follows its end", ErrDamaged)
	case !errors.Is(err, io.EOF):
		return 0, err
	case !bytes.Equal(want, got), n != uint64(keys):
		return 0, fmt.Errorf("%w: it does not match its checksum", ErrDamaged)
	}
	return r.n, nil
}
