package sqlhis_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/adaptertest"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
	"github.com/hisgate/hisgate/hisadapter/sqlhis/recipes"
)

const (
	pharmacy = "HLWYF"
	drugA    = "00010041"
	bigID    = "9007199254740993001"
	boxed    = "00020002"
	stopped  = "00070001"
)

// able is what the recipe "reservation" can.
func able() hisadapter.Capabilities {
	return hisadapter.Capabilities{
		Freeze: true, FreezeTTL: 2 * time.Hour, NetFigure: true, Find: true, Cancel: true, List: true,
		IdempotentByHisNo: true, AtomicItems: true, BatchSize: 200, HisNoMax: 64,
	}
}

// tables are those of a HIS that has stock and nothing else.
func tables(dialect string) string {
	if dialect == sqlhis.Postgres {
		return `
CREATE TABLE "药品字典" ("药品编码" varchar(30) PRIMARY KEY, "药品名称" varchar(60), "单位" varchar(10), "零售价" numeric(12,4), "最小销售数" int, "停用" char(1));
CREATE TABLE "药房库存" ("药房编码" varchar(20), "药品编码" varchar(30), "库存数量" numeric(20,2) NOT NULL, PRIMARY KEY ("药房编码", "药品编码"));
`
	}
	return "CREATE TABLE `药品字典` (`药品编码` varchar(30) PRIMARY KEY, `药品名称` varchar(60), `单位` varchar(10), `零售价` decimal(12,4), `最小销售数` int, `停用` char(1)) CHARACTER SET gbk;\n" +
		"CREATE TABLE `药房库存` (`药房编码` varchar(20), `药品编码` varchar(30), `库存数量` decimal(20,2) NOT NULL, PRIMARY KEY (`药房编码`, `药品编码`)) CHARACTER SET gbk;\n"
}

// quote writes a name as the dialect does.
func quote(dialect, words string) string {
	if dialect == sqlhis.Postgres {
		return strings.ReplaceAll(words, "`", `"`)
	}
	return words
}

// hospital is a HIS whose stock stands in a real database, with the recipe beside
// it.
type hospital struct {
	db     *database
	schema string
	proxy  *proxy
	downs  map[string]bool
}

func newHospital(t testing.TB, dialect string) *hospital {
	t.Helper()
	db := start(t, dialect)
	h := &hospital{db: db, schema: db.schema(t), proxy: newProxy(t, dialect, db.address()), downs: map[string]bool{}}
	ddl, err := recipes.DDL("reservation", dialect)
	if err != nil {
		t.Fatal(err)
	}
	drugs := ""
	for _, d := range []struct {
		id, name string
		step     int
		stopped  string
	}{
		{drugA, "甲硝唑片", 1, "0"},
		{bigID, "阿莫西林胶囊", 1, "0"},
		{"00050003", "党参", 0, "0"},
		{boxed, "板蓝根颗粒", 24, "0"},
		{stopped, "停用药", 1, "1"},
	} {
		drugs += fmt.Sprintf("INSERT INTO `药品字典` VALUES ('%s', '%s', '片', 0.3333, %d, '%s');\n", d.id, d.name, d.step, d.stopped)
	}
	for _, id := range []string{boxed, stopped} {
		drugs += fmt.Sprintf("INSERT INTO `药房库存` VALUES ('%s', '%s', 1000);\n", pharmacy, id)
	}
	db.run(t, h.schema, tables(dialect)+ddl+quote(dialect, drugs))
	return h
}

