package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// target is a system that archives are made for.
type target struct{ os, arch string }

// targets: a HIS often lives beside Windows, and some hospitals run on ARM.
var targets = []target{{"linux", "amd64"}, {"linux", "arm64"}, {"windows", "amd64"}}

func (t target) binary() string {
	if t.os == "windows" {
		return "hisgate.exe"
	}
	return "hisgate"
}

func main() {
	out := flag.String("out", "dist", "folder of the archives; what is in it is replaced")
	imported := flag.String("protos", ".protodeps", "folder of the imported .proto files")
	flag.Parse()
	if err := release(".", *out, *imported); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release makes all archives and their sums.
func release(root, out, imported string) error {
	version, err := git(root, "describe", "--tags", "--always", "--dirty")
	if err != nil {
		return err
	}
	committed, err := git(root, "log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(committed, 10, 64)
	if err != nil {
		return err
	}
	at := time.Unix(seconds, 0)
	common, err := contents(root)
	if err != nil {
		return err
	}
	specs, err := protos(root, imported)
	if err != nil {
		return err
	}
	protosZip, err := zipped(specs, at)
	if err != nil {
		return err
	}
	common = append(common, file{name: "protos.zip", data: protosZip})
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	made := map[string][]byte{"protos.zip": protosZip}
	for _, t := range targets {
		binary, err := build(root, t)
		if err != nil {
			return err
		}
		name, archive, err := pack(t, version, binary, common, at)
		if err != nil {
			return err
		}
		made[name] = archive
	}
	return write(out, made)
}

// build compiles hisgate for a target, with Oracle, and tries it where this
// machine can run it.
func build(root string, t target) ([]byte, error) {
	dir, err := os.MkdirTemp("", "hisgate-release-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, t.binary())
	fmt.Printf("building %s/%s\n", t.os, t.arch)
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-tags", "oracle", "-ldflags", "-s -w", "-o", binary, "./cmd/hisgate")
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOAMD64=v1", "GOOS="+t.os, "GOARCH="+t.arch)
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s/%s: %w", t.os, t.arch, err)
	}
	if t.os == runtime.GOOS && t.arch == runtime.GOARCH {
		for _, args := range [][]string{{"version"}, {"demo", "--once"}} {
			try := exec.Command(binary, args...)
			try.Dir, try.Stdout, try.Stderr = dir, os.Stdout, os.Stderr
			if err := try.Run(); err != nil {
				return nil, fmt.Errorf("%s/%s: hisgate %s: %w", t.os, t.arch, strings.Join(args, " "), err)
			}
		}
	}
	return os.ReadFile(binary)
}

// pack makes the archive of a target: one folder with everything in it.
func pack(t target, version string, binary []byte, common []file, at time.Time) (name string, archive []byte, err error) {
	top := fmt.Sprintf("hisgate-%s-%s-%s", version, t.os, t.arch)
	files := []file{{name: top + "/" + t.binary(), data: binary, executable: true}}
	for _, f := range common {
		if f.name == installer && t.os == "linux" {
			files = append(files, file{name: top + "/install.sh", data: f.data, executable: true})
		}
		f.name = top + "/" + f.name
		files = append(files, f)
	}
	var b bytes.Buffer
	if t.os == "windows" {
		name, err = top+".zip", writeZip(&b, files, at)
	} else {
		name, err = top+".tar.gz", writeTarGz(&b, files, at)
	}
	return name, b.Bytes(), err
}

// write lays the archives and SHA256SUMS into out.
func write(out string, made map[string][]byte) error {
	var sums strings.Builder
	names := make([]string, 0, len(made))
	for name := range made {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(out, name), made[name], 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(made[name]), name)
	}
	fmt.Print(sums.String())
	return os.WriteFile(filepath.Join(out, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

func git(root string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
