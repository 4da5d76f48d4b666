package outbox_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/outbox"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// patience is how long a condition may take on a machine that is busy with
// something else.
const patience = 2 * time.Minute

// message is what a test reads of one.
type message struct {
	feed.Message
	ID         int64             `json:"id"`
	Op         string            `json:"op"`
	Pharmacy   string            `json:"pharmacy_id"`
	Drug       string            `json:"drug_id"`
	Quantity   json.Number       `json:"quantity"`
	Unreadable map[string]string `json:"hisgate_unreadable"`
}

// readers stands where the feed stands.
type readers struct {
	t     testing.TB
	batch int

	mu      sync.Mutex
	changed chan struct{} // closed at every change
	got     []message
	looks   int // of the driver at a table that had nothing more
	ready   bool
	missed  int // times that something was said to be lost
	largest int
	refuse  func([]feed.Message) error
}

func newReaders(t testing.TB) *readers {
	return &readers{t: t, batch: 256, changed: make(chan struct{})}
}

func (r *readers) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *readers) sink() feed.Sink {
	return feed.Sink{
		Batch: r.batch, Deliver: r.deliver,
		Connected:    func() { r.change(func() { r.ready = true }) },
		Disconnected: func(err error) { r.t.Errorf("told to be disconnected: %v", err) },
		Missed:       func(string) { r.change(func() { r.missed++ }) },
		Lag: func(n int64) {
			r.change(func() {
				if n == 0 {
					r.looks++
				}
			})
		},
	}
}

func (r *readers) deliver(_ context.Context, batch []feed.Message) error {
	if r.refuse != nil {
		if err := r.refuse(batch); err != nil {
			return err
		}
	}
	var got []message
	for _, m := range batch {
		out := message{Message: m}
		d := json.NewDecoder(strings.NewReader(string(m.Body)))
		d.UseNumber()
		if err := d.Decode(&out); err != nil {
			r.t.Errorf("%v: %s", err, m.Body)
		}
		got = append(got, out)
	}
	r.change(func() {
		r.got = append(r.got, got...)
		r.largest = max(r.largest, len(batch))
	})
	return nil
}

// await waits until a condition holds.
func (r *readers) await(what string, holds func() bool) {
	r.t.Helper()
	over := time.NewTimer(patience)
	defer over.Stop()
	for {
		r.mu.Lock()
		ok, changed, n := holds(), r.changed, len(r.got)
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-over.C:
			r.t.Fatalf("%s: not after %v; %d messages came", what, patience, n)
		}
	}
}

// count waits until so many messages came.
func (r *readers) count(n int) {
	r.t.Helper()
	r.await(fmt.Sprintf("%d messages", n), func() bool { return len(r.got) >= n })
}

// look waits until the driver has looked n times more and found nothing new.
func (r *readers) look(n int) {
	r.t.Helper()
	r.mu.Lock()
	until := r.looks + n
	r.mu.Unlock()
	r.await(fmt.Sprintf("%d looks", n), func() bool { return r.looks >= until })
}

// told wants so many messages when the driver has looked again. It does not wait
// for what does not come.
func (r *readers) told(n int) {
	r.t.Helper()
	r.look(3) // the first of which may have begun before
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.got) != n {
		r.t.Fatalf("%d messages came, want %d", len(r.got), n)
	}
}

// past waits until the driver has looked again and again for so long, and for a
// second and a half more: it has asked the database by then what it asks each second.
func (r *readers) past(long time.Duration) {
	r.t.Helper()
	for began := time.Now(); time.Since(began) < long+1500*time.Millisecond; {
		r.look(1)
	}
	r.look(3)
}

// all is what came until now, and forgets it.
func (r *readers) all() []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

// begin runs a driver; end stops it, and demands that it ended in good order.
func (r *readers) begin(s outbox.Settings) (end func()) {
	r.t.Helper()
	d, err := outbox.New(s)
	if err != nil {
		r.t.Fatal(err)
	}
	r.change(func() { r.ready = false })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, r.sink()) }()
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				r.t.Errorf("Run returned %v", err)
			}
		case <-time.After(patience):
			r.t.Error("Run does not return")
		}
	})
	r.t.Cleanup(stop)
	r.await("connected", func() bool {
		select {
		case err := <-ended:
			ended <- err
			r.t.Fatalf("Run returned %v", err)
		default:
		}
		return r.ready
	})
	return stop
}

// session is a transaction of somebody else.
type session struct {
	h    *hospital
	conn *sql.Conn
}

func (h *hospital) session(t testing.TB) *session {
	t.Helper()
	conn, err := h.Admin.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s := &session{h, conn}
	t.Cleanup(func() {
		_ = s.try("ROLLBACK")
		_ = conn.Close()
	})
	s.run(t, "BEGIN")
	return s
}

func (s *session) run(t testing.TB, words string) {
	t.Helper()
	if err := s.try(words); err != nil {
		t.Fatalf("%v: %s", err, words)
	}
}

func (s *session) try(words string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if s.h.Dialect == sqldb.Postgres {
		_, err := s.conn.ExecContext(ctx, s.h.sql(words), pgx.QueryExecModeSimpleProtocol)
		return err
	}
	_, err := s.conn.ExecContext(ctx, s.h.sql(words))
	return err
}

// stock puts drugs D001 … on the shelf.
func (h *hospital) stock(t testing.TB, drugs int) {
	t.Helper()
	var rows []string
	for i := 1; i <= drugs; i++ {
		rows = append(rows, fmt.Sprintf("('HLWYF', 'D%03d', 1000000)", i))
	}
	h.run(t, "INSERT INTO $.药房库存 (药房编码, 药品编码, 库存数量) VALUES "+strings.Join(rows, ", "))
}

// sell is the counter.
const sell = "UPDATE $.药房库存 SET 库存数量 = 库存数量 - 1 WHERE 药房编码 = 'HLWYF' AND 批号 = '' AND 药品编码 = "
