package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// feedParseCmd reads a saved message.
type feedParseCmd struct {
	Mapping   string            `required:"" placeholder:"FILE" help:"The mapping file of the feed."`
	Attribute map[string]string `placeholder:"NAME=VALUE" help:"What the source says beside the body: subject, routing_key, key, topic, header.NAME. May be repeated."`
	Sequence  int64             `placeholder:"N" help:"The source's own order, for a mapping that says sequence: source."`
	File      string            `arg:"" default:"-" help:"The message, as it came; - for standard input."`
}

// Run prints the steps and the changes. A message that cannot be read, or not all
// of it, is an error: it would be a dead letter.
func (c *feedParseCmd) Run(k *kong.Context) error {
	m, err := httphis.LoadChanges(c.Mapping)
	if err != nil {
		return err
	}
	if err := m.ReadSecrets(); err != nil {
		return err
	}
	body, err := readMessage(c.File)
	if err != nil {
		return err
	}
	said, unreadable := m.Read(httphis.Message{Body: body, Attributes: c.Attribute, Sequence: c.Sequence}, time.Now())
	s := &shower{out: k.Stdout}
	s.line("message, %d bytes", len(body))
	for _, l := range said.Layers {
		if l.Text != "" {
			s.block(fmt.Sprintf("%s (mapping line %d)", l.Step, l.Line), l.Text)
		}
	}
	s.changes(said)
	if unreadable != nil {
		return errors.Join(s.err, fmt.Errorf("it would be a dead letter: %w", unreadable))
	}
	return s.err
}

// changes prints what a message says.
func (s *shower) changes(said httphis.Changes) {
	if said.Skipped != "" {
		s.line("  about no change: %s", said.Skipped)
	}
	for _, change := range said.List {
		s.change(change)
	}
	if said.Ignored > 0 {
		s.line("  rows left out (where, or a pharmacy that the table does not name): %d", said.Ignored)
	}
}

// change prints one change.
func (s *shower) change(c httphis.StockChange) {
	what := "changed, read again"
	if c.OnHand != nil {
		what = strconv.FormatInt(*c.OnHand, 10) + " on hand"
	}
	if c.Sequence != nil {
		what += ", sequence " + strconv.FormatInt(*c.Sequence, 10)
	}
	if !c.At.IsZero() {
		what += ", at " + c.At.Format(time.RFC3339)
	}
	s.line("  pharmacy %s drug %s: %s", c.Key.PharmacyID, c.Key.DrugID, what)
}

// readMessage reads a file, or standard input for -.
func readMessage(file string) ([]byte, error) {
	from := io.Reader(os.Stdin)
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	body, err := io.ReadAll(io.LimitReader(from, feed.MaxMessage+1))
	if err == nil && len(body) > feed.MaxMessage {
		if file == "-" {
			file = "standard input"
		}
		err = fmt.Errorf("%s is longer than %d bytes", file, feed.MaxMessage)
	}
	return body, err
}
