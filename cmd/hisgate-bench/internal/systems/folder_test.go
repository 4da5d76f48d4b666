package systems

import (
	"os"
	"testing"
)

// serverDir is a folder that a server of another user may pass: all of the
// folders above t.TempDir are root's alone when the tests run as root.
func serverDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "systems-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
