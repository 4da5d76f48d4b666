package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
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

// A release is made of the commit: what lies about uncommitted is not in it, also
// when the sources are a git worktree, of which Go itself notes no revision.
func TestAReleaseIsMadeOfTheCommit(t *testing.T) {
	root := t.TempDir()
	run := func(dir string, args ...string) string {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.cn", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.cn",
			"GIT_AUTHOR_DATE=@1800000000 +0800", "GIT_COMMITTER_DATE=@1800000000 +0800")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	lay := func(dir, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(root, "init", "--quiet", "--initial-branch=main")
	lay(root, "first")
	run(root, "add", "README.md")
	run(root, "commit", "--quiet", "-m", "First")
	run(root, "tag", "v1.2.3")
	tree := filepath.Join(t.TempDir(), "tree")
	run(root, "worktree", "add", "--quiet", "-b", "other", tree)
	lay(tree, "second")
	run(tree, "commit", "--quiet", "-am", "Second")
	lay(tree, "third, not committed")
	for from, want := range map[string]struct{ version, text string }{root: {"v1.2.3", "first"}, tree: {"v1.2.3-1-g", "second"}} {
		dir := filepath.Join(t.TempDir(), "src")
		c, err := checkOut(from, dir)
		if err != nil {
			t.Fatal(err)
		}
		if c.revision != run(from, "rev-parse", "HEAD") || !strings.HasPrefix(c.version, want.version) || !c.at.Equal(moment) {
			t.Errorf("%+v, want %s of %s", c, want.version, moment)
		}
		b, err := os.ReadFile(filepath.Join(dir, "README.md"))
		if info, gitErr := os.Stat(filepath.Join(dir, ".git")); err != nil || string(b) != want.text || gitErr != nil || !info.IsDir() {
			t.Errorf("%q, %v, %v", b, err, gitErr)
		}
	}
}

// A binary of another commit, another machine or with libraries is no release.
func TestInspectionFindsWhatIsWrong(t *testing.T) {
	good := func() *debug.BuildInfo {
		return &debug.BuildInfo{Settings: []debug.BuildSetting{
			{Key: "-tags", Value: "oracle"},
			{Key: "-trimpath", Value: "true"},
			{Key: "CGO_ENABLED", Value: "0"},
			{Key: "GOOS", Value: "linux"},
			{Key: "GOARCH", Value: "arm64"},
			{Key: "vcs.revision", Value: "abc"},
			{Key: "vcs.modified", Value: "false"},
		}}
	}
	if err := inspectInfo(good(), target{"linux", "arm64"}, "abc"); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for i, s := range good().Settings {
		changed, missing := good(), good()
		changed.Settings[i].Value = "other"
		missing.Settings = slices.Delete(missing.Settings, i, i+1)
		for _, info := range []*debug.BuildInfo{changed, missing} {
			if err := inspectInfo(info, target{"linux", "arm64"}, "abc"); err == nil || !strings.Contains(err.Error(), s.Key) {
				t.Errorf("without a good %s: %v", s.Key, err)
			}
		}
	}
	self, err := os.Executable() // a test knows no revision
	if err != nil {
		t.Fatal(err)
	}
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, target := range targets {
		for _, path := range []string{self, junk} {
			if err := inspect(path, target, "abc"); err == nil {
				t.Errorf("%s passes for %s/%s", path, target.os, target.arch)
			}
		}
	}
}

// protos.zip can be compiled by whoever has it and protoc.
func TestProtosHaveAllTheirImports(t *testing.T) {
	imported := t.TempDir()
	for name, text := range map[string]string{
		"google/api/annotations.proto": "import \"google/api/http.proto\";\nimport \"google/protobuf/descriptor.proto\";\n",
		"google/rpc/status.proto":      "", "buf/validate/validate.proto": "",
	} {
		path := filepath.Join(imported, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := protos("../..", imported)
	if err == nil || !strings.Contains(err.Error(), "google/api/annotations.proto imports google/api/http.proto") {
		t.Errorf("an import of an import is missing: %v", err)
	}
	if err := os.WriteFile(filepath.Join(imported, "google/api/http.proto"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := protos("../..", imported)
	if err != nil || len(files) < 8 {
		t.Errorf("%d files, %v", len(files), err)
	}
}
