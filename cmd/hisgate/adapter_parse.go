package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
	"github.com/hisgate/hisgate/hisadapter/tape"
)

// adapterParseCmd reads a saved answer.
type adapterParseCmd struct {
	mappingFlags `embed:""`
	sampleFlags  `embed:""`

	Status int    `default:"200" help:"The answer's status (${default})."`
	Nth    int    `default:"1" help:"Which call of find_order it answers, where there are several (${default})."`
	File   string `arg:"" help:"The body of the answer, as it came; of a database the .yaml of a tape, or one written by hand; - for standard input."`
}

// maxAnswer bounds what is read of a saved answer.
const maxAnswer = 8 << 20

// Run prints how the answer is read. An answer that fits no rule is an error.
func (c *adapterParseCmd) Run(ctx context.Context, k *kong.Context) error {
	in, err := c.input(time.Now())
	if err != nil {
		return err
	}
	body, err := c.read(os.Stdin)
	if err != nil {
		return err
	}
	var attempt *sqlhis.Exchange
	f, err := c.open(toolOptions{batch: len(in.DrugIDs), offline: true, answers: c.once(&attempt)})
	if err != nil {
		return err
	}
	s := &shower{out: k.Stdout}
	if f.sql != nil {
		x, err := tape.ParseSQL(c.File, body)
		if err != nil {
			return fmt.Errorf("%w\n(of a database the answer is a file of a tape, or statements written by hand: docs/his-adapters.md, section 9)", err)
		}
		attempt = &x
		return errors.Join(c.parseSQL(ctx, s, f, in), s.err, f.close())
	}
	p, err := f.http.Parse(httphis.Op(c.Op), in, httphis.Answer{Status: c.Status, Body: body, Call: c.Nth - 1})
	if err != nil {
		return err
	}
	s.line("%s, status %d, %d bytes", c.Op, c.Status, len(body))
	s.parsed(f.file, p, f.placed)
	switch {
	case p.Err != nil && p.Rule.Line == 0:
		return errors.Join(s.err, errUnknownAnswer)
	case p.Err != nil && hisadapter.OutcomeOf(p.Err) == hisadapter.Unknown:
		return errors.Join(s.err, errors.New("a rule fits, but the answer lacks what it must bring: it counts as unknown"))
	default:
		return s.err
	}
}

var errUnknownAnswer = errors.New("no rule of the mapping says what this answer means: it counts as unknown")

// once gives what a file says that one attempt met, once.
func (c *adapterParseCmd) once(attempt **sqlhis.Exchange) func(op string) (sqlhis.Exchange, error) {
	return func(op string) (sqlhis.Exchange, error) {
		x := *attempt
		if x == nil || x.Op != "" && x.Op != op {
			return sqlhis.Exchange{}, fmt.Errorf("%s has no answer to %s", c.File, op)
		}
		*attempt = nil
		return *x, nil
	}
}

// parseSQL runs an operation against what its statements met.
func (c *adapterParseCmd) parseSQL(ctx context.Context, s *shower, f *fitted, in httphis.Input) error {
	f.sql.Watch(func(st sqlhis.Statement) { s.statement(f.file, st, true) })
	result, err := callSQL(ctx, f.sql, c.Op, in)
	if hisadapter.OutcomeOf(err) == hisadapter.NotSent {
		return errors.New(f.placed(err)) // the file is about something else
	}
	s.line("result")
	if err == nil {
		s.result(result)
		return nil
	}
	s.line("  outcome: %s", f.placed(err))
	if hisadapter.OutcomeOf(err) == hisadapter.Unknown {
		return errUnknownAnswer
	}
	return nil
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
