// Command hisgate stands in front of a hospital information system: it answers
// stock questions, holds stock while a patient pays, and drives the payment, so
// that whoever paid gets the drugs or the money back.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

type cli struct {
	Serve     serveCmd     `cmd:"" help:"Run the sidecar."`
	Demo      demoCmd      `cmd:"" help:"Play the whole story on simulated systems. Needs nothing."`
	Sim       simCmd       `cmd:"" help:"Serve the simulated HIS and the simulated WeChat Pay, to try serve against."`
	Case      caseCmd      `cmd:"" help:"List and settle what a person must settle, at a running hisgate."`
	Reconcile reconcileCmd `cmd:"" help:"Compare a day: WeChat's bill, the orders here, the orders of the HIS; at a running hisgate."`
	Explain   explainCmd   `cmd:"" help:"Tell the whole story of an order."`
	Ledger    ledgerCmd    `cmd:"" help:"Verify, export, back up and restore the ledger of locks and orders."`
	Doctor    doctorCmd    `cmd:"" help:"Look at clock, network, keys, HIS, WeChat Pay, disk and ports before a start, or any time."`
	Health    healthCmd    `cmd:"" help:"Ask a running hisgate whether it takes requests; exit status 1 when it does not."`
	Service   serviceCmd   `cmd:"" help:"Have the system run hisgate: a unit of systemd, or a Windows service."`
	Token     tokenCmd     `cmd:"" help:"Make tokens for callers."`
	Alert     alertCmd     `cmd:"" help:"Try the webhooks for alerts, print the alerts for Prometheus."`
	Adapter   adapterCmd   `cmd:"" help:"Fit hisgate to a HIS."`
	Probe     probeCmd     `cmd:"" help:"Test a real HIS step by step, and print which capabilities are proven. Read only without --write."`
	Feed      feedCmd      `cmd:"" help:"Bring stock changes the moment they happen."`
	Bundle    bundleCmd    `cmd:"" name:"support-bundle" help:"Gather version, settings, findings, metrics and a log, masked, for whoever helps."`
	Config    configCmd    `cmd:"" help:"Begin, check or show the configuration."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	k := kong.Parse(&c,
		kong.Name("hisgate"),
		kong.Description("Stock and payment gateway in front of a hospital information system."),
		kong.UsageOnError(),
		kong.Exit(func(code int) {
			if code != 0 { // Kong has several for a command line that is wrong
				code = exitNobody
			}
			os.Exit(code)
		}),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "hisgate:", err)
		os.Exit(exitCode(err))
	}
}

// configFlags choose the configuration; every command that needs one has them.
type configFlags struct {
	Config string   `short:"c" placeholder:"FILE" help:"Configuration file (YAML). Without it the defaults and the environment count."`
	Set    []string `placeholder:"SETTING=VALUE" sep:"none" help:"Lay one setting over file and environment, as --set listen.http=127.0.0.1:0. May be repeated."`
}

func (f configFlags) load() (Config, error) { return Load(f.Config, os.Environ(), f.Set) }

type configCmd struct {
	Init    configInitCmd    `cmd:"" help:"Write a hisgate.yaml and a mapping file to begin with."`
	Check   configCheckCmd   `cmd:"" help:"Load and check the configuration and the files that it names; print nothing when all is good."`
	Show    configShowCmd    `cmd:"" help:"Print every setting as it counts, with its default where nothing else is set."`
	Doc     configDocCmd     `cmd:"" help:"Print all settings as Markdown."`
	Example configExampleCmd `cmd:"" help:"Print an example file with every setting explained."`
}

type configShowCmd struct {
	configFlags `embed:""`
}

func (c *configShowCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(shownConfig(cfg))
	return err
}

type configDocCmd struct{}

func (configDocCmd) Run() error {
	_, err := fmt.Print(configDoc())
	return err
}

type configExampleCmd struct{}

func (configExampleCmd) Run() error {
	_, err := fmt.Print(configExample())
	return err
}

type versionCmd struct{}

func (versionCmd) Run() error {
	fmt.Println("hisgate", version())
	return nil
}

// version is the module's version where the build knows it, else the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	for _, s := range info.Settings {
		if rev := s.Value[:min(12, len(s.Value))]; s.Key == "vcs.revision" && !strings.Contains(v, rev) {
			v += " " + rev
		}
	}
	return v + " " + info.GoVersion
}
