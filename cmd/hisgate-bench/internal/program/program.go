// Package program runs hisgate in a process of its own, as it is installed.
package program

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	startTime = 30 * time.Second
	stopTime  = time.Minute
)

// Program is hisgate at work. Its addresses are HOST:PORT.
type Program struct {
	GRPC, HTTP, Ops string

	cmd     *exec.Cmd
	stopped chan error
}

// Find returns the file that is named, else hisgate beside this program, else the
// one in PATH. Errors: there is none.
func Find(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	beside := filepath.Join(filepath.Dir(self), "hisgate")
	if _, err := os.Stat(beside); err == nil {
		return beside, nil
	}
	file, err := exec.LookPath("hisgate")
	if err != nil {
		return "", fmt.Errorf("%w: build it beside this program, or name it with --hisgate", err)
	}
	return file, nil
}

// Start runs file with the settings, and waits until it is up. Settings and log
// stay in the folder dir. Errors: what hisgate says when it ends at once.
func Start(file, dir, settings string) (_ *Program, err error) {
	config := filepath.Join(dir, "hisgate.yaml")
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "hisgate.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own
	p := &Program{cmd: exec.Command(file, "serve", "-c", config), stopped: make(chan error, 1)}
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.stopped <- p.cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(startTime)
	for {
		said, err := os.ReadFile(log.Name())
		if err != nil {
			return nil, errors.Join(err, p.cmd.Process.Kill())
		}
		if p.isUp(said) {
			return p, nil
		}
		select {
		case <-tick.C:
		case err := <-p.stopped:
			return nil, fmt.Errorf("%s ended at once: %v; it says: %s", file, err, said)
		case <-late:
			return nil, errors.Join(fmt.Errorf("%s is not up after %v", file, startTime), p.cmd.Process.Kill())
		}
	}
}

// isUp looks in the log for where hisgate is to be reached.
func (p *Program) isUp(log []byte) bool {
	for line := range bytes.Lines(log) {
		var up struct{ Msg, GRPC, HTTP, Ops string }
		if json.Unmarshal(line, &up) == nil && up.Msg == "hisgate is up" {
			p.GRPC, p.HTTP, p.Ops = up.GRPC, up.HTTP, up.Ops
			return true
		}
	}
	return false
}

// Stop ends it in good order. Errors: how it ended, when not well.
func (p *Program) Stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case err := <-p.stopped:
		return err
	case <-time.After(stopTime):
		return errors.Join(errors.New("hisgate does not stop"), p.cmd.Process.Kill())
	}
}

// Metrics reads /metrics.
func (p *Program) Metrics(ctx context.Context) (map[string]float64, error) {
	return Scrape(ctx, "http://"+p.Ops+"/metrics")
}

// Scrape reads figures in Prometheus' text format; those of one name are summed.
func Scrape(ctx context.Context, url string) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if at := strings.LastIndexByte(lines.Text(), '}'); at >= 0 {
			name, value, ok = lines.Text()[:strings.IndexByte(lines.Text(), '{')], strings.TrimSpace(lines.Text()[at+1:]), true
		}
		if f, err := strconv.ParseFloat(value, 64); ok && err == nil {
			out[name] += f
		}
	}
	return out, lines.Err()
}
