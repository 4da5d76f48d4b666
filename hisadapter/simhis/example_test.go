package simhis_test

import (
	"context"
	"fmt"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// The story that hisgate is about: the counter sells behind our back.
func Example() {
	his, err := simhis.New(simhis.Config{Catalogue: simhis.DemoCatalogue()})
	if err != nil {
		panic(err)
	}
	ctx, key := context.Background(), hisadapter.Key{PharmacyID: simhis.DemoPharmacy, DrugID: "00010041"}
	driver := his.Driver()

	before, _ := driver.QueryStock(ctx, []hisadapter.Key{key})
	sold, _ := his.Counter().Sell(key, 998)
	_, err = driver.PlaceOrder(ctx, hisadapter.PlaceOrderRequest{
		HisNo: "RX1", PharmacyID: key.PharmacyID, Lines: []hisadapter.Line{{DrugID: key.DrugID, Quantity: 3}},
	})
	fmt.Println("the copy said", before[0].OnHand, before[0].Facts.Unit)
	fmt.Println("the counter sold", sold)
	fmt.Println(err)
	// Output:
	// the copy said 1000 片
	// the counter sold 998
	// his PlaceOrder: refused (insufficient): [1001] 库存不足
}
