package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/systems"
)

// machine describes what the figures were measured on.
func machine(dir string) (string, error) {
	syncs, err := systems.SyncRate(dir, 500*time.Millisecond)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%d processors%s, %s/%s, %s; disk: %.0f syncs of one page in a second",
		runtime.NumCPU(), model(), runtime.GOOS, runtime.GOARCH, runtime.Version(), syncs)
	if syncs > 100_000 {
		text += " (this is no disk: choose another --dir)"
	}
	if load, err := loadAverage(); err == nil {
		text += fmt.Sprintf("; load average %.2f", load)
	}
	return text, nil
}

// model is the processor's name, where the system tells.
func model() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return " (" + strings.TrimSpace(value) + ")"
		}
	}
	return ""
}

// loadAverage of the last minute.
func loadAverage() (float64, error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), " ")
	return strconv.ParseFloat(first, 64)
}

// awaitQuiet waits until the machine has less to do, for ten minutes at most.
func awaitQuiet(ctx context.Context, below float64) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for {
		load, err := loadAverage()
		if err != nil || load < below {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the load average is still %.2f: %w", load, ctx.Err())
		case <-time.After(5 * time.Second):
		}
	}
}

// ownMemory is what this process holds in memory after a collection, in MiB,
// without mapped files: those are the page cache's.
func ownMemory() (float64, error) {
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(status, []byte("RssAnon:"))
	if !ok {
		return 0, errors.New("the system does not tell how much memory is in use")
	}
	kib, err := strconv.ParseFloat(string(bytes.Fields(rest)[0]), 64)
	return kib / 1024, err
}
