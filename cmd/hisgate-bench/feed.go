package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/feeds"
)

// feedCmd measures how long stock changes take to a watcher.
type feedCmd struct {
	Only    []string      `placeholder:"NAME" help:"Only sources whose name begins so."`
	Changes int           `default:"1000" help:"Changes of each source (${default})."`
	Every   time.Duration `default:"5ms" help:"One change every (${default})."`
	JSON    bool          `name:"json" help:"Print everything as one JSON object."`
	Dir     string        `type:"existingdir" placeholder:"DIR" help:"Where servers store. Default: the temporary folder."`
	Wait    float64       `placeholder:"LOAD" help:"First wait, at most 10 minutes, until the machine's load average is below this."`
}

// Run measures and prints.
func (c *feedCmd) Run(ctx context.Context) (err error) {
	if c.Changes < 1 || c.Every <= 0 {
		return errors.New("--changes and --every are at least 1")
	}
	if c.Wait > 0 {
		if err := awaitQuiet(ctx, c.Wait); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(c.Dir, "hisgate-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	on, err := machine(dir)
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // servers run as users of their own
		return err
	}
	rows, err := feeds.Do(ctx, feeds.Options{Dir: dir, Only: c.Only, Changes: c.Changes, Every: c.Every})
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(struct {
			Machine string      `json:"machine"`
			Rows    []feeds.Row `json:"rows"`
		}{on, rows})
	}
	fmt.Printf("%s\n\n", on)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| source\t| changes\t| p50\t| p99\t| max\t|\n| ---\t| ---\t| ---\t| ---\t| ---\t|")
	for _, r := range rows {
		name := r.Source
		if r.Note != "" {
			name += " (" + r.Note + ")"
		}
		fmt.Fprintf(w, "| %s\t| %d\t| %s\t| %s\t| %s\t|\n", name, r.Changes, short(r.P50), short(r.P99), short(r.Max))
	}
	return w.Flush()
}

// short is a time as a table shows it.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}
