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

// The worked examples tell the same stories to a hisgate of its own: stock that is
// deducted, given back and refused, and an order that is paid. That in Java is
// compiled and run where HISGATE_TEST_JAVA is set: it takes Debian's packages of a
// JDK and of grpc-java, and a minute.
func TestClientExamplesRun(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T) func(story, no string) *exec.Cmd{
		"go": goExample, "node": nodeExample, "java": javaExample,
	} {
		if name == "java" && os.Getenv("HISGATE_TEST_JAVA") == "" {
			continue
		}
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
	runIn(t, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	ours, imported := protos(t)
	return func(story, no string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "node", story+".js", no)
		cmd.Dir = dir
		cmd.Env = append(plainEnv(), "HISGATE_PROTOS="+ours+string(filepath.ListSeparator)+imported)
		return cmd
	}
}

// protos are the folders of the API's .proto files and of those that they import.
func protos(t *testing.T) (ours, imported string) {
	t.Helper()
	imported = filepath.Join(t.TempDir(), "imported")
	runIn(t, "../..", "make", "-s", "proto-deps", "PROTODEPS="+imported)
	ours, err := filepath.Abs("../../proto")
	if err != nil {
		t.Fatal(err)
	}
	return ours, imported
}

func runIn(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env = dir, plainEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", program, args, err, out)
	}
}

// debianJars are what the example needs of grpc-java 1.41, as Debian has it.
var debianJars = []string{
	"grpc-api", "grpc-context", "grpc-core", "grpc-netty", "grpc-protobuf", "grpc-protobuf-lite", "grpc-stub", "guava",
	"netty-buffer", "netty-codec", "netty-codec-http", "netty-codec-http2", "netty-codec-socks", "netty-common", "netty-handler", "netty-handler-proxy",
	"netty-resolver", "netty-transport", "proto-google-common-protos", "protobuf", "perfmark-api", "geronimo-annotation-1.3-spec",
}

// javaExample compiles the example with javac, from the .proto files on (Debian:
// openjdk-17-jdk-headless libgrpc-java protobuf-compiler-grpc-java-plugin).
func javaExample(t *testing.T) func(story, no string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	classes, generated := filepath.Join(dir, "classes"), filepath.Join(dir, "generated")
	if err := errors.Join(os.Mkdir(classes, 0o700), os.Mkdir(generated, 0o700)); err != nil {
		t.Fatal(err)
	}
	path := []string{classes}
	for _, jar := range debianJars {
		path = append(path, "/usr/share/java/"+jar+".jar")
	}
	classpath := strings.Join(path, string(filepath.ListSeparator))
	plugin, err := exec.LookPath("grpc_java_plugin")
	if err != nil {
		t.Fatal(err)
	}
	// Debian's messages of google.rpc are older than ErrorInfo.
	details, err := os.ReadFile(clientExamples + "/node/error_details.proto")
	if err != nil {
		t.Fatal(err)
	}
	details = append(details, "\noption java_package = \"com.google.rpc\";\noption java_multiple_files = true;\n"...)
	if err := os.WriteFile(filepath.Join(dir, "error_details.proto"), details, 0o600); err != nil {
		t.Fatal(err)
	}
	ours, imported := protos(t)
	args := []string{
		"-I", ours, "-I", imported, "-I", dir, "--java_out=" + generated, "--grpc-java_out=" + generated, "--plugin=protoc-gen-grpc-java=" + plugin,
		"buf/validate/validate.proto", "google/api/annotations.proto", "google/api/http.proto", "error_details.proto",
	}
	files, err := filepath.Glob(ours + "/hisgate/v1/*.proto")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		args = append(args, "hisgate/v1/"+filepath.Base(f))
	}
	runIn(t, dir, "protoc", args...)
	sources, err := filepath.Glob(clientExamples + "/java/src/main/java/example/*.java")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(generated, func(file string, _ os.DirEntry, err error) error {
		if filepath.Ext(file) == ".java" {
			sources = append(sources, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	runIn(t, ".", "javac", append([]string{"-nowarn", "--release", "11", "-encoding", "UTF-8", "-d", classes, "-cp", classpath}, sources...)...)
	return func(story, no string) *exec.Cmd {
		class := map[string]string{"lock": "example.LockStory", "order": "example.OrderStory"}[story]
		cmd := exec.CommandContext(t.Context(), "java", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", classpath, class, no)
		cmd.Env = append(plainEnv(), "LC_ALL=C.UTF-8")
		return cmd
	}
}

// The example in Java is source and a build file. What is held everywhere: the build
// file is XML, and what the source imports of the API is there.
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
