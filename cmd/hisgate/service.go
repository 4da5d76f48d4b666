package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// serviceCmd has the system run hisgate: systemd, or the service manager of
// Windows.
type serviceCmd struct {
	Install serviceInstallCmd `cmd:"" help:"Have the system start hisgate with the machine. May be repeated, and then brings what is installed up to date. Does not start it."`
	Start   serviceStartCmd   `cmd:"" help:"Start it, and wait until it is up."`
	Stop    serviceStopCmd    `cmd:"" help:"Stop it in order."`
	Remove  serviceRemoveCmd  `cmd:"" help:"Stop it, and have the system forget it. Program, configuration and data stay."`
	Status  serviceStatusCmd  `cmd:"" help:"Say whether it is installed and runs; exit status 1 when it does not run."`
}

// serviceFlags are those of all verbs.
type serviceFlags struct {
	langFlags `embed:""`
	Name      string `default:"hisgate" help:"Name of the service (${default})."`
	DryRun    bool   `help:"Print what would be done, and what would be written, and do nothing."`
}

// supervisor is the system's way of running services. Its methods say what is to
// be done; carryOut does it.
type supervisor interface {
	// allowed is nil, or why this user may not do what the verbs do.
	allowed(l langFlags) error
	install(w wishes) ([]step, error)
	start() []step
	stop() []step
	remove() []step
	// state says in a word how the service is ("active", "not installed"), and
	// whether it runs.
	state(ctx context.Context) (word string, runs bool, err error)
}

// wishes are what is to be installed, all paths absolute.
type wishes struct {
	binary, config string
	user           string // that hisgate runs as
	c              Config
}

// step is one thing that is done to the system.
type step struct {
	words string // what it is, on one line
	text  string // what is written, for --dry-run
	do    func(ctx context.Context) error
}

// carryOut does the steps in order, and says each; with --dry-run it only says
// them. The first that fails is the last.
func (f serviceFlags) carryOut(ctx context.Context, out io.Writer, steps []step) error {
	for _, s := range steps {
		fmt.Fprintln(out, s.words)
		if f.DryRun {
			if s.text != "" {
				fmt.Fprintf(out, "\n%s\n", s.text)
			}
			continue
		}
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.words, err)
		}
	}
	return nil
}

// runProgram runs a program of the system; its error has the program's words.
func runProgram(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	words := strings.TrimSpace(string(out))
	if err != nil {
		return words, fmt.Errorf("%w: %s", err, words)
	}
	return words, nil
}

var serviceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// open finds the system's supervisor. Errors: there is none, the name is no name,
// this user may not.
func (f serviceFlags) open(changes bool) (supervisor, error) {
	if !serviceName.MatchString(f.Name) {
		return nil, nobody("--name %q: letters, digits, - and _ only", f.Name)
	}
	s, err := newSupervisor(f.Name)
	if err != nil {
		return nil, err
	}
	if changes && !f.DryRun {
		if err := s.allowed(f.langFlags); err != nil {
			return nil, err
		}
	}
	return s, nil
}

type serviceInstallCmd struct {
	serviceFlags `embed:""`
	Config       string `short:"c" placeholder:"FILE" help:"Configuration that it will run with; it must be valid. The usual place when left out: /etc/hisgate/hisgate.yaml, on Windows conf below C:\\hisgate."`
	Binary       string `placeholder:"FILE" help:"Program that it will run; this one when left out."`
	User         string `help:"User that it will run as, made when it is not there: hisgate when left out, on Windows the service's own account."`
}

// Run installs the service for a configuration that is valid.
func (c *serviceInstallCmd) Run(ctx context.Context) error {
	s, err := c.open(true)
	if err != nil {
		return err
	}
	w, err := c.wishes()
	if err != nil {
		return err
	}
	steps, err := s.install(w)
	if err != nil {
		return err
	}
	if err := c.carryOut(ctx, os.Stdout, steps); err != nil || c.DryRun {
		return err
	}
	fmt.Printf(c.say("已安装服务 %s：程序 %s，配置 %s，用户 %s，数据 %s\n下一步：hisgate doctor -c %[3]s，再 hisgate service start\n",
		"the service %s is installed: program %s, configuration %s, user %s, data %s\nnext: hisgate doctor -c %[3]s, then hisgate service start\n"),
		c.Name, w.binary, w.config, w.user, w.c.DataDir)
	return nil
}

// wishes makes sense of the flags. Errors: the configuration cannot be used, or
// means something only in the folder where the command was given.
func (c *serviceInstallCmd) wishes() (wishes, error) {
	w := wishes{user: cmp.Or(c.User, serviceUser)}
	var err error
	if w.config, err = filepath.Abs(cmp.Or(c.Config, serviceConfig)); err != nil {
		return w, err
	}
	if _, err := os.Stat(w.config); err != nil {
		return w, nobody(c.say("%w；hisgate config init 可生成一份", "%w; hisgate config init writes one to begin with"), err)
	}
	// Not of the environment: the service will not have it.
	if w.c, err = Load(w.config, nil, nil); err != nil {
		return w, err
	}
	w.binary = c.Binary
	if w.binary == "" {
		if w.binary, err = os.Executable(); err != nil {
			return w, err
		}
	}
	if w.binary, err = filepath.Abs(w.binary); err != nil {
		return w, err
	}
	if info, err := os.Stat(w.binary); err != nil || info.IsDir() {
		return w, nobody("--binary %s: no program", w.binary)
	}
	if rel := w.c.relativePaths(); len(rel) > 0 {
		return w, nobody(c.say("服务不在此文件夹里启动，下列配置须为绝对路径：%s", "a service is not started in this folder; these settings must be absolute paths: %s"), strings.Join(rel, ", "))
	}
	return w, nil
}

type serviceStartCmd struct {
	serviceFlags `embed:""`
}

// Run starts the service.
func (c *serviceStartCmd) Run(ctx context.Context) error {
	return c.run(ctx, supervisor.start, c.say("已启动", "started"))
}

type serviceStopCmd struct {
	serviceFlags `embed:""`
}

// Run stops the service.
func (c *serviceStopCmd) Run(ctx context.Context) error {
	return c.run(ctx, supervisor.stop, c.say("已停止", "stopped"))
}

type serviceRemoveCmd struct {
	serviceFlags `embed:""`
}

// Run removes the service, if there is one.
func (c *serviceRemoveCmd) Run(ctx context.Context) error {
	return c.run(ctx, supervisor.remove, c.say("已移除；程序、配置与数据都还在", "removed; program, configuration and data are still there"))
}

// run carries out a verb. What is not there can be stopped and removed, not
// started.
func (f serviceFlags) run(ctx context.Context, verb func(supervisor) []step, done string) error {
	s, err := f.open(true)
	if err != nil {
		return err
	}
	steps := verb(s)
	if err := f.carryOut(ctx, os.Stdout, steps); err != nil || f.DryRun {
		return err
	}
	if len(steps) == 0 {
		done = f.say("未安装，无事可做", "is not installed; there is nothing to do")
	}
	fmt.Printf("%s: %s\n", f.Name, done)
	return nil
}

type serviceStatusCmd struct {
	serviceFlags `embed:""`
}

// Run says how the service is.
func (c *serviceStatusCmd) Run(ctx context.Context) error {
	s, err := c.open(false)
	if err != nil {
		return err
	}
	word, runs, err := s.state(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s\n", c.Name, word)
	if !runs {
		return fmt.Errorf(c.say("%s 没有在运行", "%s does not run"), c.Name)
	}
	return nil
}
