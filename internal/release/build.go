package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// build compiles hisgate for a target, with Oracle, proves that the binary is
// what it should be, and tries it where this machine can run it.
func build(src string, t target, revision string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "hisgate-release-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, t.binary())
	fmt.Printf("building %s/%s\n", t.os, t.arch)
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-tags", releaseTags, "-ldflags", "-s -w", "-o", binary, "./cmd/hisgate")
	cmd.Dir, cmd.Stdout, cmd.Stderr = src, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOAMD64=v1", "GOOS="+t.os, "GOARCH="+t.arch)
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	if err := inspect(binary, t, revision); err != nil {
		return nil, err
	}
	if err := try(dir, binary, t); err != nil {
		return nil, err
	}
	return os.ReadFile(binary)
}

// runner is how this machine runs programs of a target: directly, through an
// emulator, or (ok false) not at all.
func runner(t target) (through []string, ok bool) {
	switch {
	case t.os != runtime.GOOS:
		return nil, false
	case t.arch == runtime.GOARCH:
		return nil, true
	case t.arch == "arm64":
		if emulator, err := exec.LookPath("qemu-aarch64-static"); err == nil {
			return []string{emulator}, true
		}
	}
	return nil, false
}

// try starts the binary: it says its version, prints its settings, and plays the
// whole story.
func try(dir, binary string, t target) error {
	through, ok := runner(t)
	if !ok {
		fmt.Printf("not tried: %s/%s does not run here (for linux/arm64 Debian has qemu-user-static)\n", t.os, t.arch)
		return nil
	}
	for _, args := range [][]string{{"version"}, {"config", "example"}, {"demo", "--once"}} {
		line := append(append(through[:len(through):len(through)], binary), args...)
		cmd := exec.Command(line[0], line[1:]...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("hisgate %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		fmt.Printf("tried %s/%s: hisgate %s: %s\n", t.os, t.arch, strings.Join(args, " "), lines[len(lines)-1])
	}
	return nil
}
