package feed_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// The disk is full: a letter that no file takes holds up nothing, its reason stands
// in the log, it is counted as lost; and when there is room again, letters are kept.
func TestAFullDiskHoldsUpNothingAndHidesNoReason(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dead.jsonl")
	if err := os.Symlink("/dev/full", file); err != nil {
		t.Fatal(err)
	}
	letters, err := feed.OpenLetters(file, feed.MinLetters)
	if err != nil {
		t.Fatal(err)
	}
	defer letters.Close()
	var log bytes.Buffer
	s := new(shelf)
	f := newFeed(t, feed.Options{Apply: s.apply, Letters: letters, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range 2 {
		if err := f.Take(t.Context(), poison); err == nil {
			t.Error("poison was read")
		}
	}
	if err := f.Take(t.Context(), figure("A", 1)); err != nil {
		t.Error(err)
	}
	if _, ok := s.figure("A"); !ok {
		t.Error("the change behind it was held up")
	}
	if st := f.State(); st.Lost != 2 || st.Dead != 0 || st.Taken != 1 {
		t.Errorf("got %+v", st)
	}
	for _, want := range []string{"a dead letter is lost", "not JSON", "no space left"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := f.Take(t.Context(), poison); err == nil {
		t.Error("poison was read")
	}
	if got := lines(t, file); len(got) != 1 || f.State().Dead != 1 {
		t.Errorf("got %v", got)
	}
}
