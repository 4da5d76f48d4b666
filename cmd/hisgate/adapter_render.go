package main

import (
	"errors"
	"time"

	"github.com/alecthomas/kong"

	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// adapterRenderCmd shows requests or statements and sends nothing.
type adapterRenderCmd struct {
	mappingFlags `embed:""`
	sampleFlags  `embed:""`
	factFlags    `embed:""`

	Bytes bool `help:"The body's bytes too, in the HIS's charset."`
}

// Run prints what would be sent. What cannot be written is an error that names
// the line of the mapping.
func (c *adapterRenderCmd) Run(k *kong.Context) error {
	in, err := c.input(time.Now())
	if err != nil {
		return err
	}
	in.Facts = c.Fact
	f, err := c.open(toolOptions{batch: len(in.DrugIDs), offline: true})
	if err != nil {
		return err
	}
	s := &shower{out: k.Stdout}
	if f.sql != nil {
		statements, err := f.sql.Render(c.Op, forSQL(in))
		for _, st := range statements {
			s.statement(f.file, st, false)
		}
		return errors.Join(err, s.err, f.close())
	}
	if f.standIns {
		s.line("the secrets are not set: what is signed or enciphered here is not what would be sent")
	}
	requests, err := f.http.Render(httphis.Op(c.Op), in)
	for _, r := range requests {
		s.line("%s (%s:%d)", c.Op, f.file, r.Line)
		s.request(r.Request, c.Bytes)
	}
	if err != nil {
		return errors.New(f.placed(err))
	}
	return s.err
}
