package lockstore_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

func TestB9TheMarkOfARestore(t *testing.T) {
	disk := memengine.New(memengine.Options{})
	none, err := lockstore.ReadRestore(disk)
	if err != nil || !none.At.IsZero() || none.Recovering() || none.AskFirst(time.Now()) {
		t.Fatalf("a folder that was never restored: %+v, %v", none, err)
	}
	if err := lockstore.MarkRestored(disk, time.Time{}); err == nil {
		t.Error("a mark without a time was taken")
	}
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{at.Add(-time.Hour), at} { // the second takes the place of the first
		if err := lockstore.MarkRestored(disk, at); err != nil {
			t.Fatal(err)
		}
	}
	r, err := lockstore.ReadRestore(disk.Reopen())
	if err != nil || !r.At.Equal(at) || !r.Recovering() || !r.AskFirst(at.Add(1000*time.Hour)) {
		t.Errorf("after the restore: %+v, %v", r, err)
	}
}
