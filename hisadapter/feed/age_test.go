package feed_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// A change goes on with the time that its row says, or else its message: what is
// too old to be shown is known by it.
func TestEveryChangeHasATime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "feed.yaml")
	timed := strings.Replace(simple, "on_hand: q}", `on_hand: q, time: {at: t, format: "yyyy-MM-dd HH:mm:ss"}}`, 1)
	if err := os.WriteFile(file, []byte(timed), 0o600); err != nil {
		t.Fatal(err)
	}
	byRow, err := httphis.LoadChanges(file)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	row := time.Date(2026, 11, 22, 9, 0, 0, 0, time.FixedZone("", 8*3600))
	for name, tc := range map[string]struct {
		mapping *httphis.ChangeMapping
		at      time.Time
		want    time.Time
	}{
		"of the row":     {byRow, at, row},
		"of the message": {mapping(t), at, at},
		"nobody says":    {mapping(t), time.Time{}, time.Time{}},
	} {
		var got []httphis.StockChange
		f := newFeed(t, feed.Options{Mapping: tc.mapping, Apply: func(_ context.Context, list []httphis.StockChange) (int, int, error) {
			got = append(got, list...)
			return len(list), 0, nil
		}})
		m := feed.Message{ID: "A", Body: []byte(`{"d": "A", "q": 1, "t": "2026-11-22 09:00:00"}`), At: tc.at}
		if err := f.Take(t.Context(), m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(got) != 1 || !got[0].At.Equal(tc.want) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// What the source has lost is counted.
func TestLostChangesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t, feed.Options{Driver: &driver{func(ctx context.Context, s feed.Sink) error {
			s.Missed("retention")
			s.Missed("made anew")
			<-ctx.Done()
			return nil
		}}})
		ctx, cancel := context.WithCancel(t.Context())
		go f.Run(ctx)
		synctest.Wait()
		if n := f.State().Gaps; n != 2 {
			t.Errorf("%d are counted, want 2", n)
		}
		cancel()
		synctest.Wait()
	})
}
