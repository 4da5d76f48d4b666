package outbox_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed/outbox"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// A transaction took its id first and commits last, after the driver has looked
// many times and brought what came behind it.
func TestHeldOpenTransactionIsNotMissed(t *testing.T) {
	each(t, func(t *testing.T, h *hospital) {
		h.stock(t, 40)
		h.install(t, h.options())
		r := newReaders(t)
		r.begin(h.settings("hisgate_outbox"))

		open := h.session(t)
		open.run(t, sell+"'D001'")
		middle := h.session(t)
		for i := 2; i <= 20; i++ {
			h.run(t, sell+"'"+drug(i)+"'")
		}
		middle.run(t, sell+"'D021'")
		for i := 22; i <= 40; i++ {
			h.run(t, sell+"'"+drug(i)+"'")
		}
		r.count(38)
		r.look(10)
		middle.run(t, "COMMIT")
		r.told(39)
		r.look(10)
		open.run(t, "COMMIT")
		r.told(40)
		seen := map[string]int{}
		for _, m := range r.all() {
			seen[m.Drug]++
		}
		for i := 1; i <= 40; i++ {
			if n := seen[drug(i)]; n != 1 {
				t.Errorf("the sale of %s was told %d times", drug(i), n)
			}
		}
	})
}

// The same, and for longer than the overlap.
func TestHeldOpenTransactionIsNotMissedWhenTheOverlapIsOver(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *hospital) {
		h.stock(t, 4)
		h.install(t, h.options())
		r := newReaders(t)
		s := h.settings("hisgate_outbox")
		s.Overlap = time.Second
		r.begin(s)
		open := h.session(t)
		open.run(t, sell+"'D001'")
		h.run(t, sell+"'D002'")
		r.count(1)
		r.past(s.Overlap)
		open.run(t, sell+"'D003'") // within what was thought to be over, if it was
		h.run(t, sell+"'D004'")
		r.count(2)
		r.past(s.Overlap)
		open.run(t, "COMMIT")
		r.told(4)
	})
}

// The transaction that took its id first has the greater number of the two: what
// PostgreSQL's snapshot names as its end is below it. One that is prepared, in two
// phases, belongs to no session any more.
func TestHeldOpenTransactionThatBeganLastIsNotMissed(t *testing.T) {
	t.Parallel()
	for name, words := range map[string]struct{ hold, end, undo string }{
		"open":     {"SELECT 1", "COMMIT", "ROLLBACK"},
		"prepared": {"PREPARE TRANSACTION 'sale'", "COMMIT PREPARED 'sale'", "ROLLBACK PREPARED 'sale'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHospital(t, sqldb.Postgres)
			h.stock(t, 2)
			h.install(t, h.options())
			r := newReaders(t)
			s := h.settings("hisgate_outbox")
			s.Overlap = time.Second
			r.begin(s)
			first, last := h.session(t), h.session(t)
			first.run(t, "SELECT txid_current()")
			last.run(t, sell+"'D001'")
			last.run(t, words.hold)
			t.Cleanup(func() { _ = last.try(words.undo) }) // where it failed before its end
			first.run(t, sell+"'D002'")
			first.run(t, "COMMIT")
			r.count(1)
			r.past(s.Overlap)
			last.run(t, words.end)
			r.told(2)
		})
	}
}

// own is an outbox of the HIS's own making, whose programs say the ids themselves.
func (h *hospital) own(t *testing.T) outbox.Settings {
	t.Helper()
	who := map[string]string{sqldb.Postgres: h.user, sqldb.MySQL: h.user + "@'%'"}[h.Dialect]
	h.run(t, "CREATE TABLE $.own (id bigint PRIMARY KEY, drug_id varchar(20), changed_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6))")
	h.run(t, "GRANT SELECT ON $.own TO "+who)
	if h.Dialect == sqldb.Postgres {
		h.run(t, "GRANT USAGE ON SCHEMA "+h.schema+" TO "+who)
	}
	return h.settings("own")
}

