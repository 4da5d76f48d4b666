package outbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/feedtest"
	"github.com/hisgate/hisgate/hisadapter/feed/outbox"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// The suite of every driver, over a table that holds its messages in a column.
func TestDriver(t *testing.T) {
	for _, dialect := range []string{sqldb.Postgres, sqldb.MySQL} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			feedtest.Run(t, func(t *testing.T) *feedtest.Source { return newHospital(t, dialect).place(t) })
		})
	}
}

// place is an outbox of messages that the suite invents.
func (h *hospital) place(t *testing.T) *feedtest.Source {
	kind := map[string]string{sqldb.Postgres: "id bigserial PRIMARY KEY", sqldb.MySQL: "id bigint AUTO_INCREMENT PRIMARY KEY"}[h.Dialect]
	who := map[string]string{sqldb.Postgres: h.user, sqldb.MySQL: h.user + "@'%'"}[h.Dialect]
	usage := map[string]string{sqldb.Postgres: "; GRANT USAGE ON SCHEMA " + h.schema + " TO " + who}[h.Dialect]
	h.run(t, "CREATE TABLE $.messages ("+kind+", body text NOT NULL, changed_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP); GRANT SELECT ON $.messages TO "+who+usage)
	proxy := feedtest.NewProxy(t, fmt.Sprintf("127.0.0.1:%d", h.Port))
	s := h.settings("messages")
	s.Poll, s.Database.StatementTimeout, s.Database.ConnectTimeout = 50*time.Millisecond, 3*time.Second, 3*time.Second
	_, port, err := net.SplitHostPort(proxy.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if s.Database.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	d, err := outbox.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return &feedtest.Source{
		Driver: opened{d.(feed.Looker)}, Proxy: proxy, Publish: h.publish, Kill: h.kill, Lag: true, Silence: true,
	}
}

// publish inserts bodies in their order, a few hundred in a statement.
func (h *hospital) publish(t testing.TB, _ int, bodies []string) {
	t.Helper()
	for len(bodies) > 0 {
		n := min(500, len(bodies))
		h.run(t, "INSERT INTO $.messages (body) VALUES ('"+strings.Join(bodies[:n], "'), ('")+"')")
		bodies = bodies[n:]
	}
}

// kill ends the server as a crash would, and begins it anew.
func (h *hospital) kill(t testing.TB) {
	t.Helper()
	h.Admin.SetMaxIdleConns(0) // those of before are of no use
	defer h.Admin.SetMaxIdleConns(2)
	if err := h.Server.Crash(context.Background(), h.Admin.PingContext); err != nil {
		t.Fatal(err)
	}
}

// opened takes the messages of the suite out of the rows.
type opened struct{ feed.Looker }

func (o opened) Run(ctx context.Context, s feed.Sink) error { return o.Looker.Run(ctx, o.open(s)) }

func (o opened) Look(ctx context.Context, s feed.Sink) error { return o.Looker.Look(ctx, o.open(s)) }

func (opened) open(s feed.Sink) feed.Sink {
	inner := s.Deliver
	s.Deliver = func(ctx context.Context, batch []feed.Message) error {
		for i := range batch {
			var row struct{ Body string }
			if err := json.Unmarshal(batch[i].Body, &row); err != nil {
				return err
			}
			batch[i].Body = []byte(row.Body)
		}
		return inner(ctx, batch)
	}
	return s
}
