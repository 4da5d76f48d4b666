package httphis_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

var update = flag.Bool("update", false, "write the golden files anew")

// All that is wrong with a file is told at once, with file, line and reason.
func TestFaultsOfAMapping(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.yaml")
	if err != nil || len(files) < 7 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := httphis.Load(file)
			if err == nil {
				t.Fatal("it was loaded")
			}
			if _, ok := errors.AsType[*mapfile.Fault](err); !ok {
				t.Errorf("%T holds no *mapfile.Fault", err)
			}
			got := err.Error() + "\n"
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("faults are\n%s\nwant\n%s", got, want)
			}
			if strings.Contains(got, "hunter2") || strings.Contains(got, "secret@") {
				t.Error("a secret that stands in the file by mistake is printed")
			}
		})
	}
}

// A HIS that is never told our number cannot know a repeat by it.
func TestNumbersThatAreNeverSentCannotBeKnown(t *testing.T) {
	m, err := load(t, aboutOrder(plainOrder, ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	caps := hisadapter.Capabilities{BatchSize: 20, IdempotentByHisNo: true}
	if _, err := httphis.New(m, caps, httphis.Options{}); err == nil || !strings.Contains(err.Error(), "place_order never sends {{ his_no }}") {
		t.Errorf("taken: %v", err)
	}
	caps.IdempotentByHisNo = false
	if _, err := httphis.New(m, caps, httphis.Options{}); err != nil {
		t.Error(err)
	}
}
