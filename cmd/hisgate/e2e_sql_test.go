package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hisgate/hisgate/hisadapter/sqlhis/recipes"
	"github.com/hisgate/hisgate/internal/privateserver"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// A HIS of which nothing but the database is there, and which has no freeze: the
// recipe gives it one, and an order is held, paid and deducted.
func TestOrdersThroughADatabase(t *testing.T) {
	t.Parallel()
	his, port := reservationDatabase(t, `
INSERT INTO "药品字典" VALUES ('00010041', '甲硝唑片', '片', 0.0333, 1, '0');
INSERT INTO "药房库存" VALUES ('HLWYF', '00010041', 100);
`)

	w := newWorld(t, true)
	w.cfg.HIS.Driver, w.cfg.HIS.MappingFile = driverSQL, recipeMapping(t, port)
	w.cfg.HIS.Capabilities.FreezeTTL, w.cfg.HIS.Capabilities.BatchSize = 2*time.Hour, 200
	h := w.open()
	if s := h.live("00010041"); s.GetDrugName() != "甲硝唑片" || s.GetAvailable() != 100 || s.GetPrice() != "0.0333" {
		t.Errorf("the stock is %v", s)
	}
	if clock, ok := h.program.his.(clocked); !ok {
		t.Error("nobody measures the clock of the HIS")
	} else if ahead, known := clock.Skew(); ahead != 0 || !known {
		t.Errorf("our clock is %s ahead of that of the HIS, which is the same (%t)", ahead, known)
	}
	order := func(no string, units int) *hisgatev1.Order {
		return h.post("/v1/orders", fmt.Sprintf(`{"order_no":"%s","strategy":"RESERVE","pharmacy_id":"HLWYF",
  "items":[{"drug_id":"00010041","quantity":"%d","line_fen":"100"}],"amount":{"drugs_fen":"100","other_fen":"1500","total_fen":"1600"},
  "payment":{"method":"JSAPI","appid":"wx8888888888888888","payer_openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o","description":"互联网医院药费"}}`, no, units)).order(t)
	}
	order("RX-SQL-01", 30)
	order("RX-SQL-02", 30)
	h.pay("RX-SQL-01")
	h.await("RX-SQL-01", hisgatev1.Order_FULFILLED)
	h.post("/v1/orders/RX-SQL-02:cancel", `{}`)
	h.await("RX-SQL-02", hisgatev1.Order_CLOSED)

	eventually(t, "the freeze of the closed order was given back", func() error {
		var shelf int
		var first, second string
		if err := his.QueryRow(t.Context(), `SELECT "库存数量"::int,
 (SELECT status || ' ' || drugs_fen FROM hisgate_reservation WHERE his_no = 'RX-SQL-01'),
 (SELECT status FROM hisgate_reservation WHERE his_no = 'RX-SQL-02') FROM "药房库存"`).Scan(&shelf, &first, &second); err != nil {
			return err
		}
		if shelf != 70 || first != "DEDUCTED 100" || second != "RELEASED" {
			return fmt.Errorf("%d on the shelf, the orders are %s and %s", shelf, first, second)
		}
		if s := h.live("00010041"); s.GetOnHand() != 70 || s.GetHeld() != 0 {
			return fmt.Errorf("%d on hand, %d held", s.GetOnHand(), s.GetHeld())
		}
		return nil
	})
}

// reservationDatabase is a PostgreSQL of the test's own, with the tables of a
// hospital, what rows puts into them, and the recipe beside them.
func reservationDatabase(t *testing.T, rows string) (his *pgx.Conn, port int) {
	t.Helper()
	// Not t.TempDir, which the server's own user may not pass.
	above, err := os.MkdirTemp("", "hisgate-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(above) })
	dir := filepath.Join(above, "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	server, port, err := privateserver.StartPostgres(t.Context(), dir, "hisgate", "fsync = off")
	started(t, server, err)
	if err := server.Ready(t.Context(), func(ctx context.Context) (err error) {
		his, err = pgx.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%d user=hisgate dbname=postgres sslmode=disable", port))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = his.Close(context.Background()) })
	ddl, err := recipes.DDL("reservation", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	tables := `
CREATE TABLE "药品字典" ("药品编码" text PRIMARY KEY, "药品名称" text, "单位" text, "零售价" numeric, "最小销售数" int, "停用" char(1));
CREATE TABLE "药房库存" ("药房编码" text, "药品编码" text, "库存数量" numeric NOT NULL, PRIMARY KEY ("药房编码", "药品编码"));
`
	if _, err := his.PgConn().Exec(t.Context(), tables+ddl+rows).ReadAll(); err != nil {
		t.Fatal(err)
	}
	return his, port
}

// recipeMapping is the recipe's mapping file with the address of a test server.
func recipeMapping(t *testing.T, port int) string {
	t.Helper()
	doc, err := recipes.Mapping("reservation", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, passwordFile), []byte("not asked for\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for old, now := range map[string]string{
		"port: 5432": fmt.Sprintf("port: %d", port), "database: his": "database: postgres",
		"password_env: HIS_DB_PASSWORD": "password_file: " + passwordFile,
	} {
		if strings.Count(doc, old) != 1 {
			t.Fatalf("the recipe has not one %q", old)
		}
		doc = strings.Replace(doc, old, now, 1)
	}
	path := filepath.Join(dir, "his.yaml")
	if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
