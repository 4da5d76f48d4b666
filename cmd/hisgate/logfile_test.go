package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A log of its own begins anew when it is long enough, keeps so many old ones, the
// latest as .1, loses no line, and goes on in what was there before.
func TestLogFileTurns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hisgate.log")
	write := func(l *logFile, from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if _, err := fmt.Fprintf(l, "line %02d\n", i); err != nil {
				t.Fatal(err)
			}
		}
	}
	open := func() *logFile {
		t.Helper()
		l, err := openLogFile(path, 24, 2) // three lines of eight bytes
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := open()
	write(l, 0, 4)
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	l = open()
	defer l.close()
	write(l, 4, 11)
	for name, want := range map[string]string{
		path: "line 09\nline 10\n", path + ".1": "line 06\nline 07\nline 08\n", path + ".2": "line 03\nline 04\nline 05\n",
	} {
		if b, err := os.ReadFile(name); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", filepath.Base(name), b, err)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("more old ones are kept than were asked for")
	}
}

// When no new file can be begun, the old one goes on.
func TestLogFileGoesOnWhenItCannotTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hisgate.log")
	if err := os.MkdirAll(filepath.Join(path+".1", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := openLogFile(path, 8, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for range 3 {
		if _, err := l.Write([]byte("12345678")); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != strings.Repeat("12345678", 3) {
		t.Errorf("%q, %v", b, err)
	}
}

// serve writes there instead of to standard error, and says which file cannot be
// opened.
func TestServeLogsToItsFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.cfg.Log.File = filepath.Join(w.dir, "no folder", "hisgate.log")
	_, stderr, code := hisgate(t, "serve", "-c", w.writeConfig())
	if code != exitNo || !strings.Contains(stderr, "log.file: ") {
		t.Errorf("%d %s", code, stderr)
	}
	w.cfg.Log.File = filepath.Join(w.dir, "hisgate.log")
	w.cfg.HIS.SimHIS.URL = "http://127.0.0.1:1"
	cmd := command(t, "hisgate", "serve", "-c", w.writeConfig())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log", func() error {
		b, err := os.ReadFile(w.cfg.Log.File)
		if err != nil {
			return err
		}
		return want("that it is up", strings.Contains(string(b), "hisgate is up"), true)
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(w.cfg.Log.File); err != nil || !strings.Contains(string(b), `"msg":"stopped"`) {
		t.Errorf("%s, %v", b, err)
	}
}
