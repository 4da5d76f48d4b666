package badgerengine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
)

// A process is killed under load, again and again on the same folder. What it
// acknowledged is there, what it wrote is there whole, and while it lived nobody
// else could open the folder.
func TestI3AcknowledgedWritesSurviveKill(t *testing.T) {
	dir := t.TempDir()
	var acknowledged []string
	var epoch uint64
	for round := range 4 {
		lines, kill := child(t, "load", dir)
		for n := 0; n < 300*(round+1) && lines.Scan(); n++ {
			acknowledged = append(acknowledged, lines.Text())
		}
		if round == 0 {
			wantRefused(t, dir, badgerengine.Options{}, badgerengine.ErrFolderInUse, "process ")
		}
		kill()
		for lines.Scan() { // acknowledged, but not read by us before the kill
			acknowledged = append(acknowledged, lines.Text())
		}

		e := mustOpen(t, dir, badgerengine.Options{})
		if e.Epoch() <= epoch {
			t.Fatalf("epoch %d after %d", e.Epoch(), epoch)
		}
		epoch = e.Epoch()
		pairs := map[string]int{}
		err := e.Scan(nil, nil, func(key, value []byte) error {
			side, id, _ := strings.Cut(string(key), "/")
			if id != string(value) {
				return fmt.Errorf("%s holds %q", key, value)
			}
			if side == "left" {
				pairs[id]++
			} else {
				pairs[id] += 2
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for id, sides := range pairs {
			if sides != 3 {
				t.Fatalf("round %d: half of %s is there", round, id)
			}
		}
		for _, id := range acknowledged {
			if pairs[id] != 3 {
				t.Fatalf("round %d: %s was acknowledged and is gone", round, id)
			}
		}
		if len(acknowledged) < 300 {
			t.Fatalf("only %d acknowledged: the child did not come far", len(acknowledged))
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
