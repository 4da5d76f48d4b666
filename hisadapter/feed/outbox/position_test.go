package outbox_test

import (
	"os"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// After a stop in good order nothing is told twice; without a position, or with
// one that cannot be read, all is.
func TestPositionSurvivesARestartAndItsLossIsHarmless(t *testing.T) {
	each(t, func(t *testing.T, h *hospital) {
		h.stock(t, 30)
		h.install(t, h.options())
		s := h.settings("hisgate_outbox")
		r := newReaders(t)
		stop := r.begin(s)
		for i := 1; i <= 10; i++ {
			h.run(t, sell+"'"+drug(i)+"'")
		}
		r.count(10)
		stop()
		for i := 11; i <= 20; i++ { // while nobody runs
			h.run(t, sell+"'"+drug(i)+"'")
		}
		stop = r.begin(s)
		r.count(20)
		r.look(3)
		stop()
		if n := len(r.all()); n != 20 {
			t.Errorf("%d messages of 20 sales", n)
		}
		for name, spoil := range map[string]func() error{
			"it is gone":                  func() error { return os.Remove(s.PositionFile) },
			"it is no JSON":               func() error { return os.WriteFile(s.PositionFile, []byte(`{"of":`), 0o600) },
			"its gaps make no sense":      func() error { return os.WriteFile(s.PositionFile, []byte(`{"of":"x","max":3,"gaps":[[9,7]]}`), 0o600) },
			"it is that of another table": func() error { return os.WriteFile(s.PositionFile, []byte(`{"of":"elsewhere","max":9}`), 0o600) },
		} {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			stop = r.begin(s)
			r.count(20)
			r.look(3)
			stop()
			if got := r.all(); len(got) != 20 || got[0].Drug != "D001" || got[19].Drug != "D020" {
				t.Errorf("%s: %d messages of 20 sales", name, len(got))
			}
		}
	})
}

// The table is emptied, and its ids begin anew: what comes then is not old news.
func TestIDsBeginAnew(t *testing.T) {
	each(t, func(t *testing.T, h *hospital) {
		h.stock(t, 9)
		h.install(t, h.options())
		s := h.settings("hisgate_outbox")
		r := newReaders(t)
		stop := r.begin(s)
		for i := 1; i <= 5; i++ {
			h.run(t, sell+"'"+drug(i)+"'")
		}
		r.count(5)
		stop()
		if h.Dialect == sqldb.Postgres {
			h.run(t, "TRUNCATE $.hisgate_outbox RESTART IDENTITY")
		} else {
			h.run(t, "TRUNCATE TABLE $.hisgate_outbox")
		}
		for i := 6; i <= 8; i++ {
			h.run(t, sell+"'"+drug(i)+"'")
		}
		stop = r.begin(s)
		r.told(8)
		stop()
		// As many as before: the number of the newest row is there, but it is another row.
		if h.Dialect == sqldb.Postgres {
			h.run(t, "TRUNCATE $.hisgate_outbox RESTART IDENTITY")
		} else {
			h.run(t, "TRUNCATE TABLE $.hisgate_outbox")
		}
		for i := 1; i <= 4; i++ {
			h.run(t, sell+"'"+drug(i)+"'")
		}
		stop = r.begin(s)
		r.told(12)
		stop()
		last := int64(0)
		for _, m := range r.all() {
			if m.Sequence <= last {
				t.Errorf("the sequence of the sale of %s is %d, after %d", m.Drug, m.Sequence, last)
			}
			last = m.Sequence
		}
	})
}

// What was consumed is deleted where that is permitted, but not the newest row, and
// nothing that was not consumed.
func TestConsumedRowsAreDeletedWhereThatIsPermitted(t *testing.T) {
	each(t, func(t *testing.T, h *hospital) {
		h.stock(t, 9)
		o := h.options()
		o.Clean = true
		h.install(t, o)
		for i := 1; i <= 5; i++ {
			h.run(t, sell+"'"+drug(i)+"'")
		}
		s := h.settings("hisgate_outbox")
		r := newReaders(t)
		stop := r.begin(s)
		r.count(5)
		r.look(3)
		stop()
		if n := len(h.texts(t, "SELECT id FROM $.hisgate_outbox")); n != 5 {
			t.Fatalf("%d of 5 rows are there, and nobody has permitted to delete one", n)
		}
		ago := map[string]string{sqldb.Postgres: "now() - interval '2 hours'", sqldb.MySQL: "NOW(6) - INTERVAL 2 HOUR"}[h.Dialect]
		s.Keep, s.Overlap = time.Hour, time.Second
		h.run(t, "UPDATE $.hisgate_outbox SET changed_at = "+ago+" WHERE id <= 3")
		stop = r.begin(s)
		r.await("three rows deleted", func() bool { return len(h.texts(t, "SELECT id FROM $.hisgate_outbox")) == 2 })
		stop()
		h.run(t, "UPDATE $.hisgate_outbox SET changed_at = "+ago)
		// The newest row is another one by its time: all is read once more, and then goes but for it.
		r.begin(s)
		r.await("one row left", func() bool { return len(h.texts(t, "SELECT id FROM $.hisgate_outbox")) == 1 })
		if got := h.texts(t, "SELECT drug_id FROM $.hisgate_outbox"); got[0] != "D005" {
			t.Errorf("%s is left, not the newest", got[0])
		}
	})
}
