package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/program"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/protect"
)

// protectCmd lets a crowd loose on a HIS that counts.
type protectCmd struct {
	Hisgate  string        `type:"existingfile" placeholder:"FILE" help:"The program that stands before the HIS. Default: hisgate beside this program, else the one in PATH."`
	Quick    bool          `help:"Shorter phases: under 5 minutes."`
	Phases   []string      `placeholder:"NAME" help:"Only these phases: readers, quiet, flood, hanging, refuses, flaps, crawls, dead."`
	For      time.Duration `help:"Repeat the troubles until the run is at least so long."`
	Without  bool          `negatable:"" default:"true" help:"The same with nothing in between, too."`
	JSON     bool          `name:"json" help:"Print everything as one JSON object."`
	Markdown bool          `help:"Print the table alone, as Markdown."`
	Picture  string        `type:"path" placeholder:"FILE" help:"Write the course of the runs as an SVG picture."`
	From     string        `type:"existingfile" placeholder:"FILE" help:"Measure nothing: print and draw what --json printed once."`
	Dir      string        `type:"existingdir" placeholder:"DIR" help:"Where hisgate stores. Default: the temporary folder."`
	Seed     uint64        `help:"Of the crowd; 0 = another one each time."`
	Wait     float64       `placeholder:"LOAD" help:"First wait, at most 10 minutes, until the machine's load average is below this."`
}

// measured is what protect measures and --json prints.
type measured struct {
	Machine string         `json:"machine"`
	Seed    uint64         `json:"seed"`
	Runs    []*protect.Run `json:"runs"`
}

var errBroken = errors.New("promises were broken")

// Run measures and prints. It fails when hisgate broke a promise.
func (c *protectCmd) Run(ctx context.Context) error {
	m, err := c.measured(ctx)
	if err != nil {
		return err
	}
	if c.Picture != "" {
		if err := c.draw(m); err != nil {
			return err
		}
	}
	if c.JSON {
		if err := json.NewEncoder(os.Stdout).Encode(m); err != nil {
			return err
		}
	} else {
		if !c.Markdown {
			fmt.Printf("\n%s; seed %d\n\n", m.Machine, m.Seed)
		}
		protect.WriteTable(os.Stdout, m.Runs...)
	}
	broken := false
	for _, r := range m.Runs {
		for _, b := range r.Broken {
			broken = true
			fmt.Fprintln(os.Stderr, "broken:", b)
		}
	}
	if broken {
		return errBroken
	}
	fmt.Fprintln(os.Stderr, "all promises were kept")
	return nil
}

func (c *protectCmd) measured(ctx context.Context) (m measured, err error) {
	if c.From != "" {
		b, err := os.ReadFile(c.From)
		if err != nil {
			return m, err
		}
		return m, json.Unmarshal(b, &m)
	}
	file, err := program.Find(c.Hisgate)
	if err != nil {
		return m, err
	}
	if c.Wait > 0 {
		if err := awaitQuiet(ctx, c.Wait); err != nil {
			return m, err
		}
	}
	dir, err := os.MkdirTemp(c.Dir, "hisgate-bench-")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if m.Machine, err = machine(dir); err != nil {
		return m, err
	}
	if m.Seed = c.Seed; m.Seed == 0 {
		m.Seed = rand.Uint64()
	}
	o := protect.Options{Program: file, Dir: dir, Plan: protect.Plan(c.Quick), Seed: m.Seed, Remarks: os.Stderr}
	if len(c.Phases) > 0 {
		o.Plan = slices.DeleteFunc(o.Plan, func(p protect.Phase) bool { return !slices.Contains(c.Phases, p.Name) })
	}
	if len(o.Plan) == 0 {
		return m, fmt.Errorf("no phase is named %v", c.Phases)
	}
	o.Rounds = protect.RoundsFor(o.Plan, c.For)
	for _, with := range []bool{true, false} {
		if !with {
			o.Program, o.Rounds = "", 1
		}
		if !with && !c.Without {
			break
		}
		r, err := protect.Do(ctx, o)
		if err != nil {
			return m, err
		}
		m.Runs = append(m.Runs, r)
	}
	return m, nil
}

func (c *protectCmd) draw(m measured) error {
	f, err := os.Create(c.Picture)
	if err != nil {
		return err
	}
	var w io.Writer = f
	return errors.Join(protect.Draw(w, m.Runs...), f.Close())
}
