package outbox_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// What the triggers of the printed script write, and what a message makes of it.
func TestTriggersTellWhatHappened(t *testing.T) {
	each(t, func(t *testing.T, h *hospital) {
		script := h.install(t, h.options())
		r := newReaders(t)
		stop := r.begin(h.settings("hisgate_outbox"))
		h.run(t, "INSERT INTO $.药房库存 (药房编码, 药品编码, 库存数量) VALUES ('互联网药房', '00010041', 9007199254740993.25)")
		h.run(t, "UPDATE $.药房库存 SET 备注 = '不算变化'")
		h.run(t, "UPDATE $.药房库存 SET 库存数量 = 8")
		h.run(t, "UPDATE $.药房库存 SET 库存数量 = NULL")
		h.run(t, "UPDATE $.药房库存 SET 药品编码 = '麝香'")
		h.run(t, "UPDATE $.药房库存 SET 药品编码 = '中药', 库存数量 = 5")
		h.run(t, "DELETE FROM $.药房库存")
		r.count(8)
		stop()
		type told struct{ Op, Pharmacy, Drug, Quantity string }
		want := []told{
			{"I", "互联网药房", "00010041", "9007199254740993.25"},
			{"U", "互联网药房", "00010041", "8"},
			{"U", "互联网药房", "00010041", ""},
			{"D", "互联网药房", "00010041", ""},
			{"U", "互联网药房", "麝香", ""},
			{"D", "互联网药房", "麝香", ""},
			{"U", "互联网药房", "中药", "5"},
			{"D", "互联网药房", "中药", ""},
		}
		var got []told
		for i, m := range r.all() {
			if n := m.Quantity.String(); strings.Contains(n, ".") {
				m.Quantity = json.Number(strings.TrimRight(strings.TrimRight(n, "0"), "."))
			}
			got = append(got, told{m.Op, m.Pharmacy, m.Drug, m.Quantity.String()})
			if m.Sequence != m.ID || m.ID == 0 || m.ContentType != "application/json" || m.Attributes["table"] != h.schema+".hisgate_outbox" {
				t.Errorf("message %d is %+v", i, m.Message)
			}
			if age := time.Since(m.At); age < 0 || age > patience {
				t.Errorf("message %d is of %v: %v ago", i, m.At, age)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		h.remove(t, script)
		h.stock(t, 1) // nothing is in its way
	})
}

// Where the outbox cannot be written MariaDB's trigger gives up, and the sale goes
// on.
func TestSaleGoesOnWithoutTheOutbox(t *testing.T) {
	h := newHospital(t, sqldb.MySQL)
	h.stock(t, 1)
	h.install(t, h.options())
	for _, trouble := range []string{
		"ALTER TABLE $.hisgate_outbox ADD CONSTRAINT full CHECK (op = 'X')",
		"DROP TABLE $.hisgate_outbox",
	} {
		h.run(t, trouble)
		h.run(t, sell+"'D001'")
	}
	if got := h.texts(t, "SELECT 库存数量 FROM $.药房库存"); got[0] != "999998.0000" {
		t.Errorf("after two sales %s are left", got[0])
	}
}
