package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/internal/privateserver"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// quickName is hisgate serve with the waiting shortened by quick.
const quickName = "hisgate-quick"

func quickMain() {
	file := flag.String("c", "", "configuration")
	window := flag.Duration("window", 0, "time to pay, when it is to be shorter than the configuration permits")
	failing := flag.Int("failing-sync", 0, "the error number with which syncs fail after SIGUSR1")
	flag.Parse()
	if *failing != 0 {
		failSyncsOnSignal(syscall.Errno(*failing))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg, err := Load(*file, nil, nil)
	if err == nil {
		s := cfg.settings()
		quick(&s)
		if *window > 0 {
			s.orders.LeastToPay = 100 * time.Millisecond
			s.orders.ReserveWindow, s.orders.HoldWindow = *window, *window
			s.orders.VerifyWindow, s.orders.RefundWindow = *window, *window
		}
		err = serve(ctx, cfg, s, func() (Config, error) { return Load(*file, nil, nil) }, func() {})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hisgate:", err)
		os.Exit(1)
	}
}

// process is a hisgate of its own, which can be killed.
type process struct {
	api
	grpc, ops string
	cmd       *exec.Cmd
	log       *logBuffer
	ended     chan struct{} // closed when it is gone
	err       error         // of its end
}

// writeConfig writes the world's configuration for a process to read.
func (w *world) writeConfig() string {
	w.t.Helper()
	b, err := yaml.Dump(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(w.dir, "hisgate.yaml")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return file
}

// command prepares hisgate as a process: this binary under the name given.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Args[0] = name
	cmd.Env = plainEnv()
	return cmd
}

// plainEnv is the environment without what is meant for the tests, which hisgate
// would take for settings.
func plainEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "HISGATE_") })
}

// start runs hisgate on the world's data folder and waits until it serves.
func (w *world) start() *process {
	w.t.Helper()
	return w.run(command(w.t, quickName, "-c", w.writeConfig()))
}

func (w *world) run(cmd *exec.Cmd) *process {
	w.t.Helper()
	p := &process{cmd: cmd, log: &logBuffer{}, ended: make(chan struct{})}
	out, err := cmd.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		p.kill()
		w.checkLeaks(p.log.String())
		if w.t.Failed() {
			w.t.Logf("log of process %d:\n%s", cmd.Process.Pid, p.log.tail(150))
		}
	})
	up := make(chan map[string]any, 1)
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			fmt.Fprintf(p.log, "%s\n", lines.Bytes())
			var l map[string]any
			if json.Unmarshal(lines.Bytes(), &l) == nil && l["msg"] == "hisgate is up" {
				up <- l
			}
		}
		p.err = cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	select {
	case l := <-up:
		p.api = api{t: w.t, base: fmt.Sprint("http://", l["http"])}
		p.grpc, p.ops = fmt.Sprint(l["grpc"]), fmt.Sprint("http://", l["ops"])
		w.gate.sendTo(fmt.Sprint("http://", l["webhook"]))
	case <-p.ended:
		w.t.Fatalf("hisgate ended at once: %v\n%s", p.err, p.log)
	case <-ctx.Done():
		w.t.Fatalf("hisgate does not come up:\n%s", p.log)
	}
	return p
}

// kill ends the process as a power failure would, and waits until it is gone.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

func TestSecondProcessOnTheSameFolderIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.shelve("D1", 10)
	first := w.start()
	first.post("/v1/locks", lockJSON("FIRST-1", "D1", 3, "60s")).lock(t)
	out, err := command(t, "hisgate", "serve", "-c", w.writeConfig()).CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("the second process ended with %v:\n%s", err, out)
	}
	last := lastLine(out)
	for _, says := range []string{"hisgate: data_dir:", w.cfg.DataDir, "in use by another hisgate"} {
		if !strings.Contains(last, says) {
			t.Errorf("the refusal %q does not say %q", last, says)
		}
	}
	// The first one did not notice.
	first.post("/v1/locks/FIRST-1:release", `{}`).lock(t)
	w.audit(first.api)
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// hisgate serve as it is installed: told to stop, it answers what is under way,
// ends its streams, and goes with status 0. The next one goes on.
func TestSIGTERMDrainsAndEndsWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.shelve("D1", 10)
	p := w.run(command(t, "hisgate", "serve", "-c", w.writeConfig()))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream := openStream(t, ctx, p.base+"/v1/stock:watch?pharmacy_id=HLWYF&drug_ids=D1")
	stream.next(t, &hisgatev1.StockResult{})
	freeze := w.gate.hold(t, freezing, beforeIt)
	underWay := make(chan answer, 1)
	go func() {
		got, err := p.try(http.MethodPost, "/v1/locks", lockJSON("TERM-1", "D1", 3, "600s"))
		if err != nil {
			t.Error(err)
		}
		underWay <- got
	}()
	freeze.wait(t)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if last := stream.end(t); !strings.Contains(last, hisgatev1.Reason_SHUTTING_DOWN.String()) {
		t.Errorf("the stream ended with %q", last)
	}
	freeze.release()
	if l := (<-underWay).lock(t); l.GetStatus() != hisgatev1.Lock_LOCKED {
		t.Errorf("the call under way got %s", l.GetStatus())
	}
	select {
	case <-p.ended:
	case <-ctx.Done():
		t.Fatal("it does not end")
	}
	if p.err != nil || !strings.Contains(p.log.String(), `"msg":"stopped"`) {
		t.Errorf("it ended with %v:\n%s", p.err, p.log.tail(5))
	}
	next := w.start()
	next.post("/v1/locks/TERM-1:confirm", `{}`).lock(t)
	w.audit(next.api)
}

// started takes over a private server, for as long as the test runs. Where its
// program is not installed the test is skipped.
func started(t *testing.T, server *privateserver.Server, err error) {
	t.Helper()
	if missing, ok := errors.AsType[*privateserver.MissingError](err); ok {
		t.Skip(missing)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
}
