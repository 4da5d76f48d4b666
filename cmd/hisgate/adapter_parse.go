package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// adapterParseCmd reads a saved answer.
type adapterParseCmd struct {
	mappingFlags `embed:""`
	sampleFlags  `embed:""`

	Status int    `default:"200" help:"The answer's status (${default})."`
	Nth    int    `default:"1" help:"Which call of find_order it answers, where there are several (${default})."`
	File   string `arg:"" help:"The body of the answer, as it came; - for standard input."`
}

// maxAnswer bounds what is read of a saved answer.
const maxAnswer = 8 << 20

// Run prints how the answer is read. An answer that fits no rule is an error.
func (c *adapterParseCmd) Run(k *kong.Context) error {
	in, err := c.input(time.Now())
	if err != nil {
		return err
	}
	body, err := c.read(os.Stdin)
	if err != nil {
		return err
	}
	f, _, err := c.openOffline(toolOptions{batch: len(in.DrugIDs)})
	if err != nil {
		return err
	}
	if f.sql != nil {
		return errors.Join(errors.New("a database's answer is not saved as text; adapter call shows one and how it is read"), f.close())
	}
	p, err := f.http.Parse(httphis.Op(c.Op), in, httphis.Answer{Status: c.Status, Body: body, Call: c.Nth - 1})
	if err != nil {
		return err
	}
	s := &shower{out: k.Stdout}
	s.line("%s, status %d, %d bytes", c.Op, c.Status, len(body))
	s.parsed(f.file, p, f.placed)
	if p.Err != nil && p.Rule.Line == 0 {
		return errors.Join(s.err, errors.New("no rule of the mapping says what this answer means: it counts as unknown"))
	}
	return s.err
}

func (c *adapterParseCmd) read(stdin io.Reader) ([]byte, error) {
	from := stdin
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		from = file
	}
	body, err := io.ReadAll(io.LimitReader(from, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("%s: is longer than %d bytes", c.File, maxAnswer)
	}
	return body, err
}
