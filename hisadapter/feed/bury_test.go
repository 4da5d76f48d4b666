package feed_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// once is a driver that delivers one batch and tells how it went.
func once(batch []feed.Message, got *error) driver {
	return driver{func(ctx context.Context, s feed.Sink) error {
		*got = s.Deliver(ctx, batch)
		<-ctx.Done()
		return nil
	}}
}

func runOnce(t *testing.T, f *feed.Feed, until func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan struct{})
	go func() { f.Run(ctx); close(done) }()
	for !until() && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-done
}

// lines are the letters in a file.
func lines(t *testing.T, file string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	for line := range bytes.Lines(text) {
		var l map[string]any
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, l)
	}
	return out
}

// A message that cannot be read holds up no other, and goes where the source
// keeps such; else, or where that fails, into the local file.
func TestBadMessagesAreBuried(t *testing.T) {
	for _, tc := range []struct {
		name  string
		bury  error
		local bool
	}{
		{"the source takes it", nil, false},
		{"the source has no place", feed.ErrNoBurial, true},
		{"the source fails", errors.New("away"), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			letters, file := newLetters(t)
			s := new(shelf)
			err := errors.New("not delivered")
			var reason string
			d := &burying{driver: once([]feed.Message{figure("A", 1), poison, figure("B", 2)}, &err), bury: func(m feed.Message, why string) error {
				if m.ID == poison.ID {
					reason = why
				}
				return tc.bury
			}}
			f := newFeed(t, feed.Options{Apply: s.apply, Driver: d, Letters: letters})
			runOnce(t, f, func() bool { _, ok := s.figure("B"); return ok })
			if err != nil {
				t.Errorf("a bad message held up its batch: %v", err)
			}
			if !strings.Contains(reason, "not JSON") {
				t.Errorf("reason %q", reason)
			}
			got := lines(t, file)
			if tc.local != (len(got) == 1) {
				t.Fatalf("%d letters in the file", len(got))
			}
			if tc.local && (got[0]["id"] != "poison" || got[0]["feed"] != "mq" || got[0]["body"] != "{]" || !strings.Contains(got[0]["reason"].(string), "not JSON")) {
				t.Errorf("got %v", got[0])
			}
			if st := f.State(); st.Taken != 2 || st.Dead != 1 || st.Lost != 0 {
				t.Errorf("got %+v", st)
			}
		})
	}
}

// A source that does not answer for its dead letters holds up the feed once, and
// not once for each of them.
func TestASourceThatHangsOverDeadLettersHoldsUpNothing(t *testing.T) {
	letters, file := newLetters(t)
	synctest.Test(t, func(t *testing.T) {
		batch := make([]feed.Message, 100)
		for i := range batch {
			batch[i] = poison
		}
		const again = 2 * time.Minute
		tries := 0
		d := &hanging{tries: &tries}
		var took [3]time.Duration
		d.run = func(ctx context.Context, s feed.Sink) error {
			for i := range took {
				if i == 2 {
					time.Sleep(again)
				}
				began := time.Now()
				if err := s.Deliver(ctx, append(batch[:len(batch):len(batch)], figure("A", i))); err != nil {
					t.Error(err)
				}
				took[i] = time.Since(began)
			}
			<-ctx.Done()
			return nil
		}
		f := newFeed(t, feed.Options{Driver: d, Letters: letters})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
		for i, d := range took {
			if d > 10*time.Second {
				t.Errorf("batch %d was held up for %v", i, d)
			}
		}
		if tries != 2 {
			t.Errorf("the source was asked %d times, and should be once, and once more later", tries)
		}
		if st := f.State(); st.Dead != 300 || st.Lost != 0 || st.Taken != 3 {
			t.Errorf("got %+v", st)
		}
	})
	if n := len(lines(t, file)); n != 300 {
		t.Errorf("%d letters in the file", n)
	}
}

// hanging is a driver whose source never answers for a dead letter.
type hanging struct {
	driver
	tries *int
}

func (d *hanging) Bury(ctx context.Context, _ feed.Message, _ string) error {
	*d.tries++
	<-ctx.Done()
	return ctx.Err()
}

func TestLettersThatNobodyTakesAreCounted(t *testing.T) {
	f := newFeed(t, feed.Options{})
	err := f.Take(t.Context(), poison)
	if _, ok := errors.AsType[*feed.UnreadableError](err); !ok {
		t.Errorf("error %v", err)
	}
	if st := f.State(); st.Lost != 1 || st.Dead != 0 || st.Taken != 0 {
		t.Errorf("got %+v", st)
	}
}

// A message whose body the source could not give is a dead letter with the source's
// reason, and no heartbeat because it is empty.
func TestMessagesThatTheSourceCannotGive(t *testing.T) {
	letters, file := newLetters(t)
	s := new(shelf)
	var err error
	d := once([]feed.Message{figure("A", 1), {ID: "t:0:7", Unreadable: "too much"}, figure("B", 2)}, &err)
	f := newFeed(t, feed.Options{Apply: s.apply, Driver: &d, Letters: letters})
	runOnce(t, f, func() bool { _, ok := s.figure("B"); return ok })
	if got := lines(t, file); err != nil || len(got) != 1 || got[0]["reason"] != "too much" || got[0]["id"] != "t:0:7" {
		t.Errorf("buried %q, and failed with %v", got, err)
	}
	if st := f.State(); st.Dead != 1 || st.Taken != 2 || st.Skipped != 0 {
		t.Errorf("%+v", st)
	}
}

