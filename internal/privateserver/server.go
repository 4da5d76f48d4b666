package privateserver

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

// Server is a private server process.
type Server struct {
	cmd  *exec.Cmd
	hold io.Closer // closing it ends the server
	log  string
	done chan struct{} // closed when the process has ended
}

// Start runs a server whose words go to the file log. stopBy is the signal that ends
// it in good order. cmd holds the command and, if wanted, the user to run it as.
func Start(cmd *exec.Cmd, stopBy, log string) (*Server, error) {
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
	s := &Server{cmd: shell, hold: hold, log: log, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		_ = shell.Wait() // the shell ends as its server did, which we ask for
	}()
	return s, nil
}

// Ready tries until the server answers, at most 30 seconds.
func (s *Server) Ready(ctx context.Context, try func(context.Context) error) error {
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

// Stop ends the server and waits until it is gone.
func (s *Server) Stop() error {
	err := s.hold.Close()
	select {
	case <-s.done:
		return err
	case <-time.After(30 * time.Second):
		return errors.Join(err, fmt.Errorf("%s, process group of %d, does not end", s.cmd.Args[4], s.cmd.Process.Pid))
	}
}

// FreePort finds a port on loopback that nobody listens on.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// MissingError says that a program is not installed.
type MissingError struct{ Program, Hint string }

// Error names the program and what brings it.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is not installed (%s)", e.Program, e.Hint)
}
