package simhis

import "github.com/hisgate/hisgate/hisadapter"

// DemoPharmacy is the pharmacy of DemoCatalogue: the internet hospital's.
const DemoPharmacy = "HLWYF"

// DemoCatalogue is a small but lifelike catalogue: ids with leading zeros, one
// above 2^53, a price told for a hundred tablets, drugs sold only in whole
// boxes, one without a price and one that is stopped.
func DemoCatalogue() Catalogue {
	drugs := []Drug{
		{"00010041", facts("甲硝唑片", "片", 1, "3.3330", 100)},
		{"00010042", facts("阿莫西林胶囊", "粒", 24, "12.96", 24)},
		{"00010107", facts("盐酸二甲双胍片", "片", 20, "21.80", 20)},
		{"00010233", facts("苯磺酸氨氯地平片", "片", 7, "15.4700", 7)},
		{"00020015", facts("布洛芬缓释胶囊", "粒", 20, "18.50", 20)},
		{"00020118", facts("连花清瘟颗粒", "袋", 10, "29.90", 10)},
		{"00030009", facts("头孢呋辛酯片", "片", 12, "33.6", 12)},
		{"00040077", facts("胰岛素注射液", "支", 1, "46.25", 1)},
		{"00050003", facts("川贝母", "g", 1, "5.8750", 1)},
		{"9007199254740993", facts("人血白蛋白", "瓶", 1, "378.00", 1)},
		{"00060021", facts("中药代煎服务", "剂", 1, "", 0)},
	}
	stopped := Drug{"00070001", facts("复方甘草片", "片", 100, "9.8", 100)}
	stopped.Facts.Stopped = true
	drugs = append(drugs, stopped)

	c := Catalogue{Drugs: drugs}
	onHand := []int64{1000, 480, 600, 350, 400, 200, 240, 60, 5000, 12, 99999, 300}
	for i, d := range drugs {
		c.Stock = append(c.Stock, Stock{
			Key: hisadapter.Key{PharmacyID: DemoPharmacy, DrugID: d.ID}, OnHand: onHand[i],
		})
	}
	return c
}

func facts(name, unit string, multiple int64, price string, pricePer int64) hisadapter.Facts {
	return hisadapter.Facts{Name: name, Unit: unit, Multiple: multiple, Price: price, PricePer: pricePer}
}
