package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

// Letters is a file of dead letters, one JSON object a line, for sources that
// keep none themselves. Two files together never exceed its bound: FILE, and
// FILE.1 with what came before it. Whoever reads FILE may take it away; the next
// letter begins another. Where the disk is full, or FILE cannot become FILE.1, a
// letter is refused and those that are there stay; each later one tries again. Its
// methods may be called by several goroutines at once; a nil one keeps nothing.
type Letters struct {
	path string
	most int64 // of one of the two files

	mu    sync.Mutex
	file  *os.File // nil: to be opened by the next letter
	size  int64
	dirty bool
	early error // of a file that was left before Sync was called
}

// errNoLetters is that of a nil Letters.
var errNoLetters = errors.New("there is no file for dead letters")

// MinLetters is the least bound of a file of dead letters, in bytes: half of it
// holds the longest message.
const MinLetters = 8 * MaxMessage

// OpenLetters opens the file, or makes it; most bounds it and its predecessor
// together, in bytes, and is at least MinLetters.
func OpenLetters(path string, most int64) (*Letters, error) {
	if most < MinLetters {
		return nil, fmt.Errorf("dead letters: %d bytes are less than %d", most, int64(MinLetters))
	}
	l := &Letters{path: path, most: most / 2}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return l, nil
}

func (l *Letters) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	size, err := whole(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, size
	return nil
}

// whole ends a line of which only half was written, when the power failed or the
// disk was full, so that the next letter is a line of its own. It returns the size.
func whole(f *os.File) (size int64, err error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return 0, err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return info.Size(), err
	}
	_, err = f.WriteString("\n")
	return info.Size() + 1, err
}

// letter is one line of the file.
type letter struct {
	Time        time.Time         `json:"time"` // when it was buried
	Feed        string            `json:"feed"`
	ID          string            `json:"id,omitempty"`
	Reason      string            `json:"reason"`
	ContentType string            `json:"content_type,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	At          time.Time         `json:"at,omitzero"`
	Sequence    int64             `json:"sequence,omitempty"`
	Body        string            `json:"body,omitempty"`        // where it is UTF-8
	BodyBytes   []byte            `json:"body_base64,omitempty"` // where it is not
	Cut         int               `json:"cut,omitempty"`         // bytes of the body that were left out
}

// Put adds a message. A body that is longer than MaxMessage is cut. It blocks for
// the disk; Sync makes what was put durable.
func (l *Letters) Put(feed string, m *Message, reason string, now time.Time) error {
	if l == nil {
		return errNoLetters
	}
	line := letter{
		Time: now, Feed: feed, ID: m.ID, Reason: reason, ContentType: m.ContentType,
		Attributes: m.Attributes, At: m.At, Sequence: m.Sequence,
	}
	body := m.Body
	if len(body) > MaxMessage {
		line.Cut = len(body) - MaxMessage
		body = body[:MaxMessage]
	}
	if utf8.Valid(body) {
		line.Body = string(body)
	} else {
		line.BodyBytes = body
	}
	text, err := json.Marshal(line)
	if err == nil && int64(len(text)) >= l.most { // only attributes or a reason can be so long
		line.Attributes, line.Body, line.BodyBytes, line.Cut = nil, "", nil, len(m.Body)
		line.Reason = line.Reason[:min(len(line.Reason), 1000)]
		text, err = json.Marshal(line)
	}
	if err != nil {
		return err
	}
	text = append(text, '\n')
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.room(int64(len(text))); err != nil {
		return err
	}
	if _, err := l.file.Write(text); err != nil {
		if short := l.file.Truncate(l.size); short != nil { // half a line stays, and is ended when it is opened again
			err = errors.Join(err, short, l.leave())
		}
		return err
	}
	l.size += int64(len(text))
	l.dirty = true
	return nil
}

// room makes sure that a file is open which takes so many bytes more. Under mu.
func (l *Letters) room(bytes int64) error {
	if l.file != nil && l.taken() {
		if err := l.leave(); err != nil {
			return err
		}
	}
	if l.file == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	if l.size+bytes <= l.most {
		return nil
	}
	if err := errors.Join(l.leave(), os.Rename(l.path, l.path+".1")); err != nil {
		return err
	}
	return l.open()
}

// taken reports whether the file no longer stands in its place: somebody has moved
// or deleted it. Under mu.
func (l *Letters) taken() bool {
	mine, err := l.file.Stat()
	if err != nil {
		return true
	}
	there, err := os.Stat(l.path)
	return err != nil || !os.SameFile(mine, there)
}

// leave closes the file. What it says of durability is told by the next Sync.
// Under mu.
func (l *Letters) leave() error {
	if l.dirty {
		l.early = errors.Join(l.early, l.file.Sync())
	}
	err := l.file.Close()
	l.file, l.dirty = nil, false
	return err
}

// Sync returns when everything that was put is on the disk.
func (l *Letters) Sync() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.early
	if l.early = nil; l.dirty {
		l.dirty = false
		err = errors.Join(err, l.file.Sync())
	}
	return err
}

// Close closes the file.
func (l *Letters) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.leave()
	return errors.Join(err, l.early)
}
