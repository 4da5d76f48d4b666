package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

const clientExamples = "../../examples/clients"

// The worked examples in Go and Node tell the same stories to a hisgate of its own:
// stock that is deducted, given back and refused, and an order that is paid.
func TestClientExamplesRun(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T) func(story, no string) *exec.Cmd{
		"go": goExample, "node": nodeExample,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			example := prepare(t)
			w := newWorld(t, true)
			p := w.start()
			tell := func(story, no string, want ...string) {
				t.Helper()
				cmd := example(story, no)
				cmd.Env = append(cmd.Env, "HISGATE_ADDR="+p.grpc, "HISGATE_SIM_PAY="+w.sims.WeChatURL)
				var said, complained bytes.Buffer
				cmd.Stdout, cmd.Stderr = &said, &complained
				if err := cmd.Run(); err != nil {
					t.Fatalf("%s: %v\n%s\n%s", story, err, &said, &complained)
				}
				if !regexp.MustCompile("^" + strings.Join(want, "\n") + "\n$").Match(said.Bytes()) {
					t.Errorf("%s tells\n%s\nwant\n%s", story, &said, strings.Join(want, "\n"))
				}
			}
			tell("lock", "CLIENT",
				"00010041 甲硝唑片: 1000 片 can be had",
				"CLIENT-1: LOCKED, attempt 1",
				"CLIENT-1: LOCKED, attempt 1",
				`CLIENT-1: CONFIRMED, HIS order \S+`,
				"CLIENT-2: RELEASED",
				"CLIENT-3: STOCK_INSUFFICIENT, 00010041: 1000000 wanted, 970 there")
			tell("order", "CLIENT-ORDER",
				"CLIENT-ORDER: AWAITING_PAYMENT, 100 fen, next PAY",
				"CLIENT-ORDER: show as a QR code: weixin://.+",
				`CLIENT-ORDER: FULFILLED, HIS order \S+`)
			w.audit(p.api)
		})
	}
}

// goExample builds the example in Go.
func goExample(t *testing.T) func(story, no string) *exec.Cmd {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "example")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, clientExamples+"/go").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return func(story, no string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), binary, story, no)
		cmd.Env = plainEnv()
		return cmd
	}
}

// nodeExample installs what the example in Node needs, as its lock file says, beside
// a copy of it.
func nodeExample(t *testing.T) func(story, no string) *exec.Cmd {
	t.Helper()
	for _, program := range []string{"node", "npm", "make"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed (Debian: apt-get install nodejs npm make)", program)
		}
	}
	dir := t.TempDir()
	files, err := filepath.Glob(clientExamples + "/node/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(at, program string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir, cmd.Env = at, plainEnv()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", program, args, err, out)
		}
	}
	run(dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	imported := filepath.Join(dir, "imported")
	run("../..", "make", "-s", "proto-deps", "PROTODEPS="+imported)
	ours, err := filepath.Abs("../../proto")
	if err != nil {
		t.Fatal(err)
	}
	return func(story, no string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "node", story+".js", no)
		cmd.Dir = dir
		cmd.Env = append(plainEnv(), "HISGATE_PROTOS="+ours+string(filepath.ListSeparator)+imported)
		return cmd
	}
}

// The example in Java is source and a build file. What can be held without Maven's
// repository: the build file is XML, and what the source imports of the API is there.
func TestJavaExampleFitsTheAPI(t *testing.T) {
	pom, err := os.Open(clientExamples + "/java/pom.xml")
	if err != nil {
		t.Fatal(err)
	}
	defer pom.Close()
	for d := xml.NewDecoder(pom); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(clientExamples + "/java/src/main/java/example/*.java")
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	imported := regexp.MustCompile(`(?m)^import hisgate\.v1\.(?:(\w+)\.(\w+)|(\w+)Grpc);$`)
	known := javaNames()
	for _, f := range files {
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all := imported.FindAllStringSubmatch(string(source), -1)
		if len(all) < 5 {
			t.Errorf("%s imports only %d names of the API", f, len(all))
		}
		for _, m := range all {
			if name := m[1] + "." + m[2] + m[3]; !slices.Contains(known, name) {
				t.Errorf("%s: %s is not in the API", f, m[0])
			}
		}
	}
}

// javaNames are the messages of the API as protoc names them for Java, by the class
// of their file, and the services.
func javaNames() (names []string) {
	for class, f := range map[string]protoreflect.FileDescriptor{
		"StockOuterClass": hisgatev1.File_hisgate_v1_stock_proto, "LockOuterClass": hisgatev1.File_hisgate_v1_lock_proto,
		"OrderOuterClass": hisgatev1.File_hisgate_v1_order_proto, "Errors": hisgatev1.File_hisgate_v1_errors_proto,
	} {
		for i := range f.Messages().Len() {
			names = append(names, class+"."+string(f.Messages().Get(i).Name()))
		}
		for i := range f.Services().Len() {
			names = append(names, "."+string(f.Services().Get(i).Name()))
		}
	}
	return names
}
