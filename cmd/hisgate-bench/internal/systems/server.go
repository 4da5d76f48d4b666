package systems

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// guard starts a server and ends it when standard input closes: at our word, or
// because we died. $0 is the signal.
const guard = `"$@" & server=$!; read -r _; kill -s "$0" "$server"; wait "$server"`

// server is a private server process.
type server struct {
	cmd  *exec.Cmd
	hold io.Closer // closing it ends the server
	log  string
	done chan struct{} // closed when the process has ended
}

// start runs a server whose words go to a file. stopBy is the signal that ends
// it in good order. cmd holds the command and, if wanted, the user to run it as.
func start(cmd *exec.Cmd, stopBy, log string) (*server, error) {
	args := append([]string{"-c", guard, stopBy}, cmd.Args...)
	args[3] = cmd.Path
	shell := exec.Command("/bin/sh", args...)
	shell.Dir, shell.Env, shell.SysProcAttr = cmd.Dir, cmd.Env, cmd.SysProcAttr
	hold, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close() // the process has its own
	shell.Stdout, shell.Stderr = out, out
	if err := shell.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: shell, hold: hold, log: log, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		_ = shell.Wait() // the shell ends as its server did, which we ask for
	}()
	return s, nil
}

// ready tries until the server answers.
func (s *server) ready(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			words, _ := os.ReadFile(s.log)
			return fmt.Errorf("%s does not answer: %w; it says: %s", filepath.Base(s.cmd.Args[4]), err, bytes.TrimSpace(words))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the server and waits until it is gone.
func (s *server) stop() error {
	err := s.hold.Close()
	select {
	case <-s.done:
		return err
	case <-time.After(30 * time.Second):
		return errors.Join(err, fmt.Errorf("%s, process group of %d, does not end", s.cmd.Args[4], s.cmd.Process.Pid))
	}
}

// freePort finds a port on loopback that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
