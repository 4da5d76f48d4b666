package sqlhis_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// Lots with Chinese names in a table of the HIS's own charset, counted in packs.
const lotTable = "CREATE TABLE `药房库存` (`药房编码` varchar(20), `药品编码` char(20), `批号` varchar(20), `数量` numeric(14,4), `包装量` int, `药品名称` varchar(60), `单位` varchar(10), `零售价` numeric(12,4), `停用` char(1), `状态` varchar(10))"

const lotRows = `
INSERT INTO ` + "`药房库存`" + ` VALUES
 ('HLWYF', '00010041', 'A', 2.4, 5, '注射用头孢曲松钠', '支', 19.90, '0', '合格'),
 ('HLWYF', '00010041', 'B', 0.5, 5, '注射用头孢曲松钠', '支', 19.90, '0', '合格'),
 ('HLWYF', '00010041', 'C', 100, 5, '注射用头孢曲松钠', '支', 19.90, '0', '过期'),
 ('HLWYF', 'PRICES', 'A', 1, 1, '甲', '盒', 1.00, '0', '合格'),
 ('HLWYF', 'PRICES', 'B', 1, 1, '甲', '盒', 1.10, '0', '合格'),
 ('HLWYF', 'STOP', 'A', 3, NULL, '乙', '盒', NULL, 'Y', '合格'),
 ('ELSE', '00010041', 'A', 7, 5, '别处', '支', 20, '0', '合格');
`

const lotMapping = `
units: {ratio: "10"}
query_stock:
  steps:
    - sql: |
        SELECT * FROM ` + "`药房库存`" + ` -- 说明: :no_parameter in a comment
        WHERE ` + "`药房编码`" + ` = :pharmacy_id AND ` + "`药品编码`" + ` IN (:drug_ids) AND '时间:now' <> '12:30' ORDER BY ` + "`批号`" + `
  rows:
    drug_id: 药品编码
    on_hand: 数量
    ratio: 包装量
    name: 药品名称
    unit: 单位
    price: 零售价
    stopped: {column: 停用, is: ["1", "Y"]}
  lots: true
  skip:
    - {column: 状态, is: [过期, 冻结]}
place_order:
  tx: driver
  steps:
    - sql: SELECT 1
      outcomes: [{rows: 1, then: done}]
`

func TestChineseTablesLotsAndPacks(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		charset := ""
		if dialect == sqlhis.MySQL {
			charset = " CHARACTER SET gbk"
		}
		d, db, schema := plain(t, dialect, lotTable+charset+";"+lotRows, lotMapping, hisadapter.Capabilities{BatchSize: 20})
		key := func(pharmacy, drug string) hisadapter.Key { return hisadapter.Key{PharmacyID: pharmacy, DrugID: drug} }
		keys := []hisadapter.Key{
			key("HLWYF", "STOP"), key("ELSE", "00010041"), key("HLWYF", "00010041"), key("HLWYF", "10041"), key("HLWYF", "PRICES"), key("HLWYF", "stop"),
		}
		got, err := d.QueryStock(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}
		ceftriaxone := hisadapter.Facts{Name: "注射用头孢曲松钠", Unit: "支", Price: "19.9000", PricePer: 5}
		expected := []hisadapter.Reading{
			{Key: keys[0], OnHand: 30, Facts: hisadapter.Facts{Name: "乙", Unit: "盒", Stopped: true}},
			{Key: keys[1], OnHand: 35, Facts: hisadapter.Facts{Name: "别处", Unit: "支", Price: "20.0000", PricePer: 5}},
			// 2.4 and 0.5 boxes of 5 are 14 vials and a half; the expired lot is none.
			{Key: keys[2], OnHand: 14, Facts: ceftriaxone},
			{Key: keys[3], Unknown: true},
			// Lots that cost differently have no price.
			{Key: keys[4], OnHand: 2, Facts: hisadapter.Facts{Name: "甲", Unit: "盒"}},
			{Key: keys[5], Unknown: true},
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Error(diff)
		}
		if dialect == sqlhis.MySQL {
			// The table really holds GBK.
			if stored := db.one(t, schema, "SELECT HEX(BINARY `单位`) FROM `药房库存` LIMIT 1"); stored != strings.ToUpper(hex.EncodeToString([]byte("\xd6\xa7"))) {
				t.Errorf("支 is stored as %s", stored)
			}
		}
	})
}

