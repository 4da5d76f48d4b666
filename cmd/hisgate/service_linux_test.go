package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/deploy/systemd"
)

// asShipped are the wishes that the unit in deploy fulfils as it stands.
func asShipped() wishes {
	c := Default()
	c.DataDir = "/var/lib/hisgate"
	return wishes{binary: "/usr/local/bin/hisgate", config: "/etc/hisgate/hisgate.yaml", user: "hisgate", c: c}
}

// The unit that people read in deploy is the one that is installed; where a site
// has other paths, it has these and is as hardened.
func TestUnitFollowsThePathsOfTheSite(t *testing.T) {
	if got, err := unitFor(asShipped()); err != nil || got != systemd.Unit() {
		t.Errorf("the unit for the usual paths is another one (%v):\n%s", err, got)
	}
	w := asShipped()
	w.binary, w.config, w.user = "/opt/his gate/bin/hisgate", "/etc/hospital/100%.yaml", "pharmacy"
	w.c.DataDir, w.c.ShutdownTimeout = "/data/hisgate", 2*time.Minute
	w.c.Log.Audit, w.c.Log.File = "/var/log/hospital/audit.jsonl", "/data/logs/hisgate.log"
	got, err := unitFor(w)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`ExecStart="/opt/his gate/bin/hisgate" serve -c /etc/hospital/100%%.yaml`, "User=pharmacy", "Group=pharmacy", "TimeoutStopSec=150",
		"WorkingDirectory=/data/hisgate", "ReadWritePaths=/data/hisgate", "ReadWritePaths=/data/logs", "LogsDirectory=hospital",
		"ProtectSystem=strict", "NoNewPrivileges=yes",
	} {
		if !strings.Contains(got, "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
	if strings.Contains(got, "StateDirectory") {
		t.Errorf("systemd is to make a folder that is elsewhere:\n%s", got)
	}
	verifyUnit(t, got)
	w = asShipped()
	w.config = "/etc/a\nExecStartPost=/bin/sh"
	if got, err := unitFor(w); err == nil || exitCode(err) != exitNobody {
		t.Errorf("a path with a line end: %v\n%s", err, got)
	}
}

// What the hardening hides from the service is refused, whichever file or folder
// lies there, and wherever it is hidden.
func TestUnitRefusesWhatTheServiceCannotSee(t *testing.T) {
	for _, above := range hidden() {
		path := filepath.Join(above, "some", "hisgate")
		for what, move := range map[string]func(*wishes){
			"the program":       func(w *wishes) { w.binary = path },
			"the configuration": func(w *wishes) { w.config = path },
			"the data":          func(w *wishes) { w.c.DataDir = path },
			"the audit file":    func(w *wishes) { w.c.Log.Audit = path },
			"the dead letters":  func(w *wishes) { w.c.DeadLetters.File = path },
		} {
			w := asShipped()
			move(&w)
			if got, err := unitFor(w); err == nil || exitCode(err) != exitNobody || !strings.Contains(err.Error(), above) {
				t.Errorf("%s below %s: %v\n%s", what, above, err, got)
			}
		}
	}
}

// machine is a systemd that notes what it is told.
type machine struct {
	underSystemd
	calls []string
	fail  string // a call that fails
}

func newMachine(t *testing.T) *machine {
	m := &machine{underSystemd: underSystemd{name: "hisgate", dir: t.TempDir()}}
	m.run = func(_ context.Context, program string, args ...string) (string, error) {
		call := program + " " + strings.Join(args, " ")
		m.calls = append(m.calls, call)
		switch {
		case call == m.fail:
			return "", errors.New("it fails")
		case strings.HasPrefix(call, "systemctl is-active"):
			return "inactive", errors.New("status 3")
		case strings.HasPrefix(call, "systemctl is-enabled"):
			return "enabled", nil
		}
		return "", nil
	}
	return m
}

func (m *machine) do(t *testing.T, steps []step) (said string, err error) {
	t.Helper()
	var out strings.Builder
	m.calls = nil
	err = serviceFlags{}.carryOut(t.Context(), &out, steps)
	return out.String(), err
}

// Installing twice is as good as once, a unit that somebody had changed is kept
// beside the new one, and removing twice is as good as once.
func TestServiceIsInstalledAndRemovedTwice(t *testing.T) {
	m := newMachine(t)
	w := asShipped()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	w.user = me.Username // so that nobody needs to be made
	install := func() string {
		t.Helper()
		steps, err := m.install(w)
		if err != nil {
			t.Fatal(err)
		}
		said, err := m.do(t, steps)
		if err != nil || !slices.Equal(m.calls, []string{"systemctl daemon-reload", "systemctl enable hisgate"}) {
			t.Fatalf("%v, %q", err, m.calls)
		}
		return said
	}
	if word, runs, err := m.state(t.Context()); err != nil || runs || word != "not installed" {
		t.Errorf("before: %s %t %v", word, runs, err)
	}
	if _, err := m.do(t, m.start()); err == nil || len(m.calls) > 0 || !strings.Contains(err.Error(), "service install -c") {
		t.Errorf("what is not installed is started: %v, %q", err, m.calls)
	}
	if said := install(); !strings.Contains(said, "write "+m.unit()) {
		t.Errorf("it says %s", said)
	}
	if said := install(); !strings.Contains(said, m.unit()+" is as it should be") {
		t.Errorf("the second time it says %s", said)
	}
	if word, runs, err := m.state(t.Context()); err != nil || runs || word != "inactive, enabled" {
		t.Errorf("installed: %s %t %v", word, runs, err)
	}
	if _, err := m.do(t, m.start()); err != nil || !slices.Equal(m.calls, []string{"systemctl start hisgate"}) {
		t.Errorf("%v, %q", err, m.calls)
	}
	m.fail = "systemctl start hisgate"
	if _, err := m.do(t, m.start()); err == nil || !strings.Contains(err.Error(), "config check") || !strings.Contains(err.Error(), "journalctl -u hisgate") {
		t.Errorf("a start that fails: %v", err)
	}
	m.fail = ""
	if err := os.WriteFile(m.unit(), []byte("changed by hand"), 0o644); err != nil {
		t.Fatal(err)
	}
	install()
	if b, err := os.ReadFile(m.unit() + ".previous"); err != nil || string(b) != "changed by hand" {
		t.Errorf("%q %v", b, err)
	}
	if _, err := m.do(t, m.remove()); err != nil || !slices.Equal(m.calls, []string{"systemctl disable --now hisgate", "systemctl daemon-reload"}) {
		t.Errorf("%v, %q", err, m.calls)
	}
	if len(m.remove()) != 0 || len(m.stop()) != 0 {
		t.Error("what is removed can be removed again")
	}
}

// A step that fails ends the installation with its name.
func TestServiceInstallationStopsAtAFailure(t *testing.T) {
	m := newMachine(t)
	m.fail = "systemctl daemon-reload"
	w := asShipped()
	w.user = "nobody-" + fmt.Sprint(os.Getpid())
	w.c.DataDir = filepath.Join("/srv", "hisgate-"+fmt.Sprint(os.Getpid()))
	steps, err := m.install(w)
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.do(t, steps)
	if err == nil || !strings.Contains(err.Error(), "systemctl daemon-reload: it fails") {
		t.Errorf("%v", err)
	}
	want := []string{
		"useradd --system --user-group --no-create-home --home-dir " + w.c.DataDir + " --shell /usr/sbin/nologin " + w.user,
		"install -d -m 700 -o " + w.user + " -g " + w.user + " " + w.c.DataDir,
		"systemctl daemon-reload",
	}
	if !slices.Equal(m.calls, want) {
		t.Errorf("%q", m.calls)
	}
}

// Who is not root, and a machine without systemd, are told so in words.
func TestServiceRefusesWhoMayNot(t *testing.T) {
	m := newMachine(t)
	m.uid = 1000
	if err := m.allowed(langFlags{Lang: "en"}); err == nil || exitCode(err) != exitNobody || !strings.Contains(err.Error(), "needs root") {
		t.Errorf("%v", err)
	}
	if err := m.allowed(langFlags{Lang: "zh"}); err == nil || !strings.Contains(err.Error(), "root 权限") {
		t.Errorf("%v", err)
	}
}

// With --dry-run the command says all that it would do, and does nothing; it needs
// no right for that. What the service could not use is refused.
func TestServiceInstallDryRun(t *testing.T) {
	w := newWorld(t, true)
	w.cfg.DataDir = "/var/lib/hisgate-dry-run"
	file := w.writeConfig()
	// The program and the configuration of a test lie in /tmp, mostly, which a
	// service cannot see.
	stdout, stderr, code := hisgate(t, "service", "install", "-c", file, "--dry-run", "--lang", "en")
	if above := hiddenBelow(file); above != "" && (code != exitNobody || !strings.Contains(stderr, "cannot see what lies below "+above)) {
		t.Errorf("%d %s%s", code, stdout, stderr)
	}
	w.cfg.DataDir = "data"
	w.cfg.Alerts.Webhooks = []AlertWebhook{{Kind: "wecom", URLFile: filepath.Base(w.put("robot.url", []byte("https://robot.example")))}}
	if rel := w.cfg.relativePaths(); !slices.Equal(rel, []string{"data_dir", "alerts.webhooks[0].url_file"}) {
		t.Errorf("relative are %q", rel)
	}
	w.cfg.Alerts.Webhooks = nil
	_, stderr, code = hisgate(t, "service", "install", "-c", w.writeConfig(), "--dry-run", "--lang", "en")
	if code != exitNobody || !strings.Contains(stderr, "absolute paths: data_dir") {
		t.Errorf("%d %s", code, stderr)
	}
	_, stderr, code = hisgate(t, "service", "install", "-c", file+".none", "--dry-run", "--lang", "en")
	if code != exitNobody || !strings.Contains(stderr, "config init") {
		t.Errorf("%d %s", code, stderr)
	}
	_, stderr, code = hisgate(t, "service", "start", "--name", "../x")
	if code != exitNobody || !strings.Contains(stderr, "--name") {
		t.Errorf("%d %s", code, stderr)
	}
	stdout, _, code = hisgate(t, "service", "status", "--name", "no-such-hisgate", "--lang", "en")
	if code != exitNo || stdout != "no-such-hisgate: not installed\n" {
		t.Errorf("%d %s", code, stdout)
	}
	var out strings.Builder
	m := newMachine(t)
	steps, err := m.install(asShipped())
	if err != nil {
		t.Fatal(err)
	}
	if err := (serviceFlags{DryRun: true}).carryOut(t.Context(), &out, steps); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(m.dir)
	if err != nil || len(left) != 0 || len(m.calls) != 0 || !strings.Contains(out.String(), systemd.Unit()) {
		t.Errorf("%v, %q, %q\n%s", err, left, m.calls, out.String())
	}
}

// systemd hears when hisgate is up and when it begins to end.
func TestSystemdIsTold(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	hear := func(want string) {
		t.Helper()
		b := make([]byte, 100)
		_ = l.SetReadDeadline(time.Now().Add(patience))
		n, err := l.Read(b)
		if err != nil || string(b[:n]) != want {
			t.Fatalf("systemd hears %q, %v; want %q", b[:n], err, want)
		}
	}
	w := newWorld(t, true)
	cmd := command(t, "hisgate", "serve", "-c", w.writeConfig())
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+socket)
	p := w.run(cmd)
	hear("READY=1")
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	hear("STOPPING=1")
	<-p.ended
	if p.err != nil {
		t.Error(p.err)
	}
}
