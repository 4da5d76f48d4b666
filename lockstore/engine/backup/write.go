package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// The first bytes of a backup: the name, and the version of the format.
const magic = "hisgate backup 1\n"

const (
	recordPair = 1
	recordEnd  = 0

	maxHeader = 64 << 10
	buffer    = 64 << 10
)

// Header says of what moment a backup is.
type Header struct {
	CreatedAt time.Time `json:"created_at"`
	Epoch     uint64    `json:"epoch"`   // of the opening that it was taken of; the restored folder goes on above it
	Version   string    `json:"version"` // of the program
}

// Summary is what was written or read.
type Summary struct {
	Header
	Keys  int64 // keys and values
	Bytes int64 // of the stream
}

// Write writes everything that r shows. r must be one moment: that of an
// [engine.Engine.View], or a folder that nobody uses. It blocks as w does.
//
// Errors: ctx's; w's; what the storage says. What was written by then has no end,
// and [Read] refuses it.
func Write(ctx context.Context, w io.Writer, r engine.Reader, h Header) (Summary, error) {
	h.Epoch = r.Epoch()
	sum := sha256.New()
	out := &counter{to: w}
	b := bufio.NewWriterSize(io.MultiWriter(out, sum), buffer)
	s := Summary{Header: h}
	head, err := json.Marshal(h)
	if err != nil {
		return s, err
	}
	_, _ = b.WriteString(magic) // errors of a bufio.Writer stay until Flush
	number(b, uint64(len(head)))
	_, _ = b.Write(head)
	err = r.Scan(nil, nil, func(key, value []byte) error {
		if s.Keys%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		s.Keys++
		number(b, recordPair)
		number(b, uint64(len(key)))
		_, _ = b.Write(key)
		number(b, uint64(len(value)))
		_, err := b.Write(value)
		return err
	})
	if err != nil {
		return s, err
	}
	number(b, recordEnd)
	number(b, uint64(s.Keys))
	if err := b.Flush(); err != nil {
		return s, err
	}
	_, err = out.Write(sum.Sum(nil))
	s.Bytes = out.n
	return s, err
}

func number(b *bufio.Writer, n uint64) {
	var room [binary.MaxVarintLen64]byte
	_, _ = b.Write(binary.AppendUvarint(room[:0], n))
}

// counter counts what passes.
type counter struct {
	to io.Writer
	n  int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	if err != nil {
		return n, fmt.Errorf("writing the backup: %w", err)
	}
	return n, nil
}
