package outbox_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// Counters sell with many transactions at once, some of which are rolled back. Of
// what was committed nothing is missing, nothing comes twice, and in the order of
// the sequences the last figure of each drug is that of the table.
func TestEverySaleIsTold(t *testing.T) {
	each(t, func(t *testing.T, h *hospital) {
		const drugs, counters = 200, 8
		h.stock(t, drugs)
		h.install(t, h.options())
		r := newReaders(t)
		stop := r.begin(h.settings("hisgate_outbox"))
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		var sold atomic.Int64
		var wg sync.WaitGroup
		for c := range counters {
			wg.Go(func() { h.counter(t, rand.New(rand.NewPCG(seed, uint64(c))), drugs, &sold) })
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		ids := h.texts(t, "SELECT id FROM $.hisgate_outbox ORDER BY id")
		if int64(len(ids)) != sold.Load() {
			t.Fatalf("%d rows of %d changes", len(ids), sold.Load())
		}
		r.count(len(ids))
		r.look(3)
		stop()
		got := r.all()
		times, newest := map[string]int{}, map[string]message{}
		for _, m := range got {
			times[fmt.Sprint(m.ID)]++
			if m.Sequence > newest[m.Drug].Sequence {
				newest[m.Drug] = m
			}
		}
		for _, id := range ids {
			if n := times[id]; n != 1 {
				t.Fatalf("row %s was told %d times", id, n)
			}
		}
		if len(got) != len(ids) || r.largest > r.batch {
			t.Errorf("%d messages of %d rows, at most %d at a time", len(got), len(ids), r.largest)
		}
		for _, row := range h.texts(t, "SELECT CONCAT(药品编码, ' ', 库存数量) FROM $.药房库存") {
			name, figure, _ := strings.Cut(row, " ")
			if m, ok := newest[name]; ok && trimmed(m.Quantity.String()) != trimmed(figure) {
				t.Errorf("the last word about %s is %s, and there are %s", name, m.Quantity, figure)
			}
		}
		late := 0
		for i := 1; i < len(got); i++ {
			if got[i].ID < got[i-1].ID {
				late++
			}
		}
		t.Logf("%d changes, %d of which came after a later one", len(got), late)
	})
}

// howMany is the number of changes of the large test, which may be set as that of
// the suite.
func howMany(t testing.TB) int64 {
	s := os.Getenv("HISGATE_FEED_MESSAGES")
	if s == "" {
		return sales
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Error(err)
	}
	return n
}

// trimmed takes off the zeros behind the point, which databases keep differently.
func trimmed(n string) string {
	if strings.Contains(n, ".") {
		n = strings.TrimSuffix(strings.TrimRight(n, "0"), ".")
	}
	return n
}

// counter sells until enough was sold. sold counts what was committed.
func (h *hospital) counter(t *testing.T, random *rand.Rand, drugs int, sold *atomic.Int64) {
	conn, err := h.Admin.Conn(context.Background())
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	var args []any
	if h.Dialect == sqldb.Postgres {
		args = []any{pgx.QueryExecModeSimpleProtocol}
	}
	enough := howMany(t)
	for sold.Load() < enough {
		n := 1 + random.IntN(20)
		var names []string
		for _, i := range random.Perm(drugs)[:n] {
			names = append(names, "'"+drug(i+1)+"'")
		}
		sale := h.sql("UPDATE $.药房库存 SET 库存数量 = 库存数量 - 0.5 WHERE 药房编码 = 'HLWYF' AND 批号 = '' AND 药品编码 IN (" + strings.Join(names, ", ") + ")")
		end := "COMMIT"
		if random.IntN(20) == 0 {
			end, n = "ROLLBACK", 0
		}
		_, err := conn.ExecContext(context.Background(), "BEGIN; "+sale+"; "+end, args...)
		if err != nil && strings.Contains(strings.ToLower(err.Error()), "deadlock") {
			_, err = conn.ExecContext(context.Background(), "ROLLBACK", args...)
			n = 0
		}
		if err != nil {
			t.Errorf("the counter: %v", err)
			return
		}
		sold.Add(int64(n))
	}
}
