package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

// Where hisgate service install looks, and who it lets run.
const (
	serviceConfig = "/etc/hisgate/hisgate.yaml"
	serviceUser   = "hisgate"
)

// underSystemd is the system that systemd runs.
type underSystemd struct {
	name string
	dir  string // of the units
	uid  int
	run  func(ctx context.Context, program string, args ...string) (string, error)
}

func newSupervisor(name string) (supervisor, error) {
	return &underSystemd{name: name, dir: "/etc/systemd/system", uid: os.Geteuid(), run: runProgram}, nil
}

func (s *underSystemd) unit() string { return filepath.Join(s.dir, s.name+".service") }

// allowed implements supervisor.
func (s *underSystemd) allowed(l langFlags) error {
	if s.uid != 0 {
		return nobody("%s", l.say("需要 root 权限：用 sudo 执行；--dry-run 只看不做", "this needs root: run it with sudo, or with --dry-run to look only"))
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return nobody("%s", l.say("本机的 1 号进程不是 systemd，无法安装服务", "systemd does not run this machine, so there is nothing to install a service into"))
	}
	return nil
}

// install implements supervisor.
func (s *underSystemd) install(w wishes) ([]step, error) {
	unit, err := unitFor(w)
	if err != nil {
		return nil, err
	}
	var steps []step
	if _, err := user.Lookup(w.user); err != nil {
		steps = append(steps, s.call("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", w.c.DataDir, "--shell", "/usr/sbin/nologin", w.user))
	}
	for _, dir := range append([]string{w.c.DataDir}, logFolders(w.c)...) {
		// The rest systemd makes. What is there already keeps its owner: it may be
		// anybody's.
		_, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) && strings.Contains(unit, "ReadWritePaths="+dir+"\n") {
			steps = append(steps, s.call("install", "-d", "-m", "700", "-o", w.user, "-g", w.user, dir))
		}
	}
	return append(steps, s.write(unit), s.systemctl("daemon-reload"), s.systemctl("enable", s.name)), nil
}

// write puts the unit in its place, in one step; a different one before it stays
// as .previous.
func (s *underSystemd) write(unit string) step {
	st := step{words: "write " + s.unit(), text: unit}
	before, err := os.ReadFile(s.unit())
	if err == nil && bytes.Equal(before, []byte(unit)) {
		st.words, st.text = s.unit()+" is as it should be", ""
		st.do = func(context.Context) error { return nil }
		return st
	}
	st.do = func(context.Context) error {
		if before != nil {
			if err := os.WriteFile(s.unit()+".previous", before, 0o644); err != nil {
				return err
			}
		}
		fresh := s.unit() + ".new"
		if err := os.WriteFile(fresh, []byte(unit), 0o644); err != nil {
			return err
		}
		return os.Rename(fresh, s.unit())
	}
	return st
}

// start implements supervisor. What systemd says of a start that failed is where to
// look, and mostly it is the configuration.
func (s *underSystemd) start() []step {
	st := s.systemctl("start", s.name)
	ask := st.do
	st.do = func(ctx context.Context) error {
		if !s.installed() {
			return errors.New("it is not installed: hisgate service install -c FILE")
		}
		if err := ask(ctx); err != nil {
			return fmt.Errorf("%w\nhisgate config check -c FILE says what is wrong with the configuration, journalctl -u %s -n 20 what hisgate ended of", err, s.name)
		}
		return nil
	}
	return []step{st}
}

// stop implements supervisor.
func (s *underSystemd) stop() []step {
	if !s.installed() {
		return nil
	}
	return []step{s.systemctl("stop", s.name)}
}

// remove implements supervisor.
func (s *underSystemd) remove() []step {
	if !s.installed() {
		return nil
	}
	return []step{
		s.systemctl("disable", "--now", s.name),
		{words: "remove " + s.unit(), do: func(context.Context) error { return os.Remove(s.unit()) }},
		s.systemctl("daemon-reload"),
	}
}

func (s *underSystemd) installed() bool {
	_, err := os.Stat(s.unit())
	return !errors.Is(err, fs.ErrNotExist)
}

// state implements supervisor.
func (s *underSystemd) state(ctx context.Context) (string, bool, error) {
	if !s.installed() {
		return "not installed", false, nil
	}
	// Both say a word and a status that is not 0 for "no".
	active, err := s.run(ctx, "systemctl", "is-active", s.name)
	if active == "" && err != nil {
		return "", false, err
	}
	enabled, _ := s.run(ctx, "systemctl", "is-enabled", s.name)
	return active + ", " + enabled, active == "active", nil
}

func (s *underSystemd) systemctl(args ...string) step { return s.call("systemctl", args...) }

func (s *underSystemd) call(program string, args ...string) step {
	return step{
		words: program + " " + strings.Join(args, " "),
		do: func(ctx context.Context) error {
			_, err := s.run(ctx, program, args...)
			return err
		},
	}
}
