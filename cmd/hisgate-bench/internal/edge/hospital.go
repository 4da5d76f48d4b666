package edge

import (
	"net/http"
	"path"
	"sync/atomic"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

const (
	pharmacy = "HLWYF"
	onHand   = 1 << 40 // of each drug: never short
	drugName = "甲硝唑片"
	unit     = "片"
	price    = "3.3330"
	pricePer = 100
)

// hospital is a HIS that counts its calls.
type hospital struct {
	*simhis.Door

	stock, others atomic.Int64
}

func openHospital(drugs []string) (*hospital, error) {
	var c simhis.Catalogue
	for _, d := range drugs {
		c.Drugs = append(c.Drugs, simhis.Drug{ID: d, Facts: hisadapter.Facts{Name: drugName, Unit: unit, Price: price, PricePer: pricePer}})
		c.Stock = append(c.Stock, simhis.Stock{Key: hisadapter.Key{PharmacyID: pharmacy, DrugID: d}, OnHand: onHand})
	}
	his, err := simhis.New(simhis.Config{
		Capabilities: hisadapter.Capabilities{Find: true, IdempotentByHisNo: true, AtomicItems: true, BatchSize: 100}, Catalogue: c,
	})
	if err != nil {
		return nil, err
	}
	h := &hospital{}
	work := his.HISHandler()
	h.Door, err = simhis.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Base(r.URL.Path) == "query_stock" {
			h.stock.Add(1)
		} else {
			h.others.Add(1)
		}
		work.ServeHTTP(w, r)
	}))
	return h, err
}

// calls is how many it has seen.
func (h *hospital) calls() int64 { return h.stock.Load() + h.others.Load() }
