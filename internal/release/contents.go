package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// carried is what every archive holds beside the binary: files, and folders with
// all that git keeps in them.
var carried = []string{
	"README.md", "README.zh-CN.md", "LICENSE", "CHANGELOG.md", "hisgate.example.yaml", "docs", "examples", "deploy",
}

// installer is laid at the top of archives for Linux, where it is looked for.
const installer = "deploy/install.sh"

// contents reads what every archive carries, from the files that git knows under
// root: what lies about besides is not handed out.
func contents(root string) ([]file, error) {
	cmd := exec.Command("git", append([]string{"ls-files", "-z", "--"}, carried...)...)
	cmd.Dir = root
	list, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var files []file
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		if strings.HasPrefix(name, "deploy/") && path.Ext(name) == ".go" {
			continue // what hands the unit to the program
		}
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: name, data: data, executable: strings.HasSuffix(name, ".sh")})
	}
	return files, nil
}

// protos gathers our .proto files and all that they import beside what every
// protoc brings along, under the paths by which they are imported. Errors: an
// import that is in neither folder.
func protos(root, imported string) ([]file, error) {
	var files []file
	for _, from := range []string{filepath.Join(root, "proto"), imported} {
		err := fs.WalkDir(os.DirFS(from), ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(name) != ".proto" {
				return err
			}
			data, err := os.ReadFile(filepath.Join(from, filepath.FromSlash(name)))
			files = append(files, file{name: name, data: data})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, complete(files)
}

var protoImport = regexp.MustCompile(`(?m)^\s*import\s+(?:public\s+|weak\s+)?"([^"]+)"\s*;`)

// complete reports imports that lead nowhere.
func complete(files []file) error {
	there := map[string]bool{}
	for _, f := range files {
		there[f.name] = true
	}
	var errs []error
	for _, f := range files {
		for _, m := range protoImport.FindAllSubmatch(f.data, -1) {
			if name := string(m[1]); !there[name] && !strings.HasPrefix(name, "google/protobuf/") {
				errs = append(errs, fmt.Errorf("%s imports %s, which is not among the files (make proto-deps)", f.name, name))
			}
		}
	}
	return errors.Join(errs...)
}

// zipped is files as the bytes of a .zip.
func zipped(files []file, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	err := writeZip(&b, files, at)
	return b.Bytes(), err
}
