package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

var moment = time.Unix(1_800_000_000, 0)

// The same files give the same bytes, in whatever order they were found.
func TestTheSameFilesGiveTheSameBytes(t *testing.T) {
	files := []file{{name: "top/b", data: []byte("two")}, {name: "top/a", data: []byte("one"), executable: true}}
	turned := slices.Clone(files)
	slices.Reverse(turned)
	for name, write := range map[string]func(io.Writer, []file, time.Time) error{"tar.gz": writeTarGz, "zip": writeZip} {
		var first, second bytes.Buffer
		if err := errors.Join(write(&first, files, moment), write(&second, turned, moment.In(time.FixedZone("east", 8*3600)))); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("%s: two runs differ", name)
		}
	}
}

// Every archive holds what an installation without a network needs, and that of
// Linux its installer at the top, to be started.
func TestAnArchiveIsAllThatAnInstallationNeeds(t *testing.T) {
	common, err := contents("../..")
	if err != nil {
		t.Fatal(err)
	}
	_, archive, err := pack(target{"linux", "amd64"}, "v1", []byte("binary"), common, moment)
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]int64{}
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		modes[strings.TrimPrefix(h.Name, "hisgate-v1-linux-amd64/")] = h.Mode
	}
	for name, mode := range map[string]int64{
		"hisgate": 0o755, "install.sh": 0o755, "LICENSE": 0o644, "README.md": 0o644, "README.zh-CN.md": 0o644,
		"hisgate.example.yaml": 0o644, "docs/operations.md": 0o644, "deploy/systemd/hisgate.service": 0o644,
	} {
		if modes[name] != mode {
			t.Errorf("%s has mode %o, want %o", name, modes[name], mode)
		}
	}
	name, _, err := pack(target{"windows", "amd64"}, "v1", []byte("binary"), common, moment)
	if err != nil || name != "hisgate-v1-windows-amd64.zip" {
		t.Errorf("windows: %s, %v", name, err)
	}
}
