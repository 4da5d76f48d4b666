package feed_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// simple reads {"d": drug, "q": figure}.
const simple = `
message:
  unwrap: [json]
  skip: [{at: /type, is: heartbeat}]
  rows: /
  no_figure: reread
  sequence: source
  fields: {pharmacy_id: {fixed: P}, drug_id: d, on_hand: q}
`

func mapping(t testing.TB) *httphis.ChangeMapping {
	t.Helper()
	file := filepath.Join(t.TempDir(), "feed.yaml")
	if err := os.WriteFile(file, []byte(simple), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := httphis.LoadChanges(file)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func figure(drug string, onHand int) feed.Message {
	return feed.Message{ID: drug, Body: fmt.Appendf(nil, `{"d": %q, "q": %d}`, drug, onHand)}
}

// poison is a message that no mapping reads.
var poison = feed.Message{ID: "poison", Body: []byte("{]")}

// shelf is where changes take effect in a test.
type shelf struct {
	mu      sync.Mutex
	has     map[string]int64 // −1 = to be read again
	gate    chan struct{}    // nil = open
	waiting chan struct{}    // is told of who comes to a closed gate; nil = nobody
}

func (s *shelf) apply(ctx context.Context, list []httphis.StockChange) (applied, dropped int, err error) {
	if s.gate != nil {
		select {
		case s.waiting <- struct{}{}:
		default:
		}
		select {
		case <-s.gate:
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has == nil {
		s.has = map[string]int64{}
	}
	for _, c := range list {
		s.has[c.Key.DrugID] = -1
		if c.OnHand != nil {
			s.has[c.Key.DrugID] = *c.OnHand
		}
	}
	return len(list), 0, nil
}

func (s *shelf) figure(drug string) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.has[drug]
	return n, ok
}

// driver is one whose Run a test writes.
type driver struct {
	run func(ctx context.Context, s feed.Sink) error
}

func (d *driver) Run(ctx context.Context, s feed.Sink) error { return d.run(ctx, s) }

// burying is a driver whose source has a place for dead letters.
type burying struct {
	driver
	bury func(m feed.Message, reason string) error
}

func (d *burying) Bury(_ context.Context, m feed.Message, reason string) error {
	return d.bury(m, reason)
}

func newFeed(t testing.TB, o feed.Options) *feed.Feed {
	t.Helper()
	if o.Name == "" {
		o.Name = "mq"
	}
	if o.Mapping == nil {
		o.Mapping = mapping(t)
	}
	if o.Apply == nil {
		o.Apply = new(shelf).apply
	}
	f, err := feed.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func newLetters(t testing.TB) (*feed.Letters, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dead.jsonl")
	l, err := feed.OpenLetters(file, feed.MinLetters)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, file
}
