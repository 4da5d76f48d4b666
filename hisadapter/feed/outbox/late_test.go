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
		r.count(39)
		r.look(10)
		open.run(t, "COMMIT")
		r.count(40)
		r.look(5)
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

// The transaction that took its id first has the greater number of the two: what
// PostgreSQL's snapshot names as its end is below it.
func TestHeldOpenTransactionThatBeganLastIsNotMissed(t *testing.T) {
	h := newHospital(t, sqldb.Postgres)
	h.stock(t, 2)
	h.install(t, h.options())
	r := newReaders(t)
	r.begin(h.settings("hisgate_outbox"))
	first, last := h.session(t), h.session(t)
	first.run(t, "SELECT txid_current()")
	last.run(t, sell+"'D001'")
	first.run(t, sell+"'D002'")
	first.run(t, "COMMIT")
	r.count(1)
	r.look(5)
	last.run(t, "COMMIT")
	r.count(2)
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
		r.count(3)
		stop()
		if got := r.all(); len(got) != 3 || got[2].Drug != "D001" {
			t.Errorf("told are %+v", got)
		}
	})
}

// A sale that is rolled back leaves a gap for ever: it must not be asked for as
// long. PostgreSQL tells when; elsewhere the overlap does.
func TestRolledBackTransactionIsForgotten(t *testing.T) {
	each(t, func(t *testing.T, h *hospital) {
		h.stock(t, 3)
		h.install(t, h.options())
		r := newReaders(t)
		s := h.settings("hisgate_outbox")
		s.Overlap = time.Second
		if h.dialect == sqldb.Postgres {
			s.Overlap = time.Hour
		}
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
		r.count(2)
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
