package badgerengine_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
)

// The test binary, run again with these, is a process that can be killed.
const (
	childDo  = "HISGATE_TEST_CHILD"
	childDir = "HISGATE_TEST_DIR"
)

func TestMain(m *testing.M) {
	var err error
	switch do := os.Getenv(childDo); do {
	case "":
		os.Exit(m.Run())
	case "load":
		err = load(os.Getenv(childDir))
	case "fill":
		err = fill(os.Getenv(childDir))
	default:
		err = fmt.Errorf("unknown: %s", do)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// child starts the process and returns the lines that it prints. kill ends it
// with SIGKILL, as the kernel's out-of-memory killer would.
func child(t *testing.T, do, dir string) (lines *bufio.Scanner, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDo+"="+do, childDir+"="+dir)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
	})
	t.Cleanup(kill)
	return bufio.NewScanner(out), kill
}

// load writes pairs of keys through a committer without end, and prints the
// number of each pair as soon as it is acknowledged.
func load(dir string) error {
	e, err := badgerengine.Open(dir, badgerengine.Options{})
	if err != nil {
		return err
	}
	c := engine.NewCommitter(e, engine.CommitterOptions{})
	var next atomic.Int64
	failed := make(chan error)
	for range 16 {
		go func() {
			for {
				id := fmt.Sprintf("%d-%06d", e.Epoch(), next.Add(1))
				err := c.Append(
					engine.Write{Key: []byte("left/" + id), Value: []byte(id)},
					engine.Write{Key: []byte("right/" + id), Value: []byte(id)},
				).Wait(context.Background())
				if err != nil {
					failed <- err
					return
				}
				fmt.Println(id) // one write of the pipe: lines are not mixed
			}
		}()
	}
	return <-failed
}

// fill writes batches of which some are in tables and some in the log, says so,
// and waits to be killed.
func fill(dir string) error {
	for opening := range 3 {
		e, err := badgerengine.Open(dir, badgerengine.Options{EncryptionKey: keyFile(dir)})
		if err != nil {
			return err
		}
		for i := range filled / 3 {
			if err := e.Apply(filledBatch(opening*filled/3 + i)); err != nil {
				return err
			}
		}
		if opening < 2 {
			if err := e.Close(); err != nil {
				return err
			}
		}
	}
	fmt.Println("filled")
	select {}
}

// keyFile is the encryption key of a folder, in a file beside it, if there is
// one.
func keyFile(dir string) []byte {
	key, err := os.ReadFile(filepath.Clean(dir) + ".key")
	if err != nil {
		return nil
	}
	return key
}
