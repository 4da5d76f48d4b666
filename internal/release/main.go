package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// release makes all archives and their sums, of the newest commit: what was
// changed since and not committed is not in them.
func release(root, out, imported string) error {
	src, err := os.MkdirTemp("", "hisgate-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(src)
	c, err := checkOut(root, src)
	if err != nil {
		return err
	}
	fmt.Printf("releasing %s (%s)\n", c.version, c.revision)
	common, err := contents(src)
	if err != nil {
		return err
	}
	specs, err := protos(src, imported)
	if err != nil {
		return err
	}
	protosZip, err := zipped(specs, c.at)
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
		binary, err := build(src, t, c.revision)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", t.os, t.arch, err)
		}
		name, archive, err := pack(t, c.version, binary, common, c.at)
		if err != nil {
			return err
		}
		made[name] = archive
	}
	return write(out, made)
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