// write is a row of such an outbox.
func write(id string) string { return "INSERT INTO $.own (id, drug_id) VALUES (" + id + ", 'D001')" }

// A transaction has fetched its id before it wrote anything: PostgreSQL gives it no
// number before that.
func TestTransactionThatOnlyFetchedItsIDIsNotMissed(t *testing.T) {
	t.Parallel()
	h := newHospital(t, sqldb.Postgres)
	s := h.own(t)
	s.Overlap = time.Second
	h.run(t, "CREATE SEQUENCE $.numbers; SELECT nextval('$.numbers')") // every 32nd call writes by itself
	r := newReaders(t)
	r.begin(s)
	open := h.session(t)
	open.run(t, "SELECT nextval('$.numbers')")
	h.run(t, write("nextval('$.numbers')"))
	r.count(1)
	r.past(s.Overlap)
	open.run(t, write("currval('$.numbers')"))
	r.past(s.Overlap)
	open.run(t, "COMMIT")
	r.told(2)
}

// An id was fetched by nobody knows whom, and is written within the overlap.
func TestIDThatWasFetchedBeforehandIsWaitedForWithinTheOverlap(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *hospital) {
		s := h.own(t)
		s.Overlap = time.Hour
		r := newReaders(t)
		r.begin(s)
		h.run(t, write("1"))
		h.run(t, write("3"))
		r.count(2)
		r.past(0)
		h.run(t, write("2"))
		r.told(3)
	})
}

// The same while hisgate is restarted: what it waits for stands in the position.
func TestHeldOpenTransactionIsNotMissedByTheNextProcess(t *testing.T) {
	each(t, func(t *testing.T, h *hospital) {
		h.stock(t, 3)
		h.install(t, h.options())
		r := newReaders(t)
		stop := r.begin(h.settings("hisgate_outbox"))
		h.run(t, sell+"'D002'")
		r.count(1)
		open := h.session(t)
		open.run(t, sell+"'D001'")
		h.run(t, sell+"'D003'")
		r.count(2)
		stop()
		stop = r.begin(h.settings("hisgate_outbox"))
		r.look(10)
		open.run(t, "COMMIT")
		r.told(3)
		stop()
		if got := r.all(); len(got) != 3 || got[2].Drug != "D001" {
			t.Errorf("told are %+v", got)
		}
	})
}

// A sale that is rolled back leaves a gap for ever: it must not be asked for as
// long.
func TestRolledBackTransactionIsForgotten(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *hospital) {
		h.stock(t, 3)
		h.install(t, h.options())
		r := newReaders(t)
		s := h.settings("hisgate_outbox")
		s.Overlap = time.Second
		r.begin(s)
		h.run(t, sell+"'D001'")
		r.count(1)
		back := h.session(t)
		back.run(t, sell+"'D002'")
		h.run(t, sell+"'D003'")
		r.count(2)
		back.run(t, "ROLLBACK")
		r.await("no gap in the position", func() bool {
			p := position(t, s)
			return p.Max != nil && len(p.Gaps) == 0
		})
	})
}

// A row that is older than all that were read, and comes last.
func TestLateRowBeforeTheFirst(t *testing.T) {
	each(t, func(t *testing.T, h *hospital) {
		h.stock(t, 2)
		h.install(t, h.options())
		open := h.session(t)
		open.run(t, sell+"'D001'") // the first id of all
		h.run(t, sell+"'D002'")
		r := newReaders(t)
		r.begin(h.settings("hisgate_outbox"))
		r.count(1)
		r.look(10)
		open.run(t, "COMMIT")
		r.told(2)
	})
}

func drug(i int) string {
	return "D" + string([]byte{byte('0' + i/100), byte('0' + i/10%10), byte('0' + i%10)})
}

// position is what stands in the file.
func position(t testing.TB, s outbox.Settings) (p struct {
	Max  *int64
	Gaps [][2]int64
},
) {
	b, err := os.ReadFile(s.PositionFile)
	if err != nil {
		return p
	}
	if err := json.Unmarshal(b, &p); err != nil {
		t.Errorf("%v: %s", err, b)
	}
	return p
}
