package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

// doctorCmd looks at everything that a hisgate needs, without starting one.
type doctorCmd struct {
	configFlags `embed:""`
	outputFlags `embed:""`
}

// errUnwell makes the doctor end with status 1; the table has been printed.
var errUnwell = errors.New("something is red")

// Run looks and prints the table.
func (c *doctorCmd) Run(ctx context.Context) error {
	d := &doctor{outputFlags: c.outputFlags}
	d.examine(ctx, c.configFlags)
	if err := d.print(os.Stdout); err != nil {
		return err
	}
	if d.worst() == red {
		return errUnwell
	}
	return nil
}

// verdict is how a check came out, the worst last.
type verdict int

const (
	fine verdict = iota
	warned
	red // hisgate does not start, or does not work
)

func (v verdict) String() string { return [...]string{"ok", "warn", "red"}[v] }

// finding is one line of the table. It holds no secret.
type finding struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"`
	Found   string `json:"found"`
	Do      string `json:"do,omitempty"`
	verdict verdict
}

// doctor gathers findings. It only reads: no payment, no lock, no order, no message
// of a feed, none to a group; the one thing that it writes is a file beside the data
// folder, to measure the disk, which it removes. Everything that it asks has a time
// of its own, so that it comes to its end whatever hangs.
type doctor struct {
	outputFlags
	findings []finding
}

func (d *doctor) add(v verdict, check, found, do string) {
	d.findings = append(d.findings, finding{Check: check, Verdict: v.String(), Found: masked(found), Do: do, verdict: v})
}

func (d *doctor) ok(check, format string, args ...any) {
	d.add(fine, check, fmt.Sprintf(format, args...), "")
}

func (d *doctor) worst() verdict {
	worst := fine
	for _, f := range d.findings {
		worst = max(worst, f.verdict)
	}
	return worst
}

// examine runs all checks. A configuration that cannot be used ends it early.
func (d *doctor) examine(ctx context.Context, f configFlags) {
	c, err := f.load()
	if err != nil {
		for _, e := range parts(err) {
			d.add(red, "config", e.Error(), d.say("改正该配置项后重试；其余检查未进行", "mend the setting and come again; the rest was not looked at"))
		}
		return
	}
	d.ok("config", "%s", d.say("配置有效", "valid"))
	d.files(c)
	runs := alive(ctx, c.Listen.Ops)
	d.disk(c, runs)
	d.ports(c, runs)
	d.his(ctx, c)
	if c.Payment.Enabled {
		d.wechat(ctx, c)
	}
	d.feeds(ctx, c)
	d.webhooks(ctx, c)
	d.collector(ctx, c.Tracing)
}

// print writes the table, what is to be done below what is not well, or one JSON
// object a line.
func (d *doctor) print(out io.Writer) error {
	if d.JSON {
		return printLines(out, d.findings)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range d.findings {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Verdict, f.Check, oneLine(f.Found))
		if f.Do != "" {
			fmt.Fprintf(w, "\t\t→ %s\n", f.Do)
		}
	}
	return w.Flush()
}
