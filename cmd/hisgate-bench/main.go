// Command hisgate-bench measures hisgate's lock ledger and its edge side by side with other
// ways to keep a lock of stock durable, in one interleaved run on one machine:
// PostgreSQL with a stored function, Redis with a script and appendfsync always,
// Badger with one transaction for each call, and a plain appending file as the
// bound. It starts private servers on loopback from installed programs and ends
// them; everything it stores lies in one temporary folder. See
// docs/performance.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

type cli struct {
	Run     runCmd     `cmd:"" default:"withargs" help:"Measure and print. The default."`
	Protect protectCmd `cmd:"" help:"Let a crowd loose on a HIS that counts, with hisgate in between and with nothing."`
	Feed    feedCmd    `cmd:"" help:"Measure how long a change of stock takes from its source to a watcher."`
	Child   childCmd   `cmd:"" hidden:"" help:"Be a ledger that may be killed."`
	Peer    peerCmd    `cmd:"" hidden:"" help:"Be the servers that hisgate's edge is held against."`
}

// runCmd is a measurement.
type runCmd struct {
	Quick   bool          `help:"Fewer cases, shorter rounds: under 2 minutes."`
	JSON    bool          `name:"json" help:"Print one JSON object a line for each ratio, instead of tables; remarks go to standard error."`
	Rows    []string      `placeholder:"PATTERN" help:"Only cases whose name matches one of these, as lock-*-hot-64. See --list."`
	Peers   []string      `placeholder:"NAME" default:"postgres,redis,badger,rawfile" help:"Peers to measure against (${default}); none for hisgate alone."`
	List    bool          `help:"Print the names of the cases and end."`
	Rounds  int           `help:"Rounds of each case; 0 = 5."`
	For     time.Duration `help:"Length of one round of one system; 0 = 1s, or 150ms with --quick."`
	Dir     string        `type:"existingdir" placeholder:"DIR" help:"Where to store; the disk that is measured. Default: the temporary folder."`
	Active  int           `help:"Active locks of the size and opening cases; 0 = 1,000,000, or 100,000 with --quick."`
	Ended   int           `default:"1000000" help:"Ended locks of the size and purge cases."`
	Wait    float64       `placeholder:"LOAD" help:"First wait, at most 10 minutes, until the machine's load average is below this."`
	Hisgate string        `type:"existingfile" placeholder:"FILE" help:"The program whose edge is measured. Default: hisgate beside this program, else the one in PATH; without one these cases are left out."`
	Pprof   string        `type:"path" placeholder:"FILE" help:"Write a CPU profile of this process to a file; with --peers none it is of hisgate alone."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	k := kong.Parse(&c,
		kong.Name("hisgate-bench"),
		kong.Description("The lock ledger side by side with its peers, in one interleaved run."),
		kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "hisgate-bench:", err)
		os.Exit(1)
	}
}

// settle fills in what was not set.
func (c *runCmd) settle() error {
	if c.Rounds == 0 {
		c.Rounds = 5
	}
	if c.For == 0 {
		c.For = time.Second
		if c.Quick {
			c.For = 150 * time.Millisecond
		}
	}
	if c.Active == 0 {
		c.Active = 1_000_000
		if c.Quick {
			c.Active = 100_000
		}
	}
	if c.Rounds < 0 || c.For < 0 || c.Active < 0 || c.Ended < 0 {
		return fmt.Errorf("rounds, lengths and sizes cannot be negative")
	}
	for _, p := range c.Rows {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("--rows %s: %w", p, err)
		}
	}
	return nil
}

// wants reports whether a case was asked for.
func (c *runCmd) wants(name string) bool {
	for _, p := range c.Rows {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return len(c.Rows) == 0
}
