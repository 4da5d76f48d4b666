package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// child is a child process, seen from its parent. It ends when its standard
// input does, so it never outlives us.
type child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies *json.Decoder
	acks    io.ReadCloser // what the child acknowledged
	opened  reply         // how the opening went
	over    bool
}

// startChild starts one on a folder and waits until it has opened the ledger.
func startChild(dir string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	acks, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	c := &child{cmd: exec.Command(self, "child", "--dir", dir), acks: acks}
	c.cmd.Stderr, c.cmd.ExtraFiles = os.Stderr, []*os.File{theirs}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.replies = json.NewDecoder(out)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if err := c.replies.Decode(&c.opened); err != nil {
		return nil, errors.Join(fmt.Errorf("a child with the ledger: %w", err), c.kill())
	}
	return c, nil
}

// tell gives a command without waiting.
func (c *child) tell(command string) error {
	_, err := fmt.Fprintln(c.in, command)
	return err
}

// ask gives a command and waits for its answer.
func (c *child) ask(command string) (r reply, err error) {
	if err := c.tell(command); err != nil {
		return r, err
	}
	if err := c.replies.Decode(&r); err != nil {
		return r, fmt.Errorf("a child that was told to %s: %w", command, err)
	}
	if r.Error != "" {
		return r, fmt.Errorf("a child that was told to %s: %s", command, r.Error)
	}
	return r, nil
}

// kill ends the child without a warning, if it has not been ended yet.
func (c *child) kill() error {
	if c.over {
		return nil
	}
	c.over = true
	err := c.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	_ = c.cmd.Wait() // "signal: killed" is what was wanted
	return errors.Join(err, c.acks.Close())
}

// stop lets the child close its ledger properly.
func (c *child) stop() error {
	c.over = true
	return errors.Join(c.in.Close(), c.cmd.Wait(), c.acks.Close())
}
