package systems

import (
	"os/exec"
	"testing"
	"time"
)

// The processor time of what we started counts, while it runs and afterwards.
func TestCPUCountsChildren(t *testing.T) {
	before := CPU()
	cmd := exec.Command("/bin/sh", "-c", `i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; read -r _; true`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if used := CPU() - before; used < 2*time.Second/userHz {
		t.Errorf("a busy child used %v", used)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}
