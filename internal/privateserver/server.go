package privateserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// guard starts a server, ends it when standard input closes (at our word, or because
// we died), and ends itself with it. $0 is the signal; a line of input names
// another.
const guard = `exec 3<&0; "$@" 3<&- & server=$!; ` +
	`{ read -r other <&3; kill -s "${other:-$0}" "$server"; } & ` +
	`wait "$server"; kill "$!" 2>/dev/null`

// Server is a private server process.
type Server struct {
	cmd  *exec.Cmd
	hold io.WriteCloser // closing it ends the server
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
	s := &Server{cmd: shell, log: log}
	if err := s.start(os.O_TRUNC); err != nil {
		return nil, err
	}
	return s, nil
}

// start runs the command. how says what becomes of the words in the log.
func (s *Server) start(how int) error {
	hold, err := s.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|how, 0o644)
	if err != nil {
		return err
	}
	defer out.Close() // the process has its own
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.hold, s.done = hold, make(chan struct{})
	go func(cmd *exec.Cmd, done chan<- struct{}) {
		defer close(done)
		_ = cmd.Wait() // the shell ends as its server did, which we ask for
	}(s.cmd, s.done)
	return nil
}

// Crash ends the server with SIGKILL and starts it again over the same folder and
// port, until it answers to try, at most a minute. A server that does not come up
// because its dead predecessor has left something behind is started once more.
func (s *Server) Crash(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := io.WriteString(s.hold, "KILL\n")
	if err := errors.Join(err, s.Stop()); err != nil {
		return err
	}
	for {
		again := exec.Command(s.cmd.Path, s.cmd.Args[1:]...)
		again.Dir, again.Env, again.SysProcAttr = s.cmd.Dir, s.cmd.Env, s.cmd.SysProcAttr
		s.cmd = again
		if err := s.start(os.O_APPEND); err != nil {
			return err
		}
		if err := s.answers(ctx, try); err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// answers tries until the server answers, has ended, or ctx has.
func (s *Server) answers(ctx context.Context, try func(context.Context) error) error {
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return s.silent(err)
		case <-s.done:
			return s.silent(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// silent is the error of a server that does not answer, with its last words.
func (s *Server) silent(err error) error {
	words, _ := os.ReadFile(s.log)
	return fmt.Errorf("%s does not answer: %w; it says: %s", filepath.Base(s.cmd.Args[4]), err, bytes.TrimSpace(words))
}

// Ready tries until the server answers, at most 30 seconds.
func (s *Server) Ready(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return s.answers(ctx, try)
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

// MissingError says that a program is not installed.
type MissingError struct{ Program, Hint string }

// Error names the program and what brings it.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is not installed (%s)", e.Program, e.Hint)
}
