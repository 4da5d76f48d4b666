package feedtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// testPoison buries every 50th message at the source.
func testPoison(t *testing.T, s *Source) {
	burier, ok := s.Driver.(feed.Burier)
	if !ok || s.Buried == nil {
		return
	}
	r := begun(t, s, 100)
	n := 1000
	var want []Letter
	reason := "/items/0/drug: 缺少 (missing)\nsecond line"
	r.hook = func(ctx context.Context, batch []feed.Message) error {
		for _, m := range batch {
			if _, no, _ := number(m.Body); no%50 != 0 {
				continue
			}
			ctx, cancel := context.WithTimeout(ctx, patience)
			err := burier.Bury(ctx, m, reason)
			cancel()
			if err != nil {
				return fmt.Errorf("bury %s: %w", m.Body, err)
			}
			want = append(want, Letter{Body: string(m.Body), ID: m.ID, Reason: reason})
		}
		return nil
	}
	f := start(t, s.Driver, r)
	s.publish(t, 2, n)
	r.all(n)
	f.stop()
	if errs := f.failures(); len(errs) > 0 {
		t.Fatalf("Run failed: %v", errs)
	}
	got := s.Buried(t)
	for i := range got {
		if strings.ReplaceAll(got[i].Reason, " ", "\n") == strings.ReplaceAll(reason, " ", "\n") {
			got[i].Reason = reason // a header may have no line breaks
		}
	}
	order := func(a, b Letter) int { return strings.Compare(a.Body, b.Body) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if !slices.Equal(got, want) {
		t.Errorf("%d letters buried, want %d\n got %+v\nwant %+v", len(got), len(want), got, want)
	}
}

// testNoBurial buries while nothing passes, and while the driver does not run.
func testNoBurial(t *testing.T, s *Source) {
	burier, ok := s.Driver.(feed.Burier)
	if !ok || s.Buried == nil {
		return
	}
	r := begun(t, s, 10)
	var m feed.Message
	r.hook = func(ctx context.Context, batch []feed.Message) error {
		if m.ID != "" {
			return nil
		}
		m = feed.Message{ID: batch[0].ID, Body: slices.Clone(batch[0].Body)}
		s.Proxy.Freeze()
		ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		if burier.Bury(ctx, m, "reason") == nil {
			t.Error("Bury says that the server keeps a letter which it cannot have got")
		}
		s.Proxy.Cut()
		s.Proxy.Thaw()
		return nil
	}
	f := start(t, s.Driver, r)
	s.publish(t, 2, 20)
	r.all(20)
	f.stop()
	if err := burier.Bury(t.Context(), m, "reason"); err == nil || errors.Is(err, feed.ErrNoBurial) {
		t.Errorf("Bury while nothing runs: %v", err)
	}
}