func TestMessagesThatAreTooLong(t *testing.T) {
	letters, file := newLetters(t)
	f := newFeed(t, feed.Options{Letters: letters})
	long := feed.Message{ID: "long", Body: bytes.Repeat([]byte("\xff"), feed.MaxMessage+5)}
	if err := f.Take(t.Context(), long); err == nil {
		t.Error("read")
	}
	got := lines(t, file)
	if len(got) != 1 || got[0]["cut"] != 5.0 || got[0]["body"] != nil {
		t.Errorf("%d letters, cut %v", len(got), got[0]["cut"])
	}
}

// The file and its predecessor never exceed the bound, and the newest letters
// stay.
func TestTheLettersAreBounded(t *testing.T) {
	letters, file := newLetters(t)
	m := feed.Message{Body: bytes.Repeat([]byte("x"), feed.MaxMessage/2)}
	for i := range 40 {
		m.Sequence = int64(i + 1)
		if err := letters.Put("mq", &m, "why", time.Now()); err != nil {
			t.Fatal(err)
		}
		var sum int64
		for _, name := range []string{file, file + ".1"} {
			if info, err := os.Stat(name); err == nil {
				sum += info.Size()
			}
		}
		if sum > feed.MinLetters {
			t.Fatalf("%d bytes after %d letters", sum, i+1)
		}
	}
	got := append(lines(t, file+".1"), lines(t, file)...)
	if len(got) < 8 {
		t.Errorf("only %d letters are left", len(got))
	}
	for i := range got {
		if want := float64(41 - len(got) + i); got[i]["sequence"] != want {
			t.Fatalf("letter %d is %v, want %v", i, got[i]["sequence"], want)
		}
	}
}

func TestLettersGoOnInTheSameFile(t *testing.T) {
	letters, file := newLetters(t)
	if err := letters.Put("mq", &poison, "first", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := letters.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := feed.OpenLetters(file, feed.MinLetters)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.Put("mq", &poison, "second", time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, file); len(got) != 2 || got[0]["reason"] != "first" || got[1]["reason"] != "second" {
		t.Errorf("got %v", got)
	}
}

// While FILE cannot become FILE.1, letters are refused and the bound holds; none
// that was kept is lost, and when it can, the next one is kept again.
func TestLettersThatCannotBePutAsideAreNotLost(t *testing.T) {
	letters, file := newLetters(t)
	if err := os.MkdirAll(filepath.Join(file+".1", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	m := feed.Message{Body: bytes.Repeat([]byte("x"), feed.MaxMessage/2)}
	kept := 0
	for i := range 20 {
		m.Sequence = int64(i + 1)
		if err := letters.Put("mq", &m, "why", time.Now()); err == nil {
			kept++
		} else if err := letters.Sync(); err != nil {
			t.Errorf("what was kept is said not to be on the disk: %v", err)
		}
		if info, err := os.Stat(file); err != nil || info.Size() > feed.MinLetters/2 {
			t.Fatalf("%v, %v after %d letters", info, err, i+1)
		}
	}
	if got := lines(t, file); len(got) != kept || kept < 4 || kept == 20 || got[0]["sequence"] != 1.0 {
		t.Errorf("%d letters are there, %d were kept", len(got), kept)
	}
	if err := os.RemoveAll(file + ".1"); err != nil {
		t.Fatal(err)
	}
	if err := letters.Put("mq", &m, "why", time.Now()); err != nil {
		t.Error(err)
	}
	if before, now := lines(t, file+".1"), lines(t, file); len(before) != kept || len(now) != 1 {
		t.Errorf("%d letters put aside, %d after them", len(before), len(now))
	}
}

// Somebody takes the file away to look at it: the next letter is not written into
// one that nobody finds.
func TestLettersThatAreTakenAwayBeginAnew(t *testing.T) {
	letters, file := newLetters(t)
	for _, take := range []func() error{
		func() error { return os.Rename(file, file+".mine") },
		func() error { return os.Remove(file) },
	} {
		if err := letters.Put("mq", &poison, "first", time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := take(); err != nil {
			t.Fatal(err)
		}
		if err := letters.Put("mq", &poison, "second", time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := lines(t, file); len(got) != 1 || got[0]["reason"] != "second" {
			t.Errorf("got %v", got)
		}
	}
}

// The power failed in the middle of a line: it spoils no other.
func TestHalfALetterSpoilsNoOther(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dead.jsonl")
	const half = `{"time":"2026-11-22T09:00:00Z","feed":"m`
	if err := os.WriteFile(file, []byte(half), 0o600); err != nil {
		t.Fatal(err)
	}
	letters, err := feed.OpenLetters(file, feed.MinLetters)
	if err != nil {
		t.Fatal(err)
	}
	defer letters.Close()
	if err := letters.Put("mq", &poison, "why", time.Now()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(string(text), "\n"); len(got) != 3 || got[0] != half || !strings.Contains(got[1], `"reason":"why"`) {
		t.Errorf("got %q", got)
	}
}
