package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A restore that was killed leaves its work below the folder, and perhaps a part
// of it moved up already. Such a folder is no ledger: to begin an empty one there
// would forget every order of the backup.
func TestServeRefusesAFolderWhoseRestoreWasInterrupted(t *testing.T) {
	t.Parallel()
	for name, lay := range map[string][]string{
		"while it was built":    {".restoring-17/000001.vlog", ".restoring-17/MANIFEST"},
		"before the first file": {".restoring-17/"},
		"while it was moved":    {".restoring-17/MANIFEST", "000001.vlog", "KEYREGISTRY"},
		"before the MANIFEST":   {".restoring-17/MANIFEST", "000001.vlog", "KEYREGISTRY", "00001.mem"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			for _, file := range lay {
				file, dir := filepath.Join(w.cfg.DataDir, file), strings.HasSuffix(file, "/")
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if dir {
					if err := os.MkdirAll(file, 0o700); err != nil {
						t.Fatal(err)
					}
				} else if err := os.WriteFile(file, []byte("a part of the backup"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := command(t, "hisgate", "serve", "-c", w.writeConfig())
			begun := time.AfterFunc(patience, func() { cmd.Process.Kill() })
			defer begun.Stop()
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("it ended well:\n%s", out)
			}
			last := lastLine(out)
			for _, says := range []string{"hisgate: data_dir:", w.cfg.DataDir, "restore", "interrupted", ".restoring-17"} {
				if !strings.Contains(last, says) {
					t.Errorf("the refusal %q does not say %q", last, says)
				}
			}
			if _, err := os.Stat(filepath.Join(w.cfg.DataDir, "MANIFEST")); err == nil {
				t.Error("a ledger was begun")
			}
		})
	}
}

// Killed when all was moved, a restore leaves nothing but the empty folder of its
// work. That ledger is whole.
func TestServeTakesAFolderWhoseRestoreWasAllButOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.shelve("D1", 10)
	p := w.start()
	p.post("/v1/locks", lockJSON("KEPT-1", "D1", 3, "600s")).lock(t)
	p.kill()
	if err := os.Mkdir(filepath.Join(w.cfg.DataDir, ".restoring-17"), 0o700); err != nil {
		t.Fatal(err)
	}
	p = w.start()
	p.post("/v1/locks/KEPT-1:release", `{}`).lock(t)
	w.audit(p.api)
}