// driver reads the recipe's mapping as it is, but for its connection.
func (h *hospital) driver(t testing.TB, address string) *sqlhis.Driver {
	t.Helper()
	doc, err := recipes.Mapping("reservation", h.db.Dialect)
	if err != nil {
		t.Fatal(err)
	}
	// 64 orders wait for one row, and the machine may be busy with something else.
	patient := strings.Replace(doc[strings.Index(doc, "statement_timeout:"):], "statement_timeout: 5s", "statement_timeout: 2m", 1)
	d, err := sqlhis.Open(h.db.load(t, address, h.schema, patient), able(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func (h *hospital) Fixture() adaptertest.Fixture {
	return adaptertest.Fixture{
		PharmacyID: pharmacy, Drugs: []string{drugA, bigID, "00050003"}, Unknown: "10041", Stopped: stopped, Boxed: boxed, Box: 24,
		Troubles: []adaptertest.Trouble{
			adaptertest.TimeoutBefore, adaptertest.TimeoutAfter, adaptertest.LateApply, adaptertest.ServerError, adaptertest.ServerErrorDone,
			adaptertest.Garbage, adaptertest.GarbageDone, adaptertest.TruncatedDone, adaptertest.Reset, adaptertest.ResetDone,
			adaptertest.Down, adaptertest.Busy, adaptertest.Misconfigured,
		},
	}
}

func (h *hospital) sql(t testing.TB, format string, args ...any) {
	t.Helper()
	h.db.run(t, h.schema, quote(h.db.Dialect, fmt.Sprintf(format, args...)))
}

func (h *hospital) SetStock(t testing.TB, key hisadapter.Key, n int64) {
	t.Helper()
	h.sql(t, "DELETE FROM `药房库存` WHERE `药房编码` = '%s' AND `药品编码` = '%s'; INSERT INTO `药房库存` VALUES ('%s', '%s', %d)",
		key.PharmacyID, key.DrugID, key.PharmacyID, key.DrugID, n)
}

func (h *hospital) Sell(t testing.TB, key hisadapter.Key, n int64) {
	t.Helper()
	h.sql(t, "UPDATE `药房库存` SET `库存数量` = `库存数量` - %d WHERE `药房编码` = '%s' AND `药品编码` = '%s'", n, key.PharmacyID, key.DrugID)
}

func (h *hospital) Lapse(t testing.TB, hisNo string) {
	t.Helper()
	h.sql(t, "UPDATE hisgate_reservation SET expires_at = created_at WHERE his_no = '%s'", hisNo)
}

// Pass moves what the HIS has written back in time, and lets commits arrive that
// were late.
func (h *hospital) Pass(t testing.TB, d time.Duration) {
	t.Helper()
	if d == 0 {
		return
	}
	if d >= adaptertest.LateBy {
		h.proxy.arrive()
	}
	by := fmt.Sprintf("INTERVAL %d SECOND", int64(d.Seconds()))
	if h.db.Dialect == sqlhis.Postgres {
		by = fmt.Sprintf("INTERVAL '%d seconds'", int64(d.Seconds()))
	}
	h.sql(t, "UPDATE hisgate_reservation SET expires_at = expires_at - %s, deducted_at = deducted_at - %s", by, by)
}

func (h *hospital) Now() time.Time { return time.Now() }

func (h *hospital) Idle(t testing.TB) { h.proxy.idle(t) }

func (h *hospital) Strike(_ testing.TB, op adaptertest.Op, trouble adaptertest.Trouble) <-chan struct{} {
	s := &strike{struck: make(chan struct{}), trouble: trouble}
	if trouble == adaptertest.Down {
		h.downs[string(op)] = true
		return s.struck
	}
	marks := map[adaptertest.Op]string{
		adaptertest.QueryStock: "query_stock", adaptertest.Freeze: "freeze", adaptertest.Unfreeze: "unfreeze",
		adaptertest.PlaceOrder: "place_order", adaptertest.FindOrder: "find_order", adaptertest.CancelOrder: "cancel_order",
	}
	s.mark = []byte("/* hisgate " + marks[op] + " */")
	s.writes = op != adaptertest.QueryStock && op != adaptertest.FindOrder
	h.proxy.mu.Lock()
	h.proxy.strike = s
	h.proxy.mu.Unlock()
	return s.struck
}

// switched is a driver whose database is switched off for single calls.
type switched struct {
	hisadapter.Driver
	t testing.TB
	h *hospital
}

func (s switched) off(op string) func() {
	if !s.h.downs[op] {
		return func() {}
	}
	delete(s.h.downs, op)
	s.h.proxy.down()
	return func() { s.h.proxy.up(s.t) }
}

func (s switched) QueryStock(ctx context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	defer s.off("QueryStock")()
	return s.Driver.QueryStock(ctx, keys)
}

func (s switched) Freeze(ctx context.Context, r hisadapter.FreezeRequest) (hisadapter.Freeze, error) {
	defer s.off("Freeze")()
	return s.Driver.Freeze(ctx, r)
}

func (s switched) Unfreeze(ctx context.Context, r hisadapter.UnfreezeRequest) error {
	defer s.off("Unfreeze")()
	return s.Driver.Unfreeze(ctx, r)
}

func (s switched) PlaceOrder(ctx context.Context, r hisadapter.PlaceOrderRequest) (hisadapter.HISOrder, error) {
	defer s.off("PlaceOrder")()
	return s.Driver.PlaceOrder(ctx, r)
}

func (s switched) FindOrder(ctx context.Context, hisNo string) (hisadapter.Found, error) {
	defer s.off("FindOrder")()
	return s.Driver.FindOrder(ctx, hisNo)
}

func (s switched) CancelOrder(ctx context.Context, hisNo, hisOrderNo string) error {
	defer s.off("CancelOrder")()
	return s.Driver.CancelOrder(ctx, hisNo, hisOrderNo)
}

// each runs a test against every server that this machine has.
func each(t *testing.T, test func(t *testing.T, dialect string)) {
	for _, dialect := range []string{sqlhis.Postgres, sqlhis.MySQL} {
		t.Run(dialect, func(t *testing.T) {
			start(t, dialect)
			test(t, dialect)
		})
	}
}

func TestRecipePassesTheSuite(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		adaptertest.Run(t, func(t *testing.T) (hisadapter.Driver, adaptertest.Control) {
			h := newHospital(t, dialect)
			return switched{h.driver(t, h.proxy.address), t, h}, h
		})
	})
}
