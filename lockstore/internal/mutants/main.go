// Mutants plants bugs in the code that keeps the promises of ledger and payment,
// and in what protects the HIS, one after the other, and runs the tests on each. Every one must be caught. The source is
// never touched: go test reads the changed file through an overlay.
//
//	go run ./lockstore/internal/mutants [-bug words] [-in package]
//
// It prints a table, bug → the tests that caught it, and fails when a bug
// survives, does not compile, or no longer fits the source.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	only := flag.String("bug", "", "plant only the bugs whose name contains this")
	in := flag.String("in", "", "plant only the bugs that a package whose path contains this is to notice")
	root := flag.String("root", "lockstore", "the folder of the ledger")
	flag.Parse()
	if err := run(*root, *only, *in); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(root, only, in string) error {
	tmp, err := os.MkdirTemp("", "mutants-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	root, err = filepath.Abs(root)
	if err != nil {
		return err
	}
	r := runner{root: root, tmp: tmp}
	var errs []error
	var mutants []mutant
	for _, m := range all() {
		if !strings.Contains(m.bug, only) || !slices.ContainsFunc(m.packages(), func(p string) bool { return strings.Contains(p, in) }) {
			continue
		}
		if _, err := r.plant(m); err != nil {
			errs = append(errs, err)
		}
		mutants = append(mutants, m)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if err := r.wantClean(mutants); err != nil {
		return err
	}
	fmt.Println("| planted bug | caught by |\n| --- | --- |")
	for _, m := range mutants {
		tests, err := r.try(m)
		switch {
		case err != nil:
			errs = append(errs, err)
		case len(tests) == 0:
			fmt.Printf("| %s | NOTHING |\n", m.bug)
			errs = append(errs, fmt.Errorf("survived: %s", m.bug))
		default:
			fmt.Printf("| %s | %s |\n", m.bug, words(tests))
		}
	}
	if len(errs) == 0 {
		fmt.Printf("\nall %d caught\n", len(mutants))
	}
	return errors.Join(errs...)
}

// all lists every bug.
func all() []mutant {
	return slices.Concat(table(), protectTable(), paymentTable(), booksTable(), feedTable(), brokerTable())
}

// words names the first few tests.
func words(tests []string) string {
	const few = 3
	if more := len(tests) - few; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(tests[:few], ", "), more)
	}
	return strings.Join(tests, ", ")
}

type runner struct{ root, tmp string }

// plant writes the changed file and the overlay that puts it in place.
func (r *runner) plant(m mutant) (overlay string, err error) {
	file := filepath.Join(r.root, m.file)
	source, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(source), m.from); n != 1 {
		return "", fmt.Errorf("%s: the text of %q stands there %d times, not once: mend the table", m.file, m.bug, n)
	}
	changed := filepath.Join(r.tmp, "changed.go")
	text, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(r.tmp, "overlay.json")
	return overlay, errors.Join(
		os.WriteFile(changed, []byte(strings.Replace(string(source), m.from, m.to, 1)), 0o600),
		os.WriteFile(overlay, text, 0o600))
}

func (m *mutant) packages() []string {
	if m.in == nil {
		return []string{"."}
	}
	return m.in
}

// wantClean checks that the tests pass without any bug, so that what they say of
// one means something.
func (r *runner) wantClean(mutants []mutant) error {
	var packages []string
	for _, m := range mutants {
		packages = append(packages, m.packages()...)
	}
	slices.Sort(packages)
	for _, p := range slices.Compact(packages) {
		if failed, out, err := r.test(p); err != nil || len(failed) > 0 {
			return errors.Join(fmt.Errorf("the tests of %s fail without any bug: %v\n%s", p, failed, out), err)
		}
	}
	return nil
}

// try runs the tests on a mutant, package by package until one notices, and
// returns the names of those that failed.
func (r *runner) try(m mutant) (tests []string, err error) {
	overlay, err := r.plant(m)
	if err != nil {
		return nil, err
	}
	for _, p := range m.packages() {
		failed, out, err := r.test(p, "-overlay="+overlay)
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", m.bug, err, out)
		}
		tests = append(tests, failed...)
	}
	return tests, nil
}

var (
	failedSeed  = regexp.MustCompile(`seed (\d+): (.+?) \[`) // of the simulation
	failedTest  = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)
	runningTest = regexp.MustCompile(`(?m)^\s+(Test\S+) \(\d`) // when a test hung
	inTest      = regexp.MustCompile(`(?m)_test\.(Test\w+)[.(]`)
	inFile      = regexp.MustCompile(`(\w+_test\.go):\d`) // when a helper of a test panicked
)

// test runs a package's tests, those of its pattern where one is named, until the
// first fails, and returns those that failed, hung or panicked.
func (r *runner) test(pkg string, flags ...string) (failed []string, out string, err error) {
	pkg, only, some := strings.Cut(pkg, ":")
	args := append([]string{"test", "-count=1", "-timeout=10m", "-failfast"}, flags...)
	if some {
		args = append(args, "-run="+only)
	}
	args = append(args, "./"+pkg)
	if pkg == "." {
		args = append(args, "-rapid.shrinktime=1s", "-rapid.nofailfile")
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = r.root
	// The simulation stops at the first seed, and a thousand messages show what a
	// hundred thousand do.
	cmd.Env = append(os.Environ(), "HISGATE_FAILURES=1", "HISGATE_FEED_MESSAGES=1000")
	text, err := cmd.CombinedOutput()
	out = string(text)
	if err == nil {
		return nil, out, nil
	}
	if strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]") {
		return nil, out, errors.New("it does not compile")
	}
	if m := failedSeed.FindStringSubmatch(out); m != nil {
		return []string{"seed " + m[1] + ": " + m[2]}, out, nil
	}
	for _, re := range []*regexp.Regexp{failedTest, runningTest, inTest, inFile} {
		for _, name := range re.FindAllStringSubmatch(out, -1) {
			if test, _, _ := strings.Cut(name[1], "/"); !slices.Contains(failed, test) {
				failed = append(failed, test)
			}
		}
		if len(failed) > 0 {
			return failed, out, nil
		}
	}
	return []string{"a panic"}, out, nil
}
