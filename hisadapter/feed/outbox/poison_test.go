package outbox_test

import (
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// A cell that cannot be read is null, with the reason beside it, and holds up
// nothing.
func TestCellThatCannotBeReadHoldsUpNothing(t *testing.T) {
	each(t, func(t *testing.T, h *hospital) {
		h.stock(t, 5)
		h.install(t, h.options())
		long := map[string]string{sqldb.Postgres: "text", sqldb.MySQL: "longtext"}[h.Dialect]
		h.run(t, "ALTER TABLE $.hisgate_outbox ADD COLUMN memo "+long)
		for i := 1; i <= 5; i++ {
			h.run(t, sell+"'"+drug(i)+"'")
		}
		h.run(t, "UPDATE $.hisgate_outbox SET memo = REPEAT('x', 70000) WHERE drug_id = 'D003'")
		r := newReaders(t)
		r.begin(h.settings("hisgate_outbox"))
		r.count(5)
		for _, m := range r.all() {
			switch reason := m.Unreadable["memo"]; {
			case m.Drug == "D003" && !strings.Contains(reason, "more than 65536 bytes"), m.Drug != "D003" && reason != "":
				t.Errorf("%s: the reason is %q", m.Drug, reason)
			}
		}
	})
}

// A row that makes the database itself fail is found among the others, and comes
// with nothing but its id.
func TestRowThatTheDatabaseCannotReadHoldsUpNothing(t *testing.T) {
	h := newHospital(t, sqldb.Postgres)
	h.stock(t, 9)
	h.install(t, h.options())
	h.run(t, "CREATE VIEW $.broken AS SELECT id, op, pharmacy_id, drug_id, quantity / (CASE drug_id WHEN 'D004' THEN 0 ELSE 1 END) AS quantity, changed_at FROM $.hisgate_outbox")
	h.run(t, "GRANT SELECT ON $.broken TO "+h.user)
	for i := 1; i <= 9; i++ {
		h.run(t, sell+"'"+drug(i)+"'")
	}
	r := newReaders(t)
	stop := r.begin(h.settings("broken"))
	r.count(9)
	r.look(3)
	stop()
	got := r.all()
	if len(got) != 9 {
		t.Fatalf("%d messages", len(got))
	}
	for i, m := range got {
		if bad := i == 3; bad != strings.Contains(m.Unreadable["*"], "division by zero") || bad == (m.Drug != "") || m.ID == 0 {
			t.Errorf("message %d is %s", i, m.Body)
		}
	}
}
