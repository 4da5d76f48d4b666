package outbox_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed/outbox"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// viewed is a hospital whose stock is followed by the time of its last
// modification.
func (h *hospital) viewed(t testing.TB) outbox.Settings {
	t.Helper()
	o := h.options()
	o.Updated = "更新时间"
	h.install(t, o)
	s := h.settings("hisgate_modified")
	s.Mode, s.Ordered, s.Overlap = outbox.ByTime, false, time.Hour
	return s
}

// now is the database's time, and sellNow the counter of a HIS that notes it.
func (h *hospital) now() string {
	return map[string]string{sqldb.Postgres: "clock_timestamp()", sqldb.MySQL: "NOW(6)"}[h.Dialect]
}

func (h *hospital) sellNow(drug string) string {
	return "UPDATE $.药房库存 SET 库存数量 = 库存数量 - 1, 更新时间 = " + h.now() + " WHERE 药房编码 = 'HLWYF' AND 批号 = '' AND 药品编码 = '" + drug + "'"
}

// Modifications are brought once; one that takes its time early and commits late
// is not missed; equal times and times ahead of the clock do no harm.
func TestViewByTime(t *testing.T) {
	each(t, func(t *testing.T, h *hospital) {
		h.stock(t, 400)
		h.run(t, "UPDATE $.药房库存 SET 更新时间 = '2020-01-01 00:00:00'") // long ago: of no interest
		s := h.viewed(t)
		r := newReaders(t)
		r.batch = 50
		stop := r.begin(s)
		open := h.session(t)
		open.run(t, h.sellNow("D001"))
		h.run(t, h.sellNow("D002"))
		h.run(t, h.sellNow("D003"))
		r.count(2)
		// Wrong clocks, and many at the same moment.
		h.run(t, "UPDATE $.药房库存 SET 更新时间 = '2036-01-01 00:00:00' WHERE 药房编码 = 'HLWYF' AND 批号 = '' AND 药品编码 = 'D004'")
		r.count(3)
		h.run(t, "UPDATE $.药房库存 SET 库存数量 = 5, 更新时间 = CURRENT_TIMESTAMP WHERE 药房编码 = 'HLWYF' AND 药品编码 > 'D100'")
		r.count(303)
		h.run(t, h.sellNow("D002"))
		r.count(304)
		open.run(t, "COMMIT")
		r.count(305)
		stop()
		got := r.all()
		times := map[string]int{}
		for _, m := range got {
			times[m.Drug]++
			if m.Pharmacy != "HLWYF" || m.Quantity == "" || m.At.IsZero() || m.Sequence != 0 {
				t.Errorf("%s says %+v", m.Body, m)
			}
		}
		if len(got) != 305 || times["D001"] != 1 || times["D002"] != 2 || times["D004"] != 1 || times["D050"] != 0 || times["D101"] != 1 {
			t.Errorf("%d messages: %v", len(got), times)
		}
		if last := got[304]; last.Drug != "D001" || trimmed(last.Quantity.String()) != "999999" {
			t.Errorf("the late sale is %+v", last)
		}
		if r.largest > r.batch {
			t.Errorf("%d messages at once, want at most %d", r.largest, r.batch)
		}

		// What is modified while nobody runs is brought; what was read within the
		// overlap is brought once more, and nothing else.
		h.run(t, h.sellNow("D399"))
		stop = r.begin(s)
		r.await("the sale of D399", func() bool {
			for _, m := range r.got {
				if m.Drug == "D399" && m.Quantity.String()[0] == '4' {
					return true
				}
			}
			return false
		})
		stop()
	})
}

// Rows that look alike are told apart: a second lot of the drug at the same moment,
// and a figure that was there before, within the same second.
func TestViewByTimeOfRowsThatLookAlike(t *testing.T) {
	each(t, func(t *testing.T, h *hospital) {
		who := map[string]string{sqldb.Postgres: h.user, sqldb.MySQL: h.user + "@'%'"}[h.Dialect]
		moment := map[string]string{sqldb.Postgres: "timestamp", sqldb.MySQL: "datetime"}[h.Dialect]
		h.run(t, "CREATE TABLE $.alike (drug_id varchar(20), quantity int, changed_at "+moment+" NOT NULL)")
		h.run(t, "GRANT SELECT ON $.alike TO "+who)
		if h.Dialect == sqldb.Postgres {
			h.run(t, "GRANT USAGE ON SCHEMA "+h.schema+" TO "+who)
		}
		s := h.settings("alike")
		s.Mode, s.Ordered, s.Overlap = outbox.ByTime, false, time.Hour
		r := newReaders(t)
		r.begin(s)
		insert := func(drug string) {
			h.run(t, "INSERT INTO $.alike VALUES ('"+drug+"', 5, '2036-01-01 00:00:00')")
		}
		told, markers := 0, 0
		// more wants so many messages more about D001, when a later row has been told.
		more := func(n int) {
			t.Helper()
			markers++
			insert(fmt.Sprint("M", markers))
			told += n
			r.await("the row after it", func() bool {
				return slices.ContainsFunc(r.got, func(m message) bool { return m.Drug == fmt.Sprint("M", markers) })
			})
			r.mu.Lock()
			defer r.mu.Unlock()
			if got := len(r.got) - markers; got != told {
				t.Fatalf("%d messages, want %d", got, told)
			}
		}
		insert("D001")
		more(1)
		insert("D001")
		more(1)
		h.run(t, "UPDATE $.alike SET quantity = 4 WHERE drug_id = 'D001'")
		more(2)
		h.run(t, "UPDATE $.alike SET quantity = 5 WHERE drug_id = 'D001'")
		more(2)
		h.run(t, "DELETE FROM $.alike WHERE drug_id = 'D001'")
		more(0)
		insert("D001")
		more(1)
	})
}

// A modification that is committed later than the overlap after its time is not
// noticed: the limit that the guide names.
func TestViewByTimeHasItsLimit(t *testing.T) {
	each(t, func(t *testing.T, h *hospital) {
		h.stock(t, 3)
		h.run(t, "UPDATE $.药房库存 SET 更新时间 = '2020-01-01 00:00:00'")
		s := h.viewed(t)
		s.Overlap = time.Minute
		r := newReaders(t)
		r.begin(s)
		ago := map[string]string{sqldb.Postgres: "now() - interval '2 minutes'", sqldb.MySQL: "NOW(6) - INTERVAL 2 MINUTE"}[h.Dialect]
		h.run(t, "UPDATE $.药房库存 SET 更新时间 = "+ago+" WHERE 药品编码 = 'D001'")
		h.run(t, h.sellNow("D002"))
		r.count(1)
		h.run(t, h.sellNow("D003"))
		r.count(2)
		for _, m := range r.all() {
			if m.Drug == "D001" {
				t.Error("the overlap does not bound what is read")
			}
		}
	})
}