func TestAnswersThatCannotBeReadAreUnknown(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		for name, row := range map[string]string{
			"no figure":      "('HLWYF', 'A', 'A', NULL, 5, '甲', '支', 1, '0', '合格')",
			"negative price": "('HLWYF', 'A', 'A', 1, 5, '甲', '支', -1, '0', '合格')",
			"no pack":        "('HLWYF', 'A', 'A', 1, 0, '甲', '支', 1, '0', '合格')",
			"two rows":       "('HLWYF', 'A', 'A', 1, 5, '甲', '支', 1, '0', '合格'), ('HLWYF', 'A', 'B', 1, 5, '甲', '支', 1, '0', '合格')",
			"too many rows":  "('HLWYF', 'A', 'A', 1, 5, '甲', '支', 1, '0', '合格'), ('HLWYF', 'B', 'A', 1, 5, '甲', '支', 1, '0', '合格'), ('HLWYF', 'C', 'A', 1, 5, '甲', '支', 1, '0', '合格')",
		} {
			t.Run(name, func(t *testing.T) {
				mapping := strings.Replace(lotMapping, "lots: true", "lots: false", 1) + "max_rows: 2\n"
				d, _, _ := plain(t, dialect, lotTable+"; INSERT INTO `药房库存` VALUES "+row, mapping, hisadapter.Capabilities{BatchSize: 20})
				ask := []hisadapter.Key{{PharmacyID: "HLWYF", DrugID: "A"}}
				if name == "too many rows" {
					ask = append(ask, hisadapter.Key{PharmacyID: "HLWYF", DrugID: "B"}, hisadapter.Key{PharmacyID: "HLWYF", DrugID: "C"})
				}
				got, err := d.QueryStock(t.Context(), ask)
				want(t, err, hisadapter.Unknown)
				if got != nil {
					t.Errorf("beside the error: %+v", got)
				}
			})
		}
	})
}

// On PostgreSQL a list may be one array; quotes in it are data.
func TestArraysOnPostgres(t *testing.T) {
	start(t, sqlhis.Postgres)
	d, _, _ := plain(t, sqlhis.Postgres, `CREATE TABLE shelf (id text, n bigint); INSERT INTO shelf VALUES ('a"b\c,{}', 9007199254740993), ('x', 1)`, `
query_stock:
  steps:
    - sql: SELECT id, n FROM shelf WHERE id = ANY (:drug_ids) AND :pharmacy_id::text <> ''
  rows: {drug_id: id, on_hand: n}
place_order:
  tx: driver
  steps:
    - sql: SELECT 1
      outcomes: [{rows: 1, then: done}]
`, hisadapter.Capabilities{BatchSize: 5})
	got, err := d.QueryStock(t.Context(), []hisadapter.Key{{PharmacyID: "P", DrugID: `a"b\c,{}`}, {PharmacyID: "P", DrugID: `x' OR '1'='1`}})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].OnHand != 1<<53+1 || !got[1].Unknown {
		t.Errorf("read %+v", got)
	}
}

// [C6] A drug of which the HIS says what cannot be read does not fail the
// others.
func TestUnreadableRowFailsItsDrugAlone(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		const rows = "('HLWYF', 'A', 'A', 7, 1, '甲', '支', 1, '0', '合格'), ('HLWYF', 'B', 'A', 1, 1, '乙', '支', 1, '0', '合格'), ('HLWYF', 'B', 'B', NULL, 1, '乙', '支', 1, '0', '合格')"
		d, _, _ := plain(t, dialect, lotTable+"; INSERT INTO `药房库存` VALUES "+rows, lotMapping, hisadapter.Capabilities{BatchSize: 20})
		key := func(id string) hisadapter.Key { return hisadapter.Key{PharmacyID: "HLWYF", DrugID: id} }
		got, err := d.QueryStock(t.Context(), []hisadapter.Key{key("B"), key("A"), key("C")})
		if err != nil {
			t.Fatal(err)
		}
		if got[1].OnHand != 7 || got[1].Err != nil || !got[2].Unknown {
			t.Errorf("the readable ones are %+v", got)
		}
		e := want(t, got[0].Err, hisadapter.Unknown)
		if got[0].OnHand != 0 || !strings.Contains(e.Error(), "drug B: on_hand (mapping line ") {
			t.Errorf("read %+v", got[0])
		}
	})
}

// Ids above 2^53 in columns of numbers are not compared as floats: a neighbour is
// neither read nor deducted.
func TestNumericIdsAreExact(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		ddl := "CREATE TABLE numbered (id bigint PRIMARY KEY, n int NOT NULL); INSERT INTO numbered VALUES (9007199254740992, 5), (9007199254740993, 7), (9007199254740994, 9);"
		d, db, schema := plain(t, dialect, ddl, `
query_stock:
  steps: [{sql: "SELECT id, n FROM numbered WHERE id IN (:drug_ids)"}]
  rows: {drug_id: id, on_hand: n}
place_order:
  tx: driver
  steps:
    - sql: UPDATE numbered SET n = n - :quantity WHERE id = :drug_id
      for_each: line
      outcomes: [{rows: 1, then: next}]
`, hisadapter.Capabilities{BatchSize: 9})
		key := hisadapter.Key{DrugID: "9007199254740993"}
		for _, keys := range [][]hisadapter.Key{{key}, {key, {DrugID: "1"}}} {
			rs, err := d.QueryStock(t.Context(), keys)
			if err != nil || rs[0].OnHand != 7 {
				t.Errorf("read %+v, %v", rs, err)
			}
		}
		if _, err := d.PlaceOrder(t.Context(), order("RX1", key.DrugID)); err != nil {
			t.Error(err)
		}
		if got := db.one(t, schema, "SELECT SUM(n * (id - 9007199254740990)) FROM numbered"); got != "64" {
			t.Errorf("the wrong one was deducted: %s", got)
		}
	})
}
