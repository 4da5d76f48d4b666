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
// FILE.1 with what came before it. Its methods may be called by several
// goroutines at once; a nil one keeps nothing.
type Letters struct {
	path string
	most int64 // of one of the two files

	mu    sync.Mutex
	file  *os.File
	size  int64
	dirty bool
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
	if err := l.open(os.O_APPEND); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return l, nil
}

func (l *Letters) open(how int) error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|how, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	l.file, l.size = f, info.Size()
	return nil
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
	if l.file != nil && l.size+int64(len(text)) > l.most {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	if l.file == nil { // the last rotation failed; perhaps there is room again
		if err := l.open(os.O_APPEND); err != nil {
			return err
		}
	}
	if _, err := l.file.Write(text); err != nil {
		return errors.Join(err, l.file.Truncate(l.size)) // no half a line
	}
	l.size += int64(len(text))
	l.dirty = true
	return nil
}

// rotate makes the file the predecessor, in the place of the one that was, and
// begins a new one. Under mu.
func (l *Letters) rotate() error {
	err := errors.Join(l.file.Sync(), l.file.Close(), os.Rename(l.path, l.path+".1"))
	if l.file = nil; err != nil {
		return err
	}
	return l.open(os.O_APPEND)
}

// Sync returns when everything that was put is on the disk.
func (l *Letters) Sync() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.dirty || l.file == nil {
		return nil
	}
	l.dirty = false
	return l.file.Sync()
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
	err := errors.Join(l.file.Sync(), l.file.Close())
	l.file = nil
	return err
}
