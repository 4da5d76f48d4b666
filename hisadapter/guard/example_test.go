package guard_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// One drug that the HIS chokes on does not keep the others from being read.
func ExampleGuard_QueryStock() {
	his, err := simhis.New(simhis.Config{Catalogue: simhis.DemoCatalogue()})
	if err != nil {
		panic(err)
	}
	if _, err := his.Inject(simhis.Fault{DrugID: "00020015", What: simhis.Refuse, Message: "药品档案损坏"}); err != nil {
		panic(err)
	}
	g, err := guard.New(his.Driver(), guard.DefaultSettings(), guard.Deps{})
	if err != nil {
		panic(err)
	}
	ctx := guard.WithClass(context.Background(), guard.ClassLiveCheck)
	_, err = g.QueryStock(ctx, []hisadapter.Key{
		{PharmacyID: simhis.DemoPharmacy, DrugID: "00010041"},
		{PharmacyID: simhis.DemoPharmacy, DrugID: "00020015"},
	})
	if batch, ok := errors.AsType[*guard.BatchError](err); ok {
		for _, r := range batch.Readings {
			fmt.Println(r.Facts.Name, r.OnHand, r.Facts.Unit)
		}
		for key, err := range batch.Failed {
			fmt.Println(key.DrugID, err)
		}
	}
	// Output:
	// 甲硝唑片 1000 片
	// 00020015 his QueryStock: refused (other): [1099] 药品档案损坏
}
